"""A binary tree of partial sums over slots: draw in proportion to priority in O(log n), for many draws at once."""

import numpy as np


class SumTree:
    """Masses of ``slots`` slots; every inner node holds the sum of its two children."""

    def __init__(self, slots: int) -> None:
        self.leaves = 1 << max(slots - 1, 1).bit_length()
        self.slots = slots
        self._nodes = np.zeros(2 * self.leaves)

    @property
    def total(self) -> float:
        """Sum of all masses."""
        return float(self._nodes[1])

    def mass(self, slots: np.ndarray | slice) -> np.ndarray:
        """Masses of some slots, float64."""
        return self._nodes[self.leaves : self.leaves + self.slots][slots]

    def set(self, slots: np.ndarray, mass: np.ndarray | float) -> None:
        """Give slots a mass; where a slot repeats, the last counts. Parents are summed anew, so no error builds up."""
        if len(slots) == 0:
            return
        nodes = np.asarray(slots) + self.leaves
        self._nodes[nodes] = mass
        parents = np.unique(nodes >> 1)
        while parents[0] >= 1:
            self._nodes[parents] = self._nodes[2 * parents] + self._nodes[2 * parents + 1]
            parents = np.unique(parents >> 1)

    def find(self, position: np.ndarray) -> np.ndarray:
        """The slots under positions in [0, total) of the line on which slots lie end to end with their masses."""
        position = np.array(position, dtype=np.float64)
        nodes = np.ones(position.shape, dtype=np.int64)
        for _ in range(self.leaves.bit_length() - 1):
            left = 2 * nodes
            left_mass = self._nodes[left]
            # Rounding may leave a position at the very end of the line; an empty right branch is never entered.
            right = (position >= left_mass) & (self._nodes[left + 1] > 0)
            position = np.where(right, position - left_mass, position)
            nodes = left + right
        return nodes - self.leaves
