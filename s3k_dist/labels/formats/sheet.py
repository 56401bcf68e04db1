"""What all formats hold: which pixel each keypoint was clicked at, in each view of each frame."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from s3k_dist.errors import StorageError
from s3k_dist.frames import MultiViewFrame
from s3k_dist.geometry.projection import Cameras, project
from s3k_dist.labels.store import Label
from s3k_dist.stream.reader import StreamReader

Pixel = tuple[float, float]
Clicks = dict[str, dict[str, Pixel]]  # camera, keypoint


@dataclass(frozen=True)
class ClickSheet:
    """Clicks of many frames.

    Attributes:
        keypoints: their names, in order.
        clicks: by frame, camera and keypoint; ``(0, 0)`` is the centre of the top-left pixel.
    """

    keypoints: tuple[str, ...]
    clicks: dict[str, Clicks]


class Views:
    """Which views there are, and what a folder of one is called; every format names images in its own way.

    Args:
        reader: the stream.

    Raises:
        StorageError: two views would share a folder.
    """

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader
        self._of_folder: dict[str, tuple[str, str]] = {}
        self._cameras: dict[str, list[str]] = {}
        for cell in reader.cells():
            frame = reader.read(int(reader.of_cell(cell)[0])).frame
            self._cameras[cell] = [camera.name for camera in frame.cameras]
            for camera in self._cameras[cell]:
                folder = self.folder(cell, camera)
                if folder in self._of_folder or "/" in folder or folder.startswith("."):
                    raise StorageError(
                        f"camera {camera!r} of cell {cell!r} cannot have a folder of its own: {folder!r}"
                    )
                self._of_folder[folder] = cell, camera

    def cameras(self, cell: str) -> list[str]:
        """Of a cell."""
        return self._cameras[cell]

    def all_cameras(self) -> list[str]:
        """Of all cells, each once."""
        return list(dict.fromkeys(camera for cameras in self._cameras.values() for camera in cameras))

    @staticmethod
    def folder(cell: str, camera: str) -> str:
        """Of one view: lightning-pose tells a view by what follows the last underscore."""
        return f"{cell}_{camera}"

    @staticmethod
    def image(frame_id: str) -> str:
        """File name of a frame's image in the folder of a view."""
        return f"img{frame_id.rpartition('/')[2]}.png"

    def frame_of(self, folder: str, image: str) -> tuple[str, str]:
        """The frame and the camera of an image.

        Raises:
            StorageError: the stream has no such frame, or no such view.
        """
        if folder not in self._of_folder:
            raise StorageError(f"folder {folder!r} is of no view; there are {', '.join(self._of_folder)}")
        cell, camera = self._of_folder[folder]
        number = image.removeprefix("img").rpartition(".")[0]
        if not number.isdecimal():
            raise StorageError(f"image {image!r}: expected a name such as img00000017.png")
        return self.known(f"{cell}/{int(number):08d}", camera)

    def known(self, frame_id: str, camera: str) -> tuple[str, str]:
        """The same, if the stream has them; raises as `frame_of`."""
        if self._reader.index_of(frame_id) is None:
            raise StorageError(f"frame {frame_id} is not in the stream at {self._reader.root}")
        cell = frame_id.rpartition("/")[0]
        if camera not in self._cameras[cell]:
            raise StorageError(f"frame {frame_id} has no camera {camera!r}; it has {', '.join(self._cameras[cell])}")
        return frame_id, camera


def clicks_of(label: Label, frame: MultiViewFrame) -> Clicks:
    """The clicks of a label; a point in the world is clicked where the views see it."""
    clicks = {camera: dict(of_camera) for camera, of_camera in label.clicks.items()}
    if label.points_m:
        points = torch.tensor(list(label.points_m.values()), dtype=torch.float64)
        pixels, depth_m = project(points, Cameras.stack(frame.cameras))
        for camera, seen, depths in zip(frame.cameras, pixels.tolist(), depth_m.tolist(), strict=True):
            for name, (u, v), depth in zip(label.points_m, seen, depths, strict=True):
                if depth > 0 and _inside(u, camera.width_px) and _inside(v, camera.height_px):
                    clicks.setdefault(camera.name, {})[name] = (u, v)
    return {camera: of_camera for camera, of_camera in clicks.items() if of_camera}


def check_pixels(sheet: ClickSheet, reader: StreamReader) -> None:
    """Raise StorageError if a click lies outside its image, or is none."""
    for frame_id, clicks in sheet.clicks.items():
        cameras = {camera.name: camera for camera in reader.read_by_id(frame_id).frame.cameras}
        for camera, of_camera in clicks.items():
            size = cameras[camera].width_px, cameras[camera].height_px
            for name, (u, v) in of_camera.items():
                if not (_inside(u, size[0]) and _inside(v, size[1])):
                    raise StorageError(
                        f"frame {frame_id}, {camera}: {name!r} at ({u}, {v}) is outside the image of "
                        f"{size[0]} x {size[1]} px"
                    )


def collect(keypoints: Sequence[str], found: Iterable[tuple[str, str, dict[str, Pixel]]]) -> ClickSheet:
    """A sheet of frame, camera and clicks each.

    Raises:
        StorageError: a view is there twice.
    """
    sheet: dict[str, Clicks] = {}
    for frame, camera, clicks in found:
        if camera in sheet.get(frame, {}):
            raise StorageError(f"frame {frame}, {camera}: labelled twice")
        sheet.setdefault(frame, {})[camera] = clicks
    some = {
        frame: {camera: clicks for camera, clicks in of_frame.items() if clicks} for frame, of_frame in sheet.items()
    }
    return ClickSheet(tuple(keypoints), {frame: clicks for frame, clicks in some.items() if clicks})


def _inside(value: float, size_px: int) -> bool:
    return math.isfinite(value) and -0.5 <= value <= size_px - 0.5
