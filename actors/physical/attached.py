"""One camera of a rig and its thread: takes its part in each shot, and brings the camera back when it is lost.

A failure is the camera's own: the others never wait for it longer than a view's time-out, and once it is away not at
all.

| what happens | what its thread does |
|---|---|
| an incomplete image | takes part in the next shot |
| no image in time | arms the camera anew, so that a late image can never be taken for a later one |
| three failures without a good view between; a frozen image; the camera is gone | closes it, waits, opens it anew |

It waits longer each time, until a view has fitted the others' again: a camera that never fits must not break many sets.
"""

import logging
import threading
import time
from collections.abc import Callable

from actors.physical.camera import (
    Camera,
    CameraError,
    CameraGoneError,
    CameraMissingError,
    FrameTimeoutError,
    FrozenImageError,
    IncompleteFrameError,
    OpenCamera,
)
from actors.physical.freshness import Freshness
from actors.physical.rig_metrics import RigMetrics
from actors.physical.shot import Shot

logger = logging.getLogger(__name__)

STRIKES = 3
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.25, 8.0
STOP_S = 5.0
LOST = CameraGoneError, CameraMissingError, FrozenImageError


class AttachedCamera:
    """A camera that comes back.

    Args:
        name: in the rig.
        open_camera: opens it, also anew.
        frozen_frames: as ``RigLimits`` has it.
        on_armed: told each time that the camera begins anew to count its frames.
        is_late: whether a frame is of a trigger before this one.
        metrics: told what becomes of the camera.
    """

    def __init__(
        self,
        name: str,
        open_camera: OpenCamera,
        frozen_frames: int,
        on_armed: Callable[[str], None],
        is_late: Callable[..., bool],
        metrics: RigMetrics,
    ) -> None:
        self.name = name
        self.size_px: tuple[int, int] | None = None  # width, height; of the camera as it was opened last
        self._open_camera = open_camera
        self._on_armed = on_armed
        self._is_late = is_late
        self._metrics = metrics
        self._freshness = Freshness(name, frozen_frames)
        self._changed = threading.Condition()
        self._camera: Camera | None = None
        self._away: CameraError | None = CameraGoneError(f"camera {name} is being opened")
        self._tried = False
        self._since_s = time.monotonic()
        self._shot: Shot | None = None
        self._busy = False
        self._blamed: CameraError | None = None
        self._strikes = 0
        self._rests, self._backoff_s = False, FIRST_BACKOFF_S
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"camera-{name}", daemon=True)
        self._thread.start()

    @property
    def away(self) -> CameraError | None:
        """Why the camera cannot take part; None if it can."""
        return self._away

    def wait_opened(self, timeout_s: float) -> None:
        """Wait for the first opening.

        Raises:
            CameraError: it failed, or was not done in time.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._tried, timeout_s)
        if self._away is not None:
            raise self._away

    def begin(self, shot: Shot) -> None:
        """Take part in a shot; one that is away, or not done with the shot before, fails at once."""
        with self._changed:
            if self._away is None and not self._busy:
                self._shot, self._busy = shot, True
                self._changed.notify_all()
                return
        shot.failed(self.name, self._away or CameraError(f"camera {self.name} is not done with the shot before"))

    def accepted(self) -> None:
        """Its frame fitted the others': what failed before is forgiven."""
        with self._changed:
            self._strikes, self._backoff_s = 0, FIRST_BACKOFF_S

    def blame(self, error: CameraError) -> None:
        """Its frame did not fit the others': it begins anew."""
        with self._changed:
            self._blamed = error
            self._changed.notify_all()

    def close(self) -> None:
        """Let the camera go; a thread that hangs in its driver is left behind."""
        with self._changed:
            self._stopping = True
            self._away = CameraGoneError(f"camera {self.name} was closed")
            self._changed.notify_all()
        self._thread.join(STOP_S)

    def _run(self) -> None:
        while not self._stopping:
            if self._camera is None:
                self._open()
                continue
            with self._changed:
                self._changed.wait_for(lambda: self._shot or self._blamed or self._stopping)
                shot, self._shot = self._shot, None
                blamed, self._blamed = self._blamed, None
            if blamed is not None:
                self._recover(blamed)
            if shot is not None:
                self._take_part(shot)
        self._close()

    def _take_part(self, shot: Shot) -> None:
        camera, error = self._camera, self._away
        if camera is None:
            shot.failed(self.name, error or CameraGoneError(f"camera {self.name} is away"))
            return
        try:
            self._shoot(camera, shot)
        except CameraError as failure:
            error = failure
        except Exception as failure:  # foreign code: the rig must go on
            logger.exception("the driver of camera %s failed", self.name)
            error = CameraError(f"camera {self.name}: {type(failure).__name__}: {failure}")
        if error is not None:
            shot.failed(self.name, error)
            self._recover(error)
        with self._changed:
            self._busy = False

    def _shoot(self, camera: Camera, shot: Shot) -> None:
        camera.ready(shot.left_s)
        if not shot.is_ready(self.name):
            # A broadcast may have triggered it all the same: it has to be armed anew.
            raise FrameTimeoutError(f"camera {self.name} was not ready in time")
        camera.trigger()
        frame = camera.grab(shot.left_s)
        while self._is_late(self.name, frame, shot.trigger):
            frame = camera.grab(shot.left_s)
        self._freshness.check(frame)
        shot.arrived(self.name, frame)

    def _recover(self, error: CameraError) -> None:
        self._strikes += 1
        if isinstance(error, LOST) or self._strikes >= STRIKES:
            self._lose(error)
        elif not isinstance(error, IncompleteFrameError) and self._camera is not None:
            try:
                self._arm(self._camera)
            except Exception as failure:  # noqa: BLE001  # foreign code, likewise
                self._lose(failure if isinstance(failure, CameraError) else CameraGoneError(f"{failure}"))

    def _lose(self, error: CameraError) -> None:
        if self._backoff_s == FIRST_BACKOFF_S:  # since its view last fitted: it is said once
            logger.warning("camera %s is away: %s", self.name, error)
        self._since_s = time.monotonic()
        self._metrics.connected(self.name, False)
        with self._changed:
            self._away, self._rests = error, True
            shot, self._shot = self._shot, None
            self._busy = False
        if shot is not None:
            shot.failed(self.name, error)  # begun meanwhile: nobody shall wait for it
        self._close()

    def _open(self) -> None:
        """One try, after a rest if the camera was lost, or the try before failed."""
        if self._rests:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, self._backoff_s)
            self._backoff_s = min(2 * self._backoff_s, LONGEST_BACKOFF_S)
        if self._stopping:
            return
        error: CameraError | None = None
        try:
            camera = self._open_camera()
            self._arm(camera)
        except Exception as failure:  # noqa: BLE001  # foreign code, likewise
            error = failure if isinstance(failure, CameraError) else CameraError(f"camera {self.name}: {failure}")
        with self._changed:
            self._tried, self._rests = True, error is not None
            if error is None:
                self._camera, self._away = camera, None
                self.size_px = camera.width_px, camera.height_px
                self._metrics.connected(self.name, True)
                logger.info("camera %s is there, after %.1f s", self.name, time.monotonic() - self._since_s)
            else:
                self._away = error
            self._changed.notify_all()

    def _arm(self, camera: Camera) -> None:
        self._freshness.arm()
        camera.arm()
        self._on_armed(self.name)

    def _close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            try:
                camera.close()
            except Exception:  # foreign code, likewise
                logger.exception("camera %s did not close", self.name)
