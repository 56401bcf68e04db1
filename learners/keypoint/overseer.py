"""Decides on the version on trial, and on the promoted one while it is young, by how they do in service.

One process decides: the keypoint learner, which published them and has the stream to check on. Services only follow the
registry and count; so replicas cannot disagree. Should two learners ever run, the registry's lock lets one decision of
each kind through and refuses the other.

A canary is judged by its frames beside those that the promoted version answered meanwhile. A promoted version is judged
by the figures of the one before; frames may have become harder since, so both are then compared on the same fresh
frames, and only if the old one does better there is the new one rolled back.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from learners.keypoint.config import PromotionConfig
from learners.keypoint.promotion import objections
from s3k_dist.errors import StorageError
from s3k_dist.features.figures import VersionFigures, read_figures
from s3k_dist.weights import WeightsRegistry
from s3k_dist.weights_history import Canary

LOOK_EVERY_S = 2.0
SERVED_WITHIN_S = 30.0  # a service writes its figures every second or so; older ones are of one that is gone
FAILURES = 3  # of a canary that answered nothing
FAILED_SHARE = 0.02

Compare = Callable[[int, int], list[str]]
"""In what one version does worse than another on the same fresh frames."""


@dataclass(frozen=True)
class Decision:
    """What was decided on a version.

    Attributes:
        kind: how it ended.
        version: which.
        reason: in words; empty where nothing spoke against it.
    """

    kind: Literal["promoted", "rejected", "rolled back"]
    version: int
    reason: str = ""

    def __str__(self) -> str:
        return f"keypoint model {self.version} {self.kind}" + (f": {self.reason}" if self.reason else "")


class Overseer:
    """Looks at the figures that services write.

    Args:
        registry: of the versions.
        config: margins and patience.
        compare: judges two versions on the same frames.
        now_s: a clock, seconds.
    """

    def __init__(
        self,
        registry: WeightsRegistry,
        config: PromotionConfig,
        compare: Compare,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._config = config
        self._compare = compare
        self._now_s = now_s
        self._looked_s = -math.inf
        self._cleared: tuple[int, int] = (0, 0)

    def wants_trial(self) -> bool:
        """Whether a candidate is to be tried first: some service is at work that could try it."""
        return self._config.canary_share > 0 and read_figures(self._registry.root, 0, 0).age_s < SERVED_WITHIN_S

    def look(self) -> Decision | None:
        """Decide, if there is enough to decide on; cheap, and does nothing most of the time."""
        now_s = self._now_s()
        if now_s - self._looked_s < LOOK_EVERY_S:
            return None
        self._looked_s = now_s
        canary, current = self._registry.canary(), self._registry.current()
        if current is None:
            return None
        if canary is not None:
            return self._judge_canary(canary, current, settle=False)
        return self._judge_promoted(current)

    def settle(self) -> Decision | None:
        """Decide on the version on trial by what there is, as at the end of a run."""
        canary, current = self._registry.canary(), self._registry.current()
        if canary is None or current is None:
            return None
        return self._judge_canary(canary, current, settle=True)

    def _judge_canary(self, canary: Canary, current: int, *, settle: bool) -> Decision | None:
        version, config = canary.version, self._config
        together = read_figures(self._registry.root, current, version).together
        tried, other = together.of(version), together.of(current)
        if tried.failures >= max(FAILURES, FAILED_SHARE * tried.frames):
            return self._reject(version, f"it failed {tried.failures} times in service")
        enough = min(tried.frames, other.frames) >= config.canary_frames
        overdue = (time.time_ns() - canary.since_ns) / 1e9 > config.canary_s
        if not (enough or overdue or settle):
            return None
        against = objections(tried.means, other.means, config.live) if tried.frames and other.frames else []
        if against:
            return self._reject(version, f"in service, over {tried.frames} frames: " + "; ".join(against))
        try:
            self._registry.promote(version, before=other.means if other.frames else None)
        except StorageError as error:  # damaged since it was published
            return self._reject(version, str(error))
        return Decision("promoted", version)

    def _judge_promoted(self, current: int) -> Decision | None:
        history = self._registry.history()
        last = history[-1] if history else None
        if last is None or last.action != "promoted" or last.version != current or not last.before:
            return None
        figures: VersionFigures = read_figures(self._registry.root, current, 0).together.of(current)
        # Looked into once, it is looked into again after as many frames more: comparing takes a second.
        cleared, at_frames = self._cleared
        if figures.frames < max(self._config.canary_frames, 2 * at_frames if cleared == current else 0):
            return None
        against = objections(figures.means, last.before, self._config.live)
        if not against:
            return None
        self._cleared = (current, figures.frames)
        served = [event.version for event in history[:-1]]
        try:
            confirmed = self._compare(current, served[-1]) if served else []
        except StorageError:
            return None  # the version before is gone: there is nothing to go back to
        if not confirmed:
            return None
        reason = f"in service {'; '.join(against)}; on the same frames {'; '.join(confirmed)}"
        try:
            self._registry.roll_back(reason, withdraw=current)
        except StorageError:
            return None  # damaged, too, or somebody was quicker
        return Decision("rolled back", current, reason)

    def _reject(self, version: int, reason: str) -> Decision:
        self._registry.reject(version, reason)
        return Decision("rejected", version, reason)
