"""The data set that people label: its frames as images, its labels, and what to label next."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import cv2
from pydantic import ValidationError

from deploy.report.palette import keypoint_colour
from deploy.web.label.marks import Change, KeypointEntry, Marks, as_json, state_of
from deploy.web.label.predictions import Predictions
from deploy.web.label.queue import LabelQueue
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.errors import StorageError
from s3k_dist.frames import MultiViewFrame
from s3k_dist.images import Encoding, encode_image
from s3k_dist.labels.editing import label_version, next_split, put_label, redefine_keypoints
from s3k_dist.labels.store import Label, LabelFile, load_labels
from s3k_dist.stream.reader import StreamReader

FRAMES_KEPT = 6  # decoded: the views of a frame are asked for one by one
THUMBNAIL_PX = 96
LISTED = 200  # of the labelled frames, the last


class LabelProject:
    """Reads frames, and reads and writes labels; threads may use it at once.

    Args:
        folder: a data set, or the folder of a run.
        predictions: of the model that serves there.

    Attributes:
        folder: as given.
        reader: of its stream.

    Raises:
        StorageError: there is no stream.
    """

    def __init__(self, folder: DatasetFolder, predictions: Predictions) -> None:
        if not folder.stream.is_dir():
            raise StorageError(f"{folder.root} is no data set: it has no folder {folder.stream.name}")
        self.folder = folder
        self._predictions = predictions
        self.reader = StreamReader(folder.stream)
        self._queue = LabelQueue(folder, predictions.detector)
        self._kept: OrderedDict[str, MultiViewFrame] = OrderedDict()
        self._read: tuple[tuple[int, int, int], LabelFile] | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Look for nothing any more."""
        self._queue.close()

    def overview(self) -> dict[str, Any]:
        """Keypoints, progress, what to label next and what is labelled, for the page.

        Raises:
            StorageError: the stream cannot be listed, or the label file is damaged.
        """
        self.reader.refresh()
        file, known = self.labels(), self.reader.frame_ids()
        labels = {label.frame: label for label in file.labels}
        given = [label for label in file.labels if label.taken_over is None]
        queue = self._queue.frames(known, set(labels))
        split = {name: sum(label.split == name for label in given) for name in ("train", "held_out")}
        states = [state_of(label, file.keypoints) for label in given]
        return {
            "name": self.folder.root.name,
            "keypoints": self.keypoints(file),
            "frames": len(known),
            "labelled": states.count("done"),
            "begun": states.count("begun"),
            "taken_over": len(file.labels) - len(given),
            "split": split,
            "model": self._predictions.version,
            "queue_by": self._queue.by_model,
            "queue": [_entry(frame, labels.get(frame), file) for frame in queue],
            "done": [_entry(label.frame, label, file) for label in given[: -LISTED - 1 : -1]],
        }

    def keypoints(self, file: LabelFile | None = None) -> list[dict[str, str]]:
        """Names and colours; raises as `overview`."""
        file = self.labels() if file is None else file
        return [
            {"name": name, "colour": file.colours.get(name, keypoint_colour(index))}
            for index, name in enumerate(file.keypoints)
        ]

    def define(self, entries: list[KeypointEntry]) -> list[dict[str, str]]:
        """Set the keypoints.

        Raises:
            StorageError: two have one name, one that labels name would go, or the file cannot be written.
        """
        names = [entry.name for entry in entries]
        renamed = {entry.was: entry.name for entry in entries if entry.was is not None and entry.was != entry.name}
        colours = {entry.name: entry.colour for entry in entries}
        return self.keypoints(redefine_keypoints(self.folder.labels, names, colours, renamed))

    def frame(self, frame_id: str) -> MultiViewFrame:
        """A frame of the stream.

        Raises:
            StorageError: there is none, or it is damaged.
        """
        with self._lock:
            if frame_id in self._kept:
                self._kept.move_to_end(frame_id)
                return self._kept[frame_id]
        if self.reader.index_of(frame_id) is None:
            self.reader.refresh()
        frame = self.reader.read_by_id(frame_id).frame
        with self._lock:
            self._kept[frame_id] = frame
            while len(self._kept) > FRAMES_KEPT:
                self._kept.popitem(last=False)
        return frame

    def describe(self, frame_id: str) -> dict[str, Any]:
        """A frame's views and its label; raises as `frame` and `overview`."""
        frame, file = self.frame(frame_id), self.labels()
        label = next((each for each in file.labels if each.frame == frame_id), None)
        return {
            "frame": frame_id,
            "captured_at": datetime.fromtimestamp(frame.captured_at_ns / 1e9, UTC).isoformat(timespec="milliseconds"),
            "views": [
                {"camera": camera.name, "width": camera.width_px, "height": camera.height_px}
                for camera in frame.cameras
            ],
            **_state(label, file),
        }

    def png(self, frame_id: str, camera: str) -> bytes:
        """What one camera saw, lossless.

        Raises:
            StorageError: as `frame`, or there is no such camera.
        """
        frame = self.frame(frame_id)
        for view in frame.views:
            if view.camera.name == camera:
                return encode_image(view.image, Encoding.PNG)
        there = ", ".join(each.name for each in frame.cameras)
        raise StorageError(f"frame {frame_id} has no camera {camera!r}; it has {there}")

    def thumbnail(self, frame_id: str) -> bytes:
        """The first view, small, as PNG; raises as `frame`."""
        # Not kept: a strip of forty would push out what a person works on.
        image = self.reader.read_by_id(frame_id).frame.views[0].image
        scale = THUMBNAIL_PX / max(image.shape[:2])
        if scale < 1:
            size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return encode_image(image, Encoding.PNG)

    def predictions(self, frame_id: str) -> dict[str, Any]:
        """What the model sees on a frame; raises as `frame`."""
        return self._predictions.of(self.frame(frame_id))

    def put(self, frame_id: str, change: Change, by: str) -> dict[str, Any]:
        """Store a person's change; on disk when this returns.

        Raises:
            LabelConflictError: another has changed the frame since.
            StorageError: the marks contradict one another, name what is not there, or cannot be written.
        """
        frame, file = self.frame(frame_id), self.labels()
        _check_cameras(change.marks, frame)
        before = next((label for label in file.labels if label.frame == frame_id), None)
        split = change.split or (before.split if before is not None else next_split(file.labels))
        try:
            label = change.marks.label(frame_id, split, by, datetime.now(UTC).replace(microsecond=0))
        except ValidationError as error:
            raise StorageError(str(error.errors()[0]["msg"])) from error
        if label is not None and before is not None and _same(label, before):
            label = before  # who looks does not become who labelled
        file = put_label(self.folder.labels, frame_id, label, change.version)
        return _state(label, file)

    def state(self, frame_id: str, label: Label | None) -> dict[str, Any]:
        """What the page is told of a label that somebody else gave."""
        return {"frame": frame_id, **_state(label, self.labels())}

    def labels(self) -> LabelFile:
        """All of them; read again where the file is another than before.

        Raises:
            StorageError: the file is damaged.
        """
        path = self.folder.labels
        try:
            status = path.stat()
        except FileNotFoundError:
            return LabelFile(keypoints=(), labels=())
        except OSError as error:
            raise StorageError(f"no labels at {path}: {error.strerror}") from error
        signature = status.st_mtime_ns, status.st_ino, status.st_size
        with self._lock:
            if self._read is not None and self._read[0] == signature:
                return self._read[1]
        file = load_labels(path)
        with self._lock:
            self._read = signature, file
        return file


def _check_cameras(marks: Marks, frame: MultiViewFrame) -> None:
    known = {camera.name for camera in frame.cameras}
    for camera in [*marks.clicks, *marks.occluded]:
        if camera not in known:
            raise StorageError(f"frame {frame.frame_id} has no camera {camera!r}; it has {', '.join(sorted(known))}")
    sizes = {camera.name: (camera.width_px, camera.height_px) for camera in frame.cameras}
    for camera, clicks in marks.clicks.items():
        for name, (u, v) in clicks.items():
            if not (-0.5 <= u <= sizes[camera][0] - 0.5 and -0.5 <= v <= sizes[camera][1] - 0.5):
                raise StorageError(f"the click on {name!r} at ({u}, {v}) is outside the image of {camera}")


def _same(label: Label, before: Label) -> bool:
    fields: Mapping[str, Any] = {"by": before.by, "at": before.at, "taken_over": before.taken_over}
    return label.model_copy(update=dict(fields)) == before


def _state(label: Label | None, file: LabelFile) -> dict[str, Any]:
    return {
        "label": as_json(label),
        "version": label_version(label),
        "split": next_split(file.labels) if label is None else label.split,
        "state": state_of(label, file.keypoints),
    }


def _entry(frame: str, label: Label | None, file: LabelFile) -> dict[str, Any]:
    return {
        "frame": frame,
        "state": state_of(label, file.keypoints),
        "split": None if label is None else label.split,
        "by": "" if label is None else label.by,
    }
