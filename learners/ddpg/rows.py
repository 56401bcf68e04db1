"""The replay's rows: preallocated arrays, a priority for each, and which of them may be drawn now."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from learners.ddpg.observation_statistics import ObservationStatistics
from learners.ddpg.sum_tree import SumTree
from learners.ddpg.transitions import column_shapes
from learners.ddpg.windows import Columns
from s3k_dist.errors import StorageError

ACTION_TOLERANCE = 1e-4  # an action is stored in float32, and clipped


@dataclass(frozen=True)
class Replaced:
    """What became of the rows of one episode whose features were computed anew.

    Attributes:
        rows: that were replaced.
        withdrawn: rows behind the end that the episode has now; not drawn until other features bring them back.
        changes: by the version that a row had, the largest change of an entry of its observation; shape (rows,) each.
    """

    rows: int = 0
    withdrawn: int = 0
    changes: dict[int, np.ndarray] = field(default_factory=dict)


class ReplayRows:
    """Slots [0, D) keep demonstrations for good, [D, D + capacity) are a ring.

    A row has a mass in ``tree``, its priority to the exponent alpha. No mass: it is not drawn now, because its features
    are of a model that is not allowed (``allow``), or because its episode ended before it (``replace``).

    Attributes:
        columns: arrays by name, as ``column_shapes`` has them; not to be written to from outside.
        tree: masses.
        demonstration_size: slots of demonstrations in use.
        agent_size: slots of the ring in use.
        added: rows that were ever put into the ring.
        statistics: moments of every observation that was ever stored, forgotten ones included.
    """

    def __init__(
        self, observation_size: int, action_size: int, capacity: int, demonstration_capacity: int, exponent: float
    ) -> None:
        """Allocate.

        Args:
            observation_size: length of a flat observation.
            action_size: length of a flat action.
            capacity: of the ring.
            demonstration_capacity: D.
            exponent: alpha; 0 draws uniformly, 1 in proportion to priority.
        """
        self.capacity = capacity
        self.demonstration_capacity = demonstration_capacity
        self.demonstration_size = self.agent_size = self.added = 0
        self._exponent = exponent
        self._next_ring_slot = 0
        self._max_priority = 1.0
        self._allowed: frozenset[int] | None = None
        self.statistics = ObservationStatistics(observation_size)
        shapes = column_shapes(observation_size, action_size)
        slots = capacity + demonstration_capacity
        self.columns: Columns = {name: np.zeros((slots, *shape), dtype) for name, (shape, dtype) in shapes.items()}
        self.tree = SumTree(slots)

    @property
    def room_for_demonstrations(self) -> int:
        """Slots left."""
        return self.demonstration_capacity - self.demonstration_size

    @property
    def drawable(self) -> int:
        """Rows that may be drawn."""
        return int(np.count_nonzero(self.tree.mass(slice(None))))

    def append_demonstrations(self, columns: Columns) -> int:
        """Store for good; there must be room. Returns the number of rows."""
        count = len(columns["reward"])
        self._write(self.demonstration_size + np.arange(count), columns)
        self.demonstration_size += count
        return count

    def append_to_ring(self, columns: Columns) -> int:
        """Store over the oldest; returns the number of rows."""
        count = len(columns["reward"])
        kept = min(count, self.capacity)
        start = self._next_ring_slot + count - kept
        ring = (start + np.arange(kept)) % self.capacity
        self._write(
            self.demonstration_capacity + ring, {name: array[count - kept :] for name, array in columns.items()}
        )
        self._next_ring_slot = (self._next_ring_slot + count) % self.capacity
        self.agent_size = min(self.agent_size + count, self.capacity)
        self.added += count
        return count

    def set_priorities(self, slots: np.ndarray, priorities: np.ndarray) -> None:
        """Give drawn rows new priorities, positive; one that is not finite becomes the largest there was."""
        priorities = np.where(np.isfinite(priorities), priorities, self._max_priority).astype(np.float64)
        self._max_priority = max(self._max_priority, float(priorities.max(initial=0.0)))
        drawable = self.tree.mass(slots) > 0
        self.tree.set(slots[drawable], priorities[drawable] ** self._exponent)

    def allow(self, versions: Collection[int] | None) -> None:
        """Draw rows of these models only, from now on; 0, no model, is always allowed. None allows all."""
        self._allowed = None if versions is None else frozenset(versions)
        used = self.used_slots()
        drawn = self.tree.mass(used) > 0
        wanted = self._is_allowed(self.columns["model_version"][used]) & (self.columns["step"][used] >= 0)
        self.tree.set(used[drawn & ~wanted], 0.0)
        self.tree.set(used[~drawn & wanted], self._newest_mass)

    def stale(self, version: int) -> np.ndarray:
        """Keys of the episodes with rows of another model than ``version``: demonstrations first, then the newest."""
        ring = np.arange(self.agent_size)
        newest_first = (self._next_ring_slot - 1 - ring) % self.capacity + self.demonstration_capacity
        slots = np.concatenate((np.arange(self.demonstration_size), newest_first))
        versions = self.columns["model_version"][slots]
        keys = self.columns["episode"][slots[(versions != version) & (versions != 0)]]
        found, first = np.unique(keys, return_index=True)
        return np.asarray(found[np.argsort(first)])

    def replace(self, key: int, columns: Columns) -> Replaced:
        """Give the rows of one episode what other features make of it.

        Args:
            key: of the episode.
            columns: of all its steps, in order, from the first one.

        Raises:
            ValueError: the actions are others than those that were stored; nothing has changed then.
        """
        used = self.used_slots()
        slots = used[self.columns["episode"][used] == key]
        beyond = _steps(self.columns["step"][slots]) >= len(columns["reward"])
        gone, slots = slots[beyond], slots[~beyond]
        steps = _steps(self.columns["step"][slots])
        if not np.allclose(self.columns["actions"][slots], columns["actions"][steps], atol=ACTION_TOLERANCE):
            raise ValueError("its actions are not those of the stored episode")
        self.columns["step"][gone] = ~_steps(self.columns["step"][gone])
        self.tree.set(gone, 0.0)
        change = np.abs(columns["obs"][steps] - self.columns["obs"][slots]).max(axis=1, initial=0.0)
        before = self.columns["model_version"][slots]
        drawn = self.tree.mass(slots) > 0
        for name, array in columns.items():
            self.columns[name][slots] = array[steps]
        # What could be drawn keeps its priority; what comes back is as good as new.
        wanted = self._is_allowed(self.columns["model_version"][slots])
        self.tree.set(slots[~drawn & wanted], self._newest_mass)
        self.tree.set(slots[drawn & ~wanted], 0.0)
        changes = {int(version): change[before == version] for version in np.unique(before)}
        return Replaced(len(slots), len(gone), changes)

    def used_slots(self) -> np.ndarray:
        """Slots that hold a row."""
        ring = np.arange(self.agent_size) + self.demonstration_capacity
        return np.concatenate((np.arange(self.demonstration_size), ring))

    def get_state(self) -> tuple[Columns, dict[str, Any]]:
        """Rows in use and masses as arrays, and the rest as JSON takes it. Exact."""
        used = self.used_slots()
        state = {f"column_{name}": array[used] for name, array in self.columns.items()}
        state["mass"] = self.tree.mass(used).copy()
        state["observation_mean"] = self.statistics.mean.copy()
        state["observation_squares"] = self.statistics.squares.copy()
        return state, {
            "agent_size": self.agent_size,
            "demonstration_size": self.demonstration_size,
            "added": self.added,
            "next_ring_slot": self._next_ring_slot,
            "max_priority": self._max_priority,
            "observations": self.statistics.count,
            "allowed": None if self._allowed is None else sorted(self._allowed),
        }

    def set_state(self, state: Columns, meta: dict[str, Any]) -> None:
        """Become what ``get_state`` described.

        Raises:
            StorageError, KeyError, ValueError, TypeError: the state is damaged; nothing has changed then.
        """
        demonstrations, agents = int(meta["demonstration_size"]), int(meta["agent_size"])
        count = demonstrations + agents
        rows = {name: state[f"column_{name}"] for name in self.columns}
        expected = {name: (count, *column.shape[1:]) for name, column in self.columns.items()}
        if {name: array.shape for name, array in rows.items()} != expected or state["mass"].shape != (count,):
            raise StorageError("saved replay is damaged: its columns are not those of its layout")
        statistics = ObservationStatistics(len(self.statistics.mean))
        statistics.count = int(meta["observations"])
        mean, squares = state["observation_mean"].copy(), state["observation_squares"].copy()
        if not mean.shape == squares.shape == statistics.mean.shape:
            raise StorageError("saved replay is damaged: its observation statistics do not fit its observations")
        statistics.mean, statistics.squares = mean, squares
        added, next_ring_slot = int(meta["added"]), int(meta["next_ring_slot"])
        max_priority, allowed = float(meta["max_priority"]), meta["allowed"]
        self.demonstration_size, self.agent_size, self.added = demonstrations, agents, added
        self._next_ring_slot, self._max_priority = next_ring_slot, max_priority
        self._allowed = None if allowed is None else frozenset(int(version) for version in allowed)
        self.statistics = statistics
        used = self.used_slots()
        for name, array in rows.items():
            self.columns[name][used] = array
        self.tree = SumTree(self.capacity + self.demonstration_capacity)
        self.tree.set(used, state["mass"])

    @property
    def _newest_mass(self) -> float:
        # New rows get the largest priority seen, so that each is drawn at least once soon (Schaul et al. 2016).
        return float(self._max_priority**self._exponent)

    def _write(self, slots: np.ndarray, columns: Columns) -> None:
        for name, array in columns.items():
            self.columns[name][slots] = array
        self.statistics.add(columns["obs"])
        self.tree.set(slots, np.where(self._is_allowed(columns["model_version"]), self._newest_mass, 0.0))

    def _is_allowed(self, versions: np.ndarray) -> np.ndarray:
        if self._allowed is None:
            return np.ones(len(versions), dtype=bool)
        return np.isin(versions, [0, *self._allowed])


def _steps(stored: np.ndarray) -> np.ndarray:
    """Steps within their episodes; a withdrawn row keeps its own as the complement, below 0."""
    return np.where(stored < 0, ~stored, stored)
