"""Round trips are exact; whatever is malformed is refused by name."""

import contextlib
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from s3k_dist.errors import FrameError
from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.geometry.camera import Camera
from s3k_dist.images import Encoding
from s3k_dist.v1 import features_pb2, frame_pb2
from s3k_dist.wire import features_from_proto, features_to_proto, frame_from_proto, frame_to_proto

finite = st.floats(-1e6, 1e6, allow_nan=False)
names = st.text(min_size=1, max_size=12)
unsigned = st.integers(0, 2**64 - 1)


@st.composite
def cameras(draw: st.DrawFn, name: str) -> Camera:
    width, height = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    focal = st.floats(1e-3, 1e5)
    rotation, _ = np.linalg.qr(draw(hnp.arrays(float, (3, 3), elements=st.floats(-1, 1))) + 3 * np.eye(3))
    rotation[:, 0] *= np.sign(np.linalg.det(rotation))
    intrinsics = np.array([[draw(focal), 0, draw(finite)], [0, draw(focal), draw(finite)], [0, 0, 1]])
    distortion = draw(hnp.arrays(float, 5, elements=st.floats(-1, 1)))
    translation = draw(hnp.arrays(float, 3, elements=finite))
    calibration = draw(st.sampled_from(["", "cal-0123456789ab"]))
    return Camera(name, width, height, intrinsics, distortion, rotation, translation, calibration)


@st.composite
def frames(draw: st.DrawFn) -> MultiViewFrame:
    views = []
    for name in draw(st.lists(names, min_size=1, max_size=4, unique=True)):
        camera = draw(cameras(name))
        image = draw(hnp.arrays(np.uint8, (camera.height_px, camera.width_px, 3)))
        views.append(View(camera, image, draw(unsigned)))
    return MultiViewFrame(draw(names), draw(unsigned), draw(unsigned), tuple(views))


@st.composite
def features(draw: st.DrawFn) -> FrameFeatures:
    keypoint_names = draw(st.lists(names, min_size=1, max_size=4))
    camera_names = draw(st.lists(names, min_size=0, max_size=4))
    k, v = len(keypoint_names), len(camera_names)
    shapes = [(k, 3), (k, 3, 3), (v, k, 2), (v, k), (v, k)]
    # A point that no two views see is NaN, and stays NaN.
    arrays = [draw(hnp.arrays(float, shape, elements=st.floats(allow_nan=True))) for shape in shapes]
    ids = (draw(names), draw(unsigned), draw(unsigned), draw(unsigned))
    return FrameFeatures(*ids, tuple(keypoint_names), tuple(camera_names), *arrays)


@settings(max_examples=60, deadline=None)
@given(frame=frames(), encoding=st.sampled_from([Encoding.RAW, Encoding.PNG]))
def test_a_lossless_frame_comes_back_exactly(frame: MultiViewFrame, encoding: Encoding) -> None:
    received = frame_pb2.Frame.FromString(frame_to_proto(frame, encoding).SerializeToString())

    back = frame_from_proto(received)

    assert (back.cell_id, back.sequence, back.captured_at_ns) == (frame.cell_id, frame.sequence, frame.captured_at_ns)
    assert len(back.views) == len(frame.views)
    for view, original in zip(back.views, frame.views, strict=True):
        assert view.camera == original.camera
        assert view.captured_at_ns == original.captured_at_ns
        np.testing.assert_array_equal(view.image, original.image)


@settings(max_examples=60, deadline=None)
@given(sent=features())
def test_features_come_back_exactly(sent: FrameFeatures) -> None:
    received = features_pb2.Features.FromString(features_to_proto(sent, service_time_ns=5).SerializeToString())

    back = features_from_proto(received)

    assert received.service_time_ns == 5
    for field in FrameFeatures.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(back, field), getattr(sent, field))


def plain_frame(views: int = 2, size: int = 8) -> MultiViewFrame:
    intrinsics = np.array([[10.0, 0, 3.5], [0, 10.0, 3.5], [0, 0, 1]])
    image = np.arange(size * size * 3, dtype=np.uint8).reshape(size, size, 3)
    return MultiViewFrame(
        "sim0",
        12,
        1_000,
        tuple(
            View(Camera(f"cam{i}", size, size, intrinsics, np.zeros(5), np.eye(3), np.zeros(3)), image, 1_000)
            for i in range(views)
        ),
    )


def test_a_jpeg_frame_keeps_all_but_the_last_bits_of_its_images() -> None:
    smooth = np.full((32, 32, 3), 90, np.uint8)
    frame = plain_frame(size=32)
    frame = MultiViewFrame("sim0", 12, 1_000, tuple(View(v.camera, smooth, 1_000) for v in frame.views))

    back = frame_from_proto(frame_to_proto(frame, Encoding.JPEG))

    assert back.cameras == frame.cameras
    assert np.abs(back.views[0].image.astype(int) - 90).max() <= 2


def test_no_distortion_may_be_left_out() -> None:
    message = frame_to_proto(plain_frame(), Encoding.RAW)
    del message.views[0].camera.distortion[:]

    np.testing.assert_array_equal(frame_from_proto(message).cameras[0].distortion, np.zeros(5))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda m: m.ClearField("cell_id"), "has no cell_id"),
        (lambda m: m.ClearField("views"), "has no views"),
        (lambda m: m.views[1].ClearField("camera"), "a view has no camera"),
        (lambda m: m.views[1].camera.ClearField("name"), "camera '' has no name"),
        (lambda m: m.views[1].camera.ClearField("cam_from_world"), "camera 'cam1' has no pose"),
        (lambda m: m.views[1].camera.cam_from_world.rotation.pop(), "rotation has 8 values, expected 9"),
        (lambda m: m.views[1].camera.cam_from_world.translation_m.append(1), "translation_m has 4 values, expected 3"),
        (lambda m: m.views[1].camera.distortion.pop(), "distortion has 4 values, expected 5"),
        (lambda m: setattr(m.views[1].camera, "fx_px", float("nan")), "not finite"),
        (lambda m: setattr(m.views[1].camera, "width_px", 0), "image size 0 x 8 is not positive"),
        (lambda m: setattr(m.views[1].camera, "width_px", 9), "raw image has 192 bytes, expected 216"),
        (lambda m: setattr(m.views[1].camera, "name", "cam0"), "repeats a camera"),
        (lambda m: m.views[1].image.ClearField("encoding"), "encoding is 0, expected ENCODING_RAW_RGB8, "),
        (lambda m: setattr(m.views[1].image, "encoding", 99), "encoding is 99, expected ENCODING_RAW_RGB8, "),
        (lambda m: m.views[1].ClearField("image"), "encoding is 0"),
        (lambda m: setattr(m.views[1].image, "encoding", 3), "'cam1': the PNG image is damaged"),
    ],
)
def test_a_malformed_frame_is_refused_by_name(damage: Callable[[frame_pb2.Frame], None], says: str) -> None:
    message = frame_to_proto(plain_frame(), Encoding.RAW)
    damage(message)

    with pytest.raises(FrameError, match=says) as raised:
        frame_from_proto(message)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("encoding", [Encoding.PNG, Encoding.JPEG])
def test_an_image_of_another_size_than_its_camera_says_is_refused(encoding: Encoding) -> None:
    message = frame_to_proto(plain_frame(), encoding)
    message.views[0].camera.height_px = 16

    with pytest.raises(FrameError, match="image is 8 x 8 px, its camera says 8 x 16"):
        frame_from_proto(message)


def test_an_image_beyond_the_pixel_limit_is_refused() -> None:
    message = frame_to_proto(plain_frame(), Encoding.PNG)
    header = bytearray(message.views[0].image.data)
    header[16:24] = (100_000).to_bytes(4, "big") * 2
    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4, "big")
    message.views[0].image.data = bytes(header)

    with pytest.raises(FrameError, match="'cam0': image is 100000 x 100000 px"):
        frame_from_proto(message)


@given(data=st.binary(max_size=200))
def test_no_bytes_of_a_peer_raise_anything_but_a_frame_error(data: bytes) -> None:
    message = frame_to_proto(plain_frame(), Encoding.PNG)
    message.views[0].image.data = message.views[0].image.data[:40] + data

    with contextlib.suppress(FrameError):
        frame_from_proto(message)


def test_numbers_that_the_wire_cannot_carry_are_refused() -> None:
    frame = plain_frame()
    with pytest.raises(FrameError, match="does not fit the wire"):
        frame_to_proto(MultiViewFrame("sim0", -1, 0, frame.views), Encoding.RAW)
    camera = frame.cameras[0]
    skewed = camera.intrinsics + np.array([[0, 0.5, 0], [0, 0, 0], [0, 0, 0]])
    view = View(
        Camera("cam0", 8, 8, skewed, camera.distortion, camera.rotation, camera.translation_m), frame.views[0].image, 0
    )
    with pytest.raises(FrameError, match="fx, fy, cx, cy only"):
        frame_to_proto(MultiViewFrame("sim0", 0, 0, (view,)), Encoding.RAW)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda m: m.keypoints[1].position_m.pop(), "'base': position_m has 2 values, expected 3"),
        (lambda m: m.keypoints[1].covariance_m2.pop(), "'base': covariance_m2 has 8 values, expected 9"),
        (lambda m: m.keypoints[1].detections.pop(), "'base': expected detections of cameras"),
    ],
)
def test_malformed_features_are_refused_by_name(damage: Callable[[features_pb2.Features], None], says: str) -> None:
    message = features_to_proto(
        FrameFeatures(
            "sim0", 1, 2, 3, ("tip", "base"), ("cam0",),
            np.zeros((2, 3)), np.zeros((2, 3, 3)), np.zeros((1, 2, 2)), np.zeros((1, 2)), np.zeros((1, 2)),
        )
    )  # fmt: skip
    damage(message)

    with pytest.raises(FrameError, match=says):
        features_from_proto(message)
