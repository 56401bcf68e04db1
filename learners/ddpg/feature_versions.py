"""Which models' features a critic may mix: those of the promoted model, and of those measured to be near it.

A new model sees the same plug a little elsewhere. A critic that is fed both takes the difference for something that
happened. Stored transitions are therefore computed anew from their frames (``DDPG.refresh``); until then those of
another model are drawn only if the first of them, computed anew, have hardly changed.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

PROBED_ROWS = 64  # transitions that tell how far two models are apart


class FeatureVersions:
    """Knows the promoted model, and how far from it the others are.

    Args:
        max_distance: of a model whose features may be mixed with the promoted one's: the median over transitions of the
            largest change of an entry of the observation.

    Attributes:
        promoted: the model that features are wanted of; None while nobody has said.
        distances: of other models from it, by version.
        fitting: models whose features the policy has learned to act on; None: any.
    """

    def __init__(self, max_distance: float) -> None:
        self._max_distance = max_distance
        self._changes: dict[int, list[np.ndarray]] = {}
        self._far = False
        self.promoted: int | None = None
        self.distances: dict[int, float] = {}
        self.fitting: frozenset[int] | None = None

    @property
    def allowed(self) -> frozenset[int] | None:
        """Models whose features may be mixed; None: any, nobody has said which model is promoted."""
        if self.promoted is None:
            return None
        near = (version for version, distance in self.distances.items() if distance <= self._max_distance)
        return frozenset((self.promoted, *near))

    def promote(self, version: int) -> bool:
        """Features of ``version`` are wanted from now on; returns whether that is news."""
        if version == self.promoted:
            return False
        if self.promoted is None:
            self.fitting = frozenset((version,))
        self.promoted = version
        self.distances, self._changes, self._far = {}, {}, False
        return True

    def measure(self, changes: Mapping[int, np.ndarray]) -> bool:
        """Take note of how transitions changed that were computed anew; returns whether a distance is known by it.

        Args:
            changes: by the version that they had, the largest change of an entry of each observation, shape (rows,).
        """
        news = False
        for version, change in changes.items():
            if version in (0, self.promoted) or version in self.distances or len(change) == 0:
                continue
            seen = self._changes.setdefault(version, [])
            seen.append(change)
            if sum(map(len, seen)) >= PROBED_ROWS:
                self.distances[version] = float(np.median(np.concatenate(self._changes.pop(version))))
                self._far |= self.distances[version] > self._max_distance
                news = True
        if news and not self._far:
            self.fitting = self.allowed
        return news

    def needs_catching_up(self) -> bool:
        """Whether a policy that acted on the model before is a stranger to the promoted one's features."""
        return self.promoted is not None and self.promoted not in (self.fitting or ())

    def caught_up(self) -> None:
        """The policy has learned from the promoted model's features."""
        self.fitting = self.allowed

    def get_state(self) -> dict[str, Any]:
        """All that a checkpoint needs, as JSON takes it."""
        return {
            "promoted": self.promoted,
            "distances": [[version, distance] for version, distance in self.distances.items()],
            "fitting": None if self.fitting is None else sorted(self.fitting),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Become what ``get_state`` described."""
        self.promoted = state["promoted"]
        self.distances = {int(version): float(distance) for version, distance in state["distances"]}
        self.fitting = None if state["fitting"] is None else frozenset(state["fitting"])
        self._changes = {}
        self._far = self.needs_catching_up()
