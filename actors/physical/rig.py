"""N cameras as one: a trigger to all, their frames paired, and what fails left out.

Of one trigger comes a set of all views that arrived whole, in time and fresh; a view that fails is missing from it, and
comes back by itself. Frames that are not of one trigger are no set: it is dropped, and another one is triggered.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from actors.physical.attached import AttachedCamera
from actors.physical.camera import CameraError, CameraFrame, OpenCamera
from actors.physical.pairing import Pairing
from actors.physical.rig_metrics import RigMetrics
from actors.physical.settings import RigLimits
from actors.physical.shot import Shot

logger = logging.getLogger(__name__)

OPEN_S = 30.0  # a GigE camera takes a second or two, and has up to three from somebody who died
NOBODY_READY_S = 0.02


class NoFramesError(CameraError):
    """Fewer views than needed came in time."""


@dataclass(frozen=True)
class FrameSet:
    """What came of one trigger.

    Attributes:
        frames: by camera, in the rig's order.
        missing: the other cameras, each with the reason.
    """

    frames: Mapping[str, CameraFrame]
    missing: Mapping[str, str]


class CameraRig:
    """Takes sets of frames::

        with CameraRig(cameras, RigLimits()) as rig:
            frames = rig.take(patience_s=0.5).frames

    Args:
        cameras: how each is opened, by name.
        limits: what is made of their frames.
        by_host: False where triggers come from outside; the rig then takes the next one.
        fire: triggers all cameras at once; None where each is told by itself, or by a wire.

    Raises:
        CameraError: a camera cannot be opened; none stays open.
    """

    def __init__(
        self,
        cameras: Mapping[str, OpenCamera],
        limits: RigLimits | None = None,
        *,
        by_host: bool = True,
        fire: Callable[[], None] | None = None,
    ) -> None:
        self.limits = limits or RigLimits()
        self.metrics = RigMetrics(cameras)
        self._by_host = by_host
        self._fire = fire
        self._pairing = Pairing(self.limits.pair_within_s)
        self._triggers = 0
        self._said: dict[str, str] = {}
        self._cameras = {
            name: AttachedCamera(
                name, opened, self.limits.frozen_frames, self._pairing.forget, self._pairing.is_late, self.metrics
            )
            for name, opened in cameras.items()
        }
        until_s = time.monotonic() + OPEN_S
        try:
            for camera in self._cameras.values():
                camera.wait_opened(max(0.0, until_s - time.monotonic()))
        except CameraError:
            self.close()
            raise

    @property
    def names(self) -> tuple[str, ...]:
        """The cameras, in the rig's order."""
        return tuple(self._cameras)

    @property
    def away(self) -> dict[str, str]:
        """Cameras that are not there now, each with the reason."""
        return {name: str(camera.away) for name, camera in self._cameras.items() if camera.away is not None}

    def size_px(self, camera: str) -> tuple[int, int]:
        """Width and height of a camera's images."""
        size_px = self._cameras[camera].size_px
        assert size_px is not None  # it was opened once
        return size_px

    def take(self, patience_s: float) -> FrameSet:
        """Trigger, until a set of enough views comes out.

        Args:
            patience_s: no trigger is given later than that.

        Raises:
            NoFramesError: none came out; says why not.
        """
        until_s = time.monotonic() + patience_s
        while True:
            found = self._attempt()
            if len(found.frames) >= self.limits.min_views:
                self._say(found.missing)
                return found
            if time.monotonic() >= until_s:
                self._say(found.missing)
                reasons = "; ".join(f"{name}: {reason}" for name, reason in found.missing.items())
                raise NoFramesError(
                    f"{len(found.frames)} of {len(self._cameras)} views came, at least {self.limits.min_views} are "
                    f"needed: {reasons}"
                )

    def close(self) -> None:
        """Let all cameras go; calling it twice does nothing."""
        for camera in self._cameras.values():
            camera.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _attempt(self) -> FrameSet:
        """One trigger."""
        began_s = time.monotonic()
        self._triggers += 1
        trigger = self._triggers if self._by_host else None
        shot = Shot(trigger, self._cameras, self.limits.view_timeout_s)
        for camera in self._cameras.values():
            camera.begin(shot)
        if not shot.wait_ready():
            time.sleep(NOBODY_READY_S)
        elif self._fire is not None:
            self._fire()
        shot.let_off()
        frames, errors = shot.wait_frames()
        for name, error in errors.items():
            self.metrics.view(name, error.outcome)
        missing = {name: str(errors[name]) for name in self._cameras if name in errors}
        if odd := self._pairing.odd_ones(frames, trigger):
            return self._dropped(frames, odd, missing)
        for name in frames:
            self._cameras[name].accepted()
        return self._fresh(frames, missing, began_s)

    def _dropped(self, frames: Mapping[str, CameraFrame], odd: Mapping[str, str], missing: dict[str, str]) -> FrameSet:
        self.metrics.set("unpaired")
        for name in frames:
            self.metrics.view(name, "unpaired")
        for name, reason in odd.items():
            self.metrics.odd(name)
            self._cameras[name].blame(CameraError(f"camera {name}: {reason}"))
        why = ", ".join(f"{name}: {reason}" for name, reason in odd.items())
        logger.warning("a set of frames is dropped: %s", why)
        return FrameSet({}, missing | dict.fromkeys(frames, f"the set was dropped ({why})"))

    def _fresh(self, frames: Mapping[str, CameraFrame], missing: dict[str, str], began_s: float) -> FrameSet:
        """Without what is too old by now."""
        now_s = time.monotonic()
        for name, frame in frames.items():
            age_s = now_s - frame.captured_s
            too_old = age_s > self.limits.max_age_s
            self.metrics.view(name, "too_old" if too_old else "ok")
            if too_old:
                missing[name] = (
                    f"its image is {1e3 * age_s:.0f} ms old, at most {1e3 * self.limits.max_age_s:.0f} may it be"
                )
        kept = {name: frames[name] for name in self._cameras if name in frames and name not in missing}
        if len(kept) < self.limits.min_views:
            self.metrics.set("too_few")
        else:
            self.metrics.set("partial" if missing else "complete")
            self.metrics.took(now_s - began_s)
        return FrameSet(kept, missing)

    def _say(self, missing: Mapping[str, str]) -> None:
        """Once for each camera that begins to be missing, or comes back."""
        for name, reason in missing.items():
            if name not in self._said:
                logger.warning("going on without camera %s: %s", name, reason)
        for name in self._said.keys() - missing.keys():
            logger.warning("camera %s is back", name)
        self._said = dict(missing)
