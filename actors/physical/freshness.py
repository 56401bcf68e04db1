"""Whether a camera's frames are new ones: one that hangs may go on sending its last."""

import numpy as np

from actors.physical.camera import CameraFrame, FrozenImageError


class Freshness:
    """Watches the frames of one camera.

    Args:
        camera: names it in messages.
        frozen_frames: as ``RigLimits`` has it.
    """

    def __init__(self, camera: str, frozen_frames: int) -> None:
        self._camera = camera
        self._frozen_frames = frozen_frames
        self._image: np.ndarray | None = None
        self._same = 1
        self.arm()

    def arm(self) -> None:
        """The camera begins anew to count. What it showed last is not forgotten: that must change."""
        self._number: int | None = None
        self._time_ns: int | None = None

    def check(self, frame: CameraFrame) -> None:
        """Take the next frame into account.

        Raises:
            FrozenImageError: its number or time is not past that of the frame before, or its bytes have been the same
                too often.
        """
        number, time_ns = self._number, self._time_ns
        self._number, self._time_ns = frame.number, frame.camera_time_ns
        if number is not None and frame.number <= number:
            raise FrozenImageError(f"camera {self._camera}: frame {frame.number} came after frame {number}")
        if time_ns is not None and frame.camera_time_ns is not None and frame.camera_time_ns <= time_ns:
            raise FrozenImageError(f"camera {self._camera}: its clock stands at {frame.camera_time_ns} ns")
        if not self._frozen_frames:
            return
        unchanged = self._image is not None and np.array_equal(self._image, frame.image)
        self._same = self._same + 1 if unchanged else 1
        self._image = frame.image
        if self._same >= self._frozen_frames:
            raise FrozenImageError(f"camera {self._camera} is frozen: its last {self._same} images are the same")
