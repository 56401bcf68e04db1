"""What lies in an exchange folder: plain files that a person can write and any program can read.

    cameras.json                             the rig: {"left": {...}, "right": {...}}
    labels.json                              as in `labels/store.py`; missing where nothing is labelled
    frames/<cell>/<sequence>/<camera>.png    what each camera saw; the frame's id is "<cell>/<sequence>"
    frames/<cell>/<sequence>/cameras.json    the cameras that differ from the rig's on this frame, if any do
    frames/<cell>/<sequence>/frame.json      what a PNG cannot say; may be missing

A camera is {"width_px", "height_px", "K", "distortion", "R", "t_m"}, in the conventions of `geometry/camera.py`, with
"calibration" where a calibration file is known that it is from. A number is written so that reading it gives the same
bits. docs/data.md has an example.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from s3k_dist.errors import StorageError
from s3k_dist.geometry.camera import Camera
from s3k_dist.labels.store import Label
from s3k_dist.stream.record import StreamRecord

CAMERAS, LABELS, FRAMES, FRAME, IMAGE_SUFFIX = "cameras.json", "labels.json", "frames", "frame.json", ".png"
LAYOUT = f"{FRAMES}/<cell>/<sequence>/<camera>{IMAGE_SUFFIX}"
MOST_JSON_BYTES = 256 * 1024**2
NAME_BYTES = 255 - len(IMAGE_SUFFIX)  # a file system's limit

Entry = TypeVar("Entry", bound=BaseModel)
Row = tuple[float, float, float]
StreamInt = Annotated[int, Field(ge=-(2**63), lt=2**64)]  # what a record of the stream can hold


@dataclass(frozen=True)
class Refusal:
    """A file that cannot be imported.

    Attributes:
        file: its path in the exchange folder.
        reason: what was expected and what came, one line.
    """

    file: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


class CameraEntry(BaseModel):
    """A camera as ``cameras.json`` has it.

    Attributes:
        width_px: image width.
        height_px: image height.
        K: rows of the intrinsic matrix, pixels.
        distortion: ``k1, k2, p1, p2, k3``.
        R: rows of the rotation, world to camera.
        t_m: translation, world to camera, metres.
        calibration: version of the calibration file that it is from; None if from none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    width_px: int
    height_px: int
    K: tuple[Row, Row, Row]
    distortion: tuple[float, float, float, float, float]
    R: tuple[Row, Row, Row]
    t_m: Row
    calibration: str | None = None

    @field_validator("K")
    @classmethod
    def _last_row(cls, K: tuple[Row, Row, Row]) -> tuple[Row, Row, Row]:
        # A transposed K has positive focal lengths as well; nothing else would notice.
        if K[2] != (0.0, 0.0, 1.0):
            raise ValueError(f"the last row is {list(K[2])}, expected [0, 0, 1]; is it transposed?")
        return K

    @classmethod
    def of(cls, camera: Camera) -> Self:
        """The entry of a camera.

        Raises:
            StorageError: the last row of its ``K`` is not ``0, 0, 1``.
        """
        values = {
            "width_px": camera.width_px,
            "height_px": camera.height_px,
            "K": camera.intrinsics.tolist(),
            "distortion": camera.distortion.tolist(),
            "R": camera.rotation.tolist(),
            "t_m": camera.translation_m.tolist(),
            "calibration": camera.calibration or None,
        }
        try:
            return validated(cls, values)
        except StorageError as error:
            raise StorageError(f"camera {camera.name!r}: {error}") from error

    def camera(self, name: str) -> Camera:
        """The camera of this entry.

        Raises:
            GeometryError: it is impossible.
        """
        return Camera(
            name,
            self.width_px,
            self.height_px,
            np.array(self.K, dtype=np.float64),
            np.array(self.distortion, dtype=np.float64),
            np.array(self.R, dtype=np.float64),
            np.array(self.t_m, dtype=np.float64),
            self.calibration or "",
        )


class FrameEntry(BaseModel):
    """What the stream knows of a frame and its images do not say, as ``frame.json`` has it.

    Attributes:
        captured_at_ns: host time of the trigger, nanoseconds since the Unix epoch.
        views: the frame's cameras in the order of its views, and the host time of each exposure.
        episode_id: names the episode among all episodes of all cells.
        step: counts the control steps of the episode from 0.
        model_version: version of the keypoint model that the cell acted on; 0 for none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    captured_at_ns: StreamInt
    views: dict[str, StreamInt]
    episode_id: str
    step: StreamInt
    model_version: StreamInt

    @classmethod
    def of(cls, record: StreamRecord) -> Self:
        """The entry of a frame of the stream."""
        values = {
            "captured_at_ns": record.frame.captured_at_ns,
            "views": {view.camera.name: view.captured_at_ns for view in record.frame.views},
            "episode_id": record.episode_id,
            "step": record.step,
            "model_version": record.model_version,
        }
        return validated(cls, values)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        StorageError: the file cannot be read, is too large, is no JSON object, or says one thing twice.
    """
    try:
        if path.stat().st_size > MOST_JSON_BYTES:
            raise StorageError(f"has {path.stat().st_size} bytes, at most {MOST_JSON_BYTES} are read")
        value = json.loads(path.read_bytes(), object_pairs_hook=_object)
    except OSError as error:
        raise StorageError(f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise StorageError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise StorageError(f"expected a JSON object, got {type(value).__name__}")
    return value


def validated(kind: type[Entry], value: Any) -> Entry:
    """A JSON value as what it must be; no number is taken from a text, nor a text from a number.

    Raises:
        StorageError: says where it is wrong.
    """
    try:
        return kind.model_validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        raise StorageError(_first(error)) from error


def cameras_text(cameras: dict[str, CameraEntry]) -> str:
    """Content of ``cameras.json``: each matrix on one line."""
    entries = []
    for name, entry in cameras.items():
        known = entry.model_dump(exclude_none=True).items()
        fields = [f"    {json.dumps(field)}: {json.dumps(value)}" for field, value in known]
        entries.append(f"  {json.dumps(name)}: {{\n" + ",\n".join(fields) + "\n  }")
    return "{\n" + ",\n".join(entries) + "\n}\n"


def sequence_name(sequence: int) -> str:
    """A frame's folder, which is also the second part of its id."""
    return f"{sequence:08d}"


def sequence_of(name: str) -> int | None:
    """The sequence by the folder's name; None if no frame has such a name."""
    if not (name.isascii() and name.isdigit()) or name != sequence_name(int(name)) or int(name) >= 2**64:
        return None
    return int(name)


def name_fault(name: str) -> str | None:
    """Why a camera or a cell of this name can have no file in an exchange folder; None if it can."""
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        return f"{name!r} cannot name a file: expected a name without '/' that does not start with '.'"
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        return f"{name!r} cannot name a file: it is not Unicode"
    return f"{name!r} is too long to name a file: {length} bytes" if length > NAME_BYTES else None


def label_fault(label: Label, cameras: list[str]) -> str | None:
    """What is wrong with a label of a frame with these cameras; None if nothing is."""
    for what, named in (("clicks", label.clicks), ("occluded", label.occluded)):
        for camera in named:
            if camera not in cameras:
                return f"{what} on unknown camera {camera!r}; the frame has {', '.join(cameras)}"
    return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return value


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]
