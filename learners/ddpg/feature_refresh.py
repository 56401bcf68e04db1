"""Stored episodes get the features of a new model while learning goes on.

    refresh.promoted(version)            # features are of this model from now on: what is far from it waits
    refresh.put(chunk)                   # one stored episode, as that model sees it; then the next one
    refresh.done()                       # enough of them: a policy that is a stranger to these features catches up

Any thread may say so; the learner's own takes it between two updates (``take``).
"""

import logging
from collections import deque

from learners.ddpg.feature_versions import FeatureVersions
from learners.ddpg.replay import DemonstrationReplay
from s3k_dist.episodes import EpisodeChunk, EpisodeChunkError

logger = logging.getLogger(__name__)


class FeatureRefresh:
    """Replaces features in a replay, and decides what may be drawn from it meanwhile.

    Args:
        replay: whose transitions are refreshed.
        max_distance: see ``FeatureVersions``.
        catch_up_updates: on what was computed anew, before the policy counts as fit for a model far from the last.

    Attributes:
        versions: which models' features are mixed.
    """

    def __init__(self, replay: DemonstrationReplay, max_distance: float, catch_up_updates: int) -> None:
        self.versions = FeatureVersions(max_distance)
        self._replay = replay
        self._catch_up_updates = catch_up_updates
        self._waiting: deque[EpisodeChunk | int | None] = deque()
        self._owed = 0
        self._rows = self._withdrawn = 0

    def promoted(self, version: int) -> None:
        """Features are of this model from now on."""
        self._waiting.append(version)

    def put(self, chunk: EpisodeChunk) -> None:
        """Hand in a whole stored episode with the features of the promoted model."""
        self._waiting.append(chunk)

    def done(self) -> None:
        """Enough was handed in to learn from."""
        self._waiting.append(None)

    def take(self) -> bool:
        """Act on all that was said since the last call; returns whether the policy fits other models than before."""
        versions, fitting = self.versions, self.versions.fitting
        while self._waiting:
            match self._waiting.popleft():
                case EpisodeChunk() as chunk:
                    if self._replaced(chunk):
                        self._replay.allow(versions.allowed)
                case int(version) if versions.promote(version):
                    self._owed = 0
                    self._replay.allow(versions.allowed)
                case None if versions.needs_catching_up() and self._owed == 0:
                    self._owed = self._catch_up_updates
                    if self._owed == 0:
                        versions.caught_up()
        return versions.fitting != fitting

    @property
    def owed(self) -> int:
        """Updates that are left to catch up."""
        return self._owed

    def count(self, updates: int) -> int:
        """Take note of updates that were made; returns how many of them did not serve to catch up."""
        catching_up = min(updates, self._owed)
        self._owed -= catching_up
        if catching_up and self._owed == 0:
            self.versions.caught_up()
        return updates - catching_up

    def metrics(self) -> dict[str, float]:
        """What ``docs/metrics.md`` calls by these names."""
        return {
            "replay_drawable": self._replay.drawable,
            "refreshed_rows": self._rows,
            "withdrawn_rows": self._withdrawn,
            "feature_distance": max(self.versions.distances.values(), default=0.0),
        }

    def _replaced(self, chunk: EpisodeChunk) -> bool:
        """Replace the features of an episode; returns whether a distance between models is known by it."""
        try:
            replaced = self._replay.refresh(chunk)
        except EpisodeChunkError as error:
            logger.warning("refused: %s", error)
            return False
        self._rows += replaced.rows
        self._withdrawn += replaced.withdrawn
        made_by = set(chunk.model_versions.tolist())
        return made_by == {self.versions.promoted} and self.versions.measure(replaced.changes)
