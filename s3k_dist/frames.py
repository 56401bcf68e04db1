"""One moment of a cell through all its cameras: the type that goes from camera to wire to disk."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from s3k_dist.errors import FrameError
from s3k_dist.geometry.camera import Camera


@dataclass(frozen=True, eq=False)
class View:
    """What one camera saw.

    Attributes:
        camera: the calibrated camera.
        image: RGB, uint8, shape (height_px, width_px, 3).
        captured_at_ns: host time of the exposure, nanoseconds since the Unix epoch.
    """

    camera: Camera
    image: np.ndarray
    captured_at_ns: int

    def __post_init__(self) -> None:
        expected = (self.camera.height_px, self.camera.width_px, 3)
        if self.image.dtype != np.uint8 or self.image.shape != expected:
            raise FrameError(
                f"view {self.camera.name!r}: image is {self.image.dtype} {self.image.shape}, expected uint8 {expected}"
            )


@dataclass(frozen=True, eq=False)
class MultiViewFrame:
    """One moment of a cell, seen through all of its calibrated cameras.

    Attributes:
        cell_id: name of the cell.
        sequence: counts up by one with each frame of a cell.
        captured_at_ns: host time of the trigger, nanoseconds since the Unix epoch.
        views: one for each camera, names unique.
    """

    cell_id: str
    sequence: int
    captured_at_ns: int
    views: tuple[View, ...]

    def __post_init__(self) -> None:
        names = [view.camera.name for view in self.views]
        if not names:
            raise FrameError(f"frame {self.sequence} of cell {self.cell_id!r} has no views")
        if len(set(names)) != len(names):
            raise FrameError(f"frame {self.sequence} of cell {self.cell_id!r} repeats a camera: {', '.join(names)}")

    @property
    def frame_id(self) -> str:
        """Names this frame among all frames of all cells."""
        return f"{self.cell_id}/{self.sequence:08d}"

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """The cameras, in the order of the views."""
        return tuple(view.camera for view in self.views)

    def require_views(self, minimum: int) -> None:
        """Raise FrameError unless at least ``minimum`` views are there."""
        if len(self.views) < minimum:
            names = ", ".join(camera.name for camera in self.cameras)
            raise FrameError(
                f"frame {self.frame_id}: a 3-D keypoint needs at least {minimum} views, got {len(self.views)} ({names})"
            )


def stack_images(frames: Sequence[MultiViewFrame]) -> np.ndarray:
    """All images of frames that share a layout: uint8, shape (frames, views, height, width, 3).

    Raises:
        FrameError: the frames differ in their number of views or image size.
    """
    layouts = {(len(frame.views), view.image.shape) for frame in frames for view in frame.views}
    if len(layouts) != 1:
        found = ", ".join(f"{views} views of {width} x {height} px" for views, (height, width, _) in sorted(layouts))
        raise FrameError(f"expected frames with as many views of one size each, got {found or 'no frames'}")
    return np.stack([np.stack([view.image for view in frame.views]) for frame in frames])
