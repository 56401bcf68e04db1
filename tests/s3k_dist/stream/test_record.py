"""A record comes back exactly; damaged bytes raise StorageError and nothing else."""

import contextlib
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from s3k_dist.errors import StorageError
from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.geometry.camera import Camera
from s3k_dist.images import Encoding
from s3k_dist.stream.record import StreamRecord, pack_record, unpack_record

finite = st.floats(-1e6, 1e6, allow_nan=False)
names = st.text(min_size=1, max_size=12)
counts = st.integers(0, 2**63 - 1)


@st.composite
def views(draw: st.DrawFn, name: str) -> View:
    width, height = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    rotation, _ = np.linalg.qr(draw(hnp.arrays(float, (3, 3), elements=st.floats(-1, 1))) + 3 * np.eye(3))
    rotation[:, 0] *= np.sign(np.linalg.det(rotation))
    # Unlike the wire, the stream keeps a skew.
    intrinsics = np.array([[draw(st.floats(1, 1e4)), draw(finite), draw(finite)], [0, 9.5, draw(finite)], [0, 0, 1]])
    distortion = draw(hnp.arrays(float, 5, elements=st.floats(-1, 1)))
    translation = draw(hnp.arrays(float, 3, elements=finite))
    calibration = draw(st.sampled_from(["", "cal-0123456789ab"]))
    camera = Camera(name, width, height, intrinsics, distortion, rotation, translation, calibration)
    return View(camera, draw(hnp.arrays(np.uint8, (height, width, 3))), draw(counts))


@st.composite
def records(draw: st.DrawFn) -> StreamRecord:
    seen = tuple(draw(views(name)) for name in draw(st.lists(names, min_size=1, max_size=4, unique=True)))
    frame = MultiViewFrame(draw(names), draw(counts), draw(counts), seen)
    return StreamRecord(frame, draw(st.text(max_size=12)), draw(counts), draw(counts))


@settings(max_examples=60, deadline=None)
@given(record=records(), encoding=st.sampled_from([Encoding.RAW, Encoding.PNG]))
def test_a_record_comes_back_exactly(record: StreamRecord, encoding: Encoding) -> None:
    back = unpack_record(pack_record(record, encoding))

    assert back.frame.frame_id == record.frame.frame_id
    assert back.frame.captured_at_ns == record.frame.captured_at_ns
    assert (back.episode_id, back.step, back.model_version) == (record.episode_id, record.step, record.model_version)
    assert back.frame.cameras == record.frame.cameras
    for view, original in zip(back.frame.views, record.frame.views, strict=True):
        np.testing.assert_array_equal(view.image, original.image)
        assert view.captured_at_ns == original.captured_at_ns


@settings(deadline=None)
@given(data=st.binary(max_size=60), keep=st.integers(0, 900), flips=st.lists(st.integers(0, 900), max_size=3))
def test_damaged_bytes_raise_nothing_but_a_storage_error(data: bytes, keep: int, flips: list[int]) -> None:
    intrinsics = np.array([[10.0, 0, 3.5], [0, 10.0, 3.5], [0, 0, 1]])
    camera = Camera("cam0", 4, 4, intrinsics, np.zeros(5), np.eye(3), np.zeros(3))
    view = View(camera, np.zeros((4, 4, 3), np.uint8), 1)
    packed = bytearray(pack_record(StreamRecord(MultiViewFrame("sim0", 1, 1, (view,)), "e", 0, 0)))
    for flip in flips:
        packed[flip % len(packed)] ^= 0x41

    with contextlib.suppress(StorageError):
        unpack_record(bytes(packed[:keep]) + data)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("cell_id", 3, "'cell_id' is int, expected str"),
        ("views", None, "'views' is NoneType, expected list"),
        ("views", [], "has no views"),
        ("views", [7], "expected a map with 'name', got int"),
        ("step", "3", "'step' is str, expected int"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(make_record: Any, field: str, value: object, says: str) -> None:
    fields = msgpack.unpackb(pack_record(make_record(1)))
    with pytest.raises(StorageError, match=says):
        unpack_record(msgpack.packb(fields | {field: value}))


def test_a_camera_without_a_rotation_is_named(make_record: Any) -> None:
    fields = msgpack.unpackb(pack_record(make_record(1)))
    fields["views"][0]["rotation"] = [0.0] * 9
    with pytest.raises(StorageError, match="camera 'cam0': its pose is missing"):
        unpack_record(msgpack.packb(fields))


def test_an_unknown_encoding_is_named(make_record: Any) -> None:
    fields = msgpack.unpackb(pack_record(make_record(1)))
    fields["views"][0]["encoding"] = "TIFF"
    with pytest.raises(StorageError, match="encoding is 'TIFF', expected RAW, JPEG, PNG"):
        unpack_record(msgpack.packb(fields))


def test_a_number_beyond_64_bits_is_refused(make_record: Any) -> None:
    record = make_record(1)
    with pytest.raises(StorageError, match="sim0/00000001 cannot be stored"):
        pack_record(StreamRecord(record.frame, "e", 2**70, 0))
