"""What reads bytes of others, and what it may do with them: take them, or raise an error of its own.

Each target takes any bytes. It returns where they were taken or refused as they should be, and raises anything else
where they were not: that is a finding.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from actors.safety.gate import Command, SafetyGate
from actors.safety.limits import Box, SafetyLimits
from deploy.control.messages import read_command, read_decision
from s3k_dist.access.identity import Identity
from s3k_dist.errors import S3KError
from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.geometry.camera import Camera
from s3k_dist.images import Encoding, decode_image, encode_image
from s3k_dist.labels.store import Label, LabelFile, load_labels
from s3k_dist.stream.record import StreamRecord, pack_record, unpack_record
from s3k_dist.v1 import features_pb2, robot_pb2, service_pb2
from s3k_dist.wire import features_from_proto, features_to_proto, frame_from_proto, frame_to_proto

SIDE_PX = 8


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes:
        name: of its corpus's folder.
        what: it reads, for people.
        read: takes any bytes.
        seeds: sound messages, which the first mutants are of.
    """

    name: str
    what: str
    read: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]


class InMemory:
    """Bytes where a path is read from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read_bytes(self) -> bytes:
        """All of them."""
        return self._data


def frame(data: bytes) -> None:
    """What a cell sends."""
    try:
        message = service_pb2.ExtractRequest.FromString(data)
        decoded = frame_from_proto(message.frame)
    except (DecodeError, S3KError):
        return
    assert all(view.image.shape == (view.camera.height_px, view.camera.width_px, 3) for view in decoded.views)


def features(data: bytes) -> None:
    """What a service answers."""
    try:
        decoded = features_from_proto(features_pb2.Features.FromString(data))
    except (DecodeError, S3KError):
        return
    assert decoded.positions_m.shape == (len(decoded.keypoint_names), 3)


def twist(data: bytes) -> None:
    """What a robot is commanded, all the way to how it moves."""
    try:
        request = robot_pb2.CommandRequest.FromString(data)
        command = Command(np.array(request.twist), 0.0, request.feature_age_s, request.uncertainty_m)
        limits = _limits()
        gate = SafetyGate(limits, 0.025, has_wrench=False)
        gate.begin(np.array([0.0, 0.0, 0.2]))
        gate.command(command)
    except (DecodeError, S3KError):
        return
    for step in range(4):
        motion = gate.step(0.025 * step)
        assert np.isfinite(motion.position_m).all()
        assert limits.workspace.contains(motion.position_m)


def record(data: bytes) -> None:
    """A frame of the stream, as msgpack."""
    try:
        unpack_record(data)
    except S3KError:
        return


def labels(data: bytes) -> None:
    """A file of labels."""
    try:
        found: Any = InMemory(data)
        read = load_labels(found)
    except S3KError:
        return
    assert all(np.isfinite(point).all() for label in read.labels for point in label.points_m.values())


def page(data: bytes) -> None:
    """What a page posts to drive a robot."""
    for read in (read_command, read_decision):
        try:
            said = read(data)
        except S3KError:
            continue
        if read is read_command and said[2] is not None:  # type: ignore[misc]
            assert np.abs(said[2]).max() <= 1.0  # type: ignore[misc]


def image(data: bytes) -> None:
    """An image of a size that its camera says."""
    for encoding in (Encoding.PNG, Encoding.JPEG):
        try:
            found = decode_image(data, encoding, SIDE_PX, SIDE_PX)
        except S3KError:
            continue
        assert found.shape == (SIDE_PX, SIDE_PX, 3)


def identity(data: bytes) -> None:
    """The name in a certificate."""
    try:
        found = Identity.of(data.decode(errors="replace"))
    except S3KError:
        return
    assert "/" not in found.name
    assert ".." not in found.name
    assert found.name.isascii()


@cache
def _limits() -> SafetyLimits:
    box = Box(low_m=(-0.1, -0.1, 0.1), high_m=(0.1, 0.1, 0.3))
    return SafetyLimits(workspace=box, speed=(0.05, 0.05, 0.05, 0.5, 0.5, 0.5))


def _a_frame() -> MultiViewFrame:
    intrinsics = np.array([[10.0, 0, 3.5], [0, 10.0, 3.5], [0, 0, 1]])
    pixels = np.arange(3 * SIDE_PX**2, dtype=np.uint8).reshape(SIDE_PX, SIDE_PX, 3)
    cameras = (
        Camera(f"cam{n}", SIDE_PX, SIDE_PX, intrinsics, np.zeros(5), np.eye(3), np.full(3, 0.1)) for n in range(2)
    )
    return MultiViewFrame("cell0", 7, 10**18, tuple(View(camera, pixels, 10**18) for camera in cameras))


def _frame_seeds() -> list[bytes]:
    return [
        service_pb2.ExtractRequest(frame=frame_to_proto(_a_frame(), encoding), group="g").SerializeToString()
        for encoding in Encoding
    ]


def _features_seeds() -> list[bytes]:
    found = FrameFeatures(
        "cell0", 7, 10**18, 3, ("tip", "base"), ("cam0", "cam1"), np.ones((2, 3)), np.tile(np.eye(3), (2, 1, 1)),
        np.ones((2, 2, 2)), np.ones((2, 2)), np.ones((2, 2)),
    )  # fmt: skip
    return [features_to_proto(found, 5).SerializeToString()]


def _twist_seeds() -> list[bytes]:
    whole = robot_pb2.CommandRequest(twist=[0.01, 0, -0.02, 0.1, 0, 0], feature_age_s=0.1, uncertainty_m=0.001)
    return [whole.SerializeToString(), robot_pb2.CommandRequest(twist=[0.0] * 6).SerializeToString()]


def _record_seeds() -> list[bytes]:
    return [pack_record(StreamRecord(_a_frame(), "cell0-expert-1", 3, 2), encoding) for encoding in Encoding]


def _label_seeds() -> list[bytes]:
    clicked = Label(frame="cell0/00000007", split="train", clicks={"cam0": {"tip": (1.5, 2.0)}})
    known = Label(frame="cell0/00000008", split="held_out", points_m={"tip": (0.1, 0.2, 0.3)})
    return [LabelFile(keypoints=("tip", "base"), labels=(clicked, known)).model_dump_json().encode()]


def _page_seeds() -> list[bytes]:
    said = ({"page": "p", "count": 3, "twist": [0.5, 0, 0, 0, 0, -1]}, {"decision": "keep", "episode": 3})
    return [json.dumps(each).encode() for each in said]


def _image_seeds() -> list[bytes]:
    return [encode_image(_a_frame().views[0].image, encoding) for encoding in (Encoding.PNG, Encoding.JPEG)]


TARGETS = {
    target.name: target
    for target in (
        Target("frame", "frames from cells (protobuf)", frame, _frame_seeds),
        Target("features", "features from the service (protobuf)", features, _features_seeds),
        Target("twist", "commands to robots (protobuf), through the gate", twist, _twist_seeds),
        Target("record", "frames of the stream (msgpack)", record, _record_seeds),
        Target("labels", "files of labels (JSON)", labels, _label_seeds),
        Target("page", "what the control page posts (JSON)", page, _page_seeds),
        Target("image", "PNG and JPEG images", image, _image_seeds),
        Target("identity", "names in certificates", identity, lambda: [b"cell/bench3", b"service/gpu1"]),
    )
}


def kept(corpus: Path, name: str) -> list[bytes]:
    """Inputs of a target that were kept, in the order of their names."""
    return [path.read_bytes() for path in sorted((corpus / name).glob("*")) if path.is_file()]
