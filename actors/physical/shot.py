"""One trigger of all cameras, as their threads and the rig meet in it; nobody waits longer than a deadline."""

import threading
import time
from collections.abc import Iterable

from actors.physical.camera import CameraError, CameraFrame, FrameTimeoutError


class Shot:
    """Made by the rig, handed to the thread of each camera.

    Args:
        trigger: the rig's count of its triggers; None where they come from outside.
        cameras: names of those that take part.
        timeout_s: for all to get ready, and again for all images to arrive.
    """

    def __init__(self, trigger: int | None, cameras: Iterable[str], timeout_s: float) -> None:
        self.trigger = trigger
        self._timeout_s = timeout_s
        self._until_s = time.monotonic() + timeout_s
        self._changed = threading.Condition()
        self._awaited = set(cameras)
        self._ready: set[str] = set()
        self._let_off = False
        self.frames: dict[str, CameraFrame] = {}
        self.errors: dict[str, CameraError] = {}

    @property
    def left_s(self) -> float:
        """Until the deadline of what goes on now."""
        return max(0.0, self._until_s - time.monotonic())

    def wait_ready(self) -> set[str]:
        """Of the rig: wait for the cameras to be ready; those that are."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready | set(self.errors) >= self._awaited, self.left_s)
            return set(self._ready)

    def let_off(self) -> None:
        """Of the rig: the trigger is now; whoever is not ready is left out."""
        with self._changed:
            for name in self._awaited - self._ready:
                self.errors.setdefault(name, FrameTimeoutError(f"it was not ready within {self._timeout_s:.3g} s"))
            self._until_s = time.monotonic() + self._timeout_s
            self._let_off = True
            self._changed.notify_all()

    def wait_frames(self) -> tuple[dict[str, CameraFrame], dict[str, CameraError]]:
        """Of the rig: wait for frames; those that came, and why the others did not. Later ones are not taken."""
        with self._changed:
            self._changed.wait_for(lambda: self.frames.keys() | self.errors.keys() >= self._awaited, self.left_s)
            for name in self._awaited - self.frames.keys() - self.errors.keys():
                self.errors[name] = FrameTimeoutError(f"no image came within {self._timeout_s:.3g} s")
            return dict(self.frames), dict(self.errors)

    def is_ready(self, camera: str) -> bool:
        """Of a camera: it is ready; waits for the trigger, and returns whether it takes part."""
        with self._changed:
            if self._let_off or camera in self.errors:
                return False
            self._ready.add(camera)
            self._changed.notify_all()
            # A little longer than the rig waits: it decides.
            return self._changed.wait_for(lambda: self._let_off, 2 * self._timeout_s)

    def arrived(self, camera: str, frame: CameraFrame) -> None:
        """Of a camera: its frame."""
        with self._changed:
            if camera not in self.errors:
                self.frames[camera] = frame
                self._changed.notify_all()

    def failed(self, camera: str, error: CameraError) -> None:
        """Of a camera: there will be none."""
        with self._changed:
            if camera not in self.frames:
                self.errors.setdefault(camera, error)
                self._changed.notify_all()
