"""Frames out of an exchange folder, one at a time; what is wrong with one is noted file by file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from s3k_dist.datasets.exchange_format import (
    CAMERAS,
    FRAME,
    FRAMES,
    IMAGE_SUFFIX,
    LAYOUT,
    CameraEntry,
    FrameEntry,
    Refusal,
    name_fault,
    read_object,
    sequence_of,
    validated,
)
from s3k_dist.errors import FrameError, GeometryError, StorageError
from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.geometry.camera import Camera
from s3k_dist.images import PNG_MAGIC, Encoding, decode_image
from s3k_dist.stream.record import StreamRecord

PNG_DEPTH, PNG_COLOUR = 24, 25  # offsets of the two bytes of the header
PNG_COLOURS_WITH_ALPHA = (4, 6)


class ExchangeFrames:
    """The frames of the exchange folder at ``root``; holds the rig, and one frame at a time.

    Attributes:
        refused: files that cannot be used, and why; grows as frames are read.

    Raises:
        StorageError: there is no ``cameras.json``, or it is no JSON object.
    """

    def __init__(self, root: Path) -> None:
        self.refused: list[Refusal] = []
        self._root = root
        self._inside = root.resolve()
        try:
            self._rig = self._cameras(root / CAMERAS)
        except StorageError as error:
            raise StorageError(f"{root} is no exchange folder: its {CAMERAS}: {error}") from error

    def cells(self) -> Iterator[tuple[str, list[Path]]]:
        """Each cell and the folders of its frames, in the order of their sequences."""
        for cell in self._subfolders(self._root / FRAMES):
            fault = name_fault(cell.name)
            if fault is not None:
                self.refuse(cell, fault)
                continue
            frames = {}
            for folder in self._subfolders(cell):
                sequence = sequence_of(folder.name)
                if sequence is None:
                    self.refuse(folder, f"expected a sequence of 8 digits like 00000017 ({LAYOUT})")
                else:
                    frames[sequence] = folder
            yield cell.name, [frames[sequence] for sequence in sorted(frames)]

    def read(self, folder: Path) -> StreamRecord | None:
        """The record of one frame; None where a file of it is refused."""
        before = len(self.refused)
        try:
            if not (self._within(folder) and self._within(folder / FRAME) and self._within(folder / CAMERAS)):
                self.refuse(folder, "it, or a file in it, is a link that leads out of the exchange folder")
                return None
            cameras = self._rig | self._own_cameras(folder)
            entry = self._entry(folder, list(cameras))
            views = [self._view(folder, name, at_ns, cameras) for name, at_ns in entry.views.items()]
            self._refuse_strangers(folder, list(entry.views))
            if not views:
                self.refuse(folder, f"no views: expected at least one camera in {CAMERAS}")
        except StorageError as error:
            self.refuse(folder / FRAME, str(error))
        except OSError as error:
            self.refuse(folder, f"cannot be read: {error.strerror}")
        if len(self.refused) > before:
            return None
        seen = tuple(view for view in views if view is not None)
        frame = MultiViewFrame(folder.parent.name, int(folder.name), entry.captured_at_ns, seen)
        return StreamRecord(frame, entry.episode_id, entry.step, entry.model_version)

    def refuse(self, path: Path, reason: str) -> None:
        """Note that a file cannot be used."""
        self.refused.append(Refusal(path.relative_to(self._root), " ".join(reason.split())))

    def _own_cameras(self, folder: Path) -> dict[str, Camera | None]:
        path = folder / CAMERAS
        try:
            return self._cameras(path) if path.exists() else {}
        except StorageError as error:
            self.refuse(path, str(error))
            return {}

    def _cameras(self, path: Path) -> dict[str, Camera | None]:
        """The cameras of one file; None for one that is refused, and with it the frames that need it."""
        cameras: dict[str, Camera | None] = {}
        for name, entry in read_object(path).items():
            cameras[name] = None
            fault = name_fault(name)
            if fault is not None:
                self.refuse(path, f"camera {fault}")
                continue
            try:
                cameras[name] = validated(CameraEntry, entry).camera(name)
            except StorageError as error:
                self.refuse(path, f"camera {name!r}: {error}")
            except GeometryError as error:
                self.refuse(path, str(error))
        return cameras

    def _entry(self, folder: Path, cameras: list[str]) -> FrameEntry:
        if (folder / FRAME).exists():
            return validated(FrameEntry, read_object(folder / FRAME))
        # A hand-made folder: a cell is one episode, its times are unknown, and nobody acted on a model.
        return FrameEntry(
            captured_at_ns=0,
            views=dict.fromkeys(cameras, 0),
            episode_id=folder.parent.name,
            step=int(folder.name),
            model_version=0,
        )

    def _view(self, folder: Path, name: str, captured_at_ns: int, cameras: dict[str, Camera | None]) -> View | None:
        if name not in cameras:
            self.refuse(folder / FRAME, f"unknown camera {name!r}; {CAMERAS} has {', '.join(cameras) or 'none'}")
            return None
        camera = cameras[name]
        if camera is None:
            if name in self._rig and self._rig[name] is None:
                self.refuse(folder, f"its camera {name!r} is refused in {CAMERAS}")
            return None
        path = folder / f"{name}{IMAGE_SUFFIX}"
        if not self._within(path):
            self.refuse(path, "is a link that leads out of the exchange folder")
            return None
        if not path.is_file():
            there = ", ".join(sorted(entry.name for entry in folder.iterdir()))
            self.refuse(path, f"no such image; the frame has {there or 'no files'}")
            return None
        try:
            return View(camera, _decode(path.read_bytes(), camera), captured_at_ns)
        except FrameError as error:
            self.refuse(path, str(error))
            return None

    def _within(self, path: Path) -> bool:
        """Whether it lies in the exchange folder, wherever links lead: who unpacks a folder means no file beside it."""
        return path.resolve().is_relative_to(self._inside)

    def _refuse_strangers(self, folder: Path, cameras: list[str]) -> None:
        for path in sorted(folder.iterdir()):
            if path.suffix == IMAGE_SUFFIX and path.stem not in cameras and not path.name.startswith("."):
                self.refuse(path, f"unknown camera {path.stem!r}; the frame has {', '.join(cameras) or 'none'}")

    def _subfolders(self, path: Path) -> list[Path]:
        """Folders in ``path``; hidden files, which desktops leave behind, are passed over, and others refused."""
        try:
            entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
        except OSError as error:
            self.refuse(path, f"cannot be read: {error.strerror}; expected {LAYOUT}")
            return []
        for entry in entries:
            if not entry.is_dir():
                self.refuse(entry, f"expected a folder here; images lie in {LAYOUT}")
        return [entry for entry in entries if entry.is_dir()]


def _decode(data: bytes, camera: Camera) -> np.ndarray:
    """RGB uint8, shape (height_px, width_px, 3); refuses a PNG whose pixels would change."""
    if data.startswith(PNG_MAGIC) and len(data) > PNG_COLOUR:
        if data[PNG_DEPTH] > 8:
            raise FrameError(f"image has {data[PNG_DEPTH]} bits a channel, expected 8")
        if data[PNG_COLOUR] in PNG_COLOURS_WITH_ALPHA:
            raise FrameError("image has an alpha channel, expected RGB or grey")
    return decode_image(data, Encoding.PNG, camera.width_px, camera.height_px)
