"""Which models an episode's features may be made by: those there are, and not too old ones."""

import threading
from contextlib import suppress

from s3k_dist.episodes import EpisodeChunk, EpisodeChunkError
from s3k_dist.errors import StorageError
from s3k_dist.weights import WeightsRegistry


class ModelCheck:
    """Refuses chunks whose features come from a model that does not exist, or that was replaced long ago.

    Args:
        registry: of the models; what it said last counts while it cannot be read.
        max_lag: how many promotions ago a model may have served; versions that were rejected in between do not count.
    """

    def __init__(self, registry: WeightsRegistry, max_lag: int) -> None:
        self._registry = registry
        self._max_lag = max_lag
        self._known: frozenset[int] = frozenset()
        self._served: tuple[int, ...] = ()  # one after the other, the last one now
        self._lock = threading.Lock()

    def __call__(self, chunk: EpisodeChunk) -> None:
        """Pass, or say why not; cells push from threads of their own.

        Raises:
            EpisodeChunkError: ``unknown_model`` or ``stale_model``.
        """
        made_by = {int(version) for version in chunk.model_versions}
        with self._lock:
            self._look(made_by)
            known, served = sorted(self._known), self._served
        where = f"chunk of episode {chunk.episode_id!r} from cell {chunk.cell_id!r}"
        if unknown := sorted(made_by.difference(known)):
            there_are = f"{known[0]} to {known[-1]}" if known else "none"
            raise EpisodeChunkError(
                "unknown_model", f"{where}: features of model version {unknown[0]}; there are {there_are}"
            )
        stale = [version for version in sorted(made_by) if _lag(version, served) > self._max_lag]
        if stale:
            raise EpisodeChunkError(
                "stale_model",
                f"{where}: features of model version {stale[0]}; {served[-1]} is promoted, "
                f"and at most {self._max_lag} versions behind it are taken",
            )

    def _look(self, made_by: set[int]) -> None:
        with suppress(StorageError):
            self._served = tuple(event.version for event in self._registry.history())
            if not made_by <= self._known:
                self._known = frozenset(self._registry.versions())


def _lag(version: int, served: tuple[int, ...]) -> int:
    """How many times another version came into service since this one served, or since it was published."""
    if version in served:
        return served[::-1].index(version)
    return sum(other > version for other in served)
