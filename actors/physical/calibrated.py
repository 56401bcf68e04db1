"""A rig whose cameras are calibrated: its sets of frames as ``MultiViewFrame``.

A view that is missing is missing from the frame. Each view carries its own camera, and whatever reads frames (the wire,
the stream, Eq. 2) reads the views that there are; a black image with a flag would have to be known to all of them.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from actors.physical.camera import CameraError
from actors.physical.rig import CameraRig
from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.geometry.camera import Camera


class CalibratedRig:
    """Takes frames.

    Args:
        rig: open; ``close`` closes it.
        cell_id: of the frames.
        cameras: as calibrated, of the rig's names and of the size that its cameras send.
        image_px: side of the square images that come out; None: as they are sent.

    Raises:
        CameraError: a camera is not calibrated, sends images of another size than it was calibrated with, or sends
            oblong ones that should become square.
    """

    def __init__(self, rig: CameraRig, cell_id: str, cameras: Sequence[Camera], image_px: int | None = None) -> None:
        self._rig = rig
        self._cell_id = cell_id
        self._sequence = 0
        self.missing: Mapping[str, str] = {}
        by_name = {camera.name: camera for camera in cameras}
        if absent := [name for name in rig.names if name not in by_name]:
            raise CameraError(f"not calibrated: {', '.join(absent)}; calibrated are {', '.join(by_name) or 'none'}")
        for name in rig.names:
            _require_size(by_name[name], rig.size_px(name), image_px)
        found = tuple(by_name[name] for name in rig.names)
        self.cameras = found if image_px is None else tuple(camera.resized(image_px, image_px) for camera in found)

    def take(self, patience_s: float) -> MultiViewFrame:
        """A frame of the views that there are, in the order of ``cameras``; ``missing`` says why the others are not.

        Args:
            patience_s: no trigger is given later than that.

        Raises:
            NoFramesError: too few views came; says why.
        """
        found = self._rig.take(patience_s)
        self.missing = found.missing
        views = tuple(
            View(camera, _resized(frame.image, camera), frame.captured_at_ns)
            for camera in self.cameras
            if (frame := found.frames.get(camera.name)) is not None
        )
        self._sequence += 1
        captured_at_ns = min(view.captured_at_ns for view in views)
        return MultiViewFrame(self._cell_id, self._sequence - 1, captured_at_ns, views)

    def resume_after(self, sequence: int) -> None:
        """Number the next frame ``sequence + 1``: a cell that comes back never repeats a frame's name."""
        self._sequence = sequence + 1

    def close(self) -> None:
        """Let all cameras go; calling it twice does nothing."""
        self._rig.close()


def _resized(image: np.ndarray, camera: Camera) -> np.ndarray:
    if image.shape[:2] == (camera.height_px, camera.width_px):
        return image
    return np.asarray(cv2.resize(image, (camera.width_px, camera.height_px), interpolation=cv2.INTER_AREA))


def _require_size(camera: Camera, sent_px: tuple[int, int], image_px: int | None) -> None:
    width, height = sent_px
    if (camera.width_px, camera.height_px) != sent_px:
        raise CameraError(
            f"camera {camera.name} sends images of {width} x {height} px and was calibrated with "
            f"{camera.width_px} x {camera.height_px}: set its roi as it was, or calibrate it anew"
        )
    if image_px is not None and width != height:
        raise CameraError(
            f"camera {camera.name} sends images of {width} x {height} px; square ones of {image_px} px are made of a "
            "square roi"
        )
