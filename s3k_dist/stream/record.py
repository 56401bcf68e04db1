"""One frame of the stream and what was going on when it was captured, as msgpack.

A record is a msgpack map:

    {"cell_id": str, "sequence": int, "captured_at_ns": int,          the frame
     "episode_id": str, "step": int, "model_version": int,            the task
     "views": [{"name": str, "width_px": int, "height_px": int,       one for each camera
                "intrinsics": [9 floats], "distortion": [5 floats],
                "rotation": [9 floats], "translation_m": [3 floats],
                "calibration": str,                               missing if it is from no calibration file
                "captured_at_ns": int, "encoding": "RAW" | "JPEG" | "PNG", "image": bytes}, ...]}

Plain types only, no extension types: whoever writes a shard cannot make its reader run code. The camera models are
repeated in each record (about 400 bytes a view beside some 100 kB of image), so that a record stands by itself.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import msgpack
import numpy as np

from s3k_dist.errors import FrameError, GeometryError, StorageError
from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.geometry.camera import Camera
from s3k_dist.images import Encoding, decode_image, encode_image

Field = TypeVar("Field")


@dataclass(frozen=True, eq=False)
class StreamRecord:
    """One frame of the stream.

    Attributes:
        frame: images, cameras and capture times.
        episode_id: names the episode among all episodes of all cells.
        step: counts the control steps of the episode from 0.
        model_version: version of the keypoint model that the cell acted on; 0 for none.
    """

    frame: MultiViewFrame
    episode_id: str
    step: int
    model_version: int


def pack_record(record: StreamRecord, encoding: Encoding = Encoding.PNG) -> bytes:
    """The msgpack bytes of ``record``; RAW and PNG keep its images exactly.

    Raises:
        StorageError: a number that does not fit 64 bits.
    """
    frame = record.frame
    fields = {
        "cell_id": frame.cell_id,
        "sequence": frame.sequence,
        "captured_at_ns": frame.captured_at_ns,
        "episode_id": record.episode_id,
        "step": record.step,
        "model_version": record.model_version,
        "views": [_pack_view(view, encoding) for view in frame.views],
    }
    try:
        return msgpack.packb(fields)
    except (OverflowError, TypeError) as error:
        raise StorageError(f"frame {frame.frame_id} cannot be stored: {error}") from error


def unpack_record(data: bytes) -> StreamRecord:
    """The record of some bytes, its images decoded.

    Raises:
        StorageError: the bytes are no record, or a field is missing, of the wrong type or impossible.
    """
    try:
        fields = msgpack.unpackb(data)
    except (ValueError, msgpack.UnpackException) as error:
        raise StorageError(f"a record is damaged: {error}") from error
    try:
        views = tuple(_unpack_view(view) for view in typed(fields, "views", list))
        return StreamRecord(
            MultiViewFrame(
                typed(fields, "cell_id", str),
                typed(fields, "sequence", int),
                typed(fields, "captured_at_ns", int),
                views,
            ),
            episode_id=typed(fields, "episode_id", str),
            step=typed(fields, "step", int),
            model_version=typed(fields, "model_version", int),
        )
    except (FrameError, GeometryError, ValueError) as error:
        raise StorageError(f"a record holds an impossible frame: {' '.join(str(error).split())}") from error


def typed(fields: Any, name: str, kind: type[Field]) -> Field:
    """The value of ``name`` in a msgpack map, of the type it must have.

    Raises:
        StorageError: ``fields`` is no map, or the value is missing or of another type.
    """
    if not isinstance(fields, dict):
        raise StorageError(f"expected a map with {name!r}, got {type(fields).__name__}")
    value = fields.get(name)
    if not isinstance(value, kind):
        raise StorageError(f"{name!r} is {type(value).__name__}, expected {kind.__name__}")
    return value


def _pack_view(view: View, encoding: Encoding) -> dict[str, Any]:
    camera = view.camera
    fields = {
        "name": camera.name,
        "width_px": camera.width_px,
        "height_px": camera.height_px,
        "intrinsics": camera.intrinsics.ravel().tolist(),
        "distortion": camera.distortion.tolist(),
        "rotation": camera.rotation.ravel().tolist(),
        "translation_m": camera.translation_m.tolist(),
        "captured_at_ns": view.captured_at_ns,
        "encoding": encoding.name,
        "image": encode_image(view.image, encoding),
    }
    return fields | {"calibration": camera.calibration} if camera.calibration else fields


def _unpack_view(fields: Any) -> View:
    camera = _camera(
        typed(fields, "name", str),
        typed(fields, "width_px", int),
        typed(fields, "height_px", int),
        *(_floats(fields, name) for name in ("intrinsics", "distortion", "rotation", "translation_m")),
        typed(fields, "calibration", str) if "calibration" in fields else "",
    )
    encoding = typed(fields, "encoding", str)
    if encoding not in Encoding.__members__:
        raise StorageError(f"image encoding is {encoding!r}, expected {', '.join(Encoding.__members__)}")
    image = decode_image(typed(fields, "image", bytes), Encoding[encoding], camera.width_px, camera.height_px)
    return View(camera, image, typed(fields, "captured_at_ns", int))


# Frame after frame has the same cameras, and to check one takes as long as to read a JPEG. By their bytes: 0 is not -0.
@lru_cache(maxsize=1024)
def _camera(
    name: str,
    width_px: int,
    height_px: int,
    intrinsics: bytes,
    distortion: bytes,
    rotation: bytes,
    translation: bytes,
    calibration: str,
) -> Camera:
    return Camera(
        name=name,
        width_px=width_px,
        height_px=height_px,
        intrinsics=np.array(np.frombuffer(intrinsics)).reshape(3, 3),
        distortion=np.array(np.frombuffer(distortion)),
        rotation=np.array(np.frombuffer(rotation)).reshape(3, 3),
        translation_m=np.array(np.frombuffer(translation)),
        calibration=calibration,
    )


def _floats(fields: Any, name: str) -> bytes:
    values = typed(fields, name, list)
    if not set(map(type, values)) <= {float}:
        raise StorageError(f"{name!r} must hold floats only")
    return struct.pack(f"={len(values)}d", *values)
