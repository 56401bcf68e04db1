"""The camera conventions of docs/data.md, in numbers that can be followed by hand, and against OpenCV."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3k_dist.datasets.exchange_import import import_dataset
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.geometry.camera import Camera
from s3k_dist.geometry.projection import Cameras, project
from tests.s3k_dist.datasets.conftest import write_png
from tests.scenes import look_at

K = [[100, 0, 31.5], [0, 100, 23.5], [0, 0, 1]]
TIP_M = [0.1, 0.2, 0.0]
UNTURNED = np.eye(3)


def imported(root: Path, **entry: object) -> Camera:
    """A camera after its way through cameras.json and a shard."""
    values = {"width_px": 64, "height_px": 48, "K": K, "distortion": [0] * 5, "R": UNTURNED.tolist(), "t_m": [0, 0, 2]}
    values |= {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in entry.items()}
    folder = root / "frames" / "rig" / "00000000"
    folder.mkdir(parents=True)
    (root / "cameras.json").write_text(json.dumps({"cam0": values}))
    write_png(folder / "cam0.png", np.zeros((values["height_px"], values["width_px"], 3), np.uint8))
    import_dataset(root, root / "data")
    return DatasetFolder(root / "data").open_stream().read(0).frame.cameras[0]


def pixel(camera: Camera, point_m: object = TIP_M) -> list[float]:
    pixels, _ = project(torch.tensor([point_m], dtype=torch.float64), Cameras.stack([camera]))
    return pixels[0, 0].tolist()


def test_x_is_right_y_is_down_z_is_forward(tmp_path: Path) -> None:
    # 0.1 m to the right of the axis and 0.2 m below it, 2 m ahead, at 100 px focal length.
    assert pixel(imported(tmp_path)) == pytest.approx([31.5 + 5, 23.5 + 10])


def test_rotation_and_translation_take_the_world_into_the_camera(tmp_path: Path) -> None:
    # The camera stands 2 m along x and looks back along it: what is far in z appears on its right.
    camera = imported(tmp_path, R=[[0, 0, 1], [0, 1, 0], [-1, 0, 0]], t_m=[0, 0, 2])
    assert camera.centre_m.tolist() == [2, 0, 0]
    assert pixel(camera) == pytest.approx([31.5, 23.5 + 100 * 0.2 / 1.9])
    assert pixel(camera, [0.0, 0.0, 0.5]) == pytest.approx([31.5 + 100 * 0.5 / 2, 23.5])


def test_the_centre_of_the_top_left_pixel_is_the_origin(tmp_path: Path) -> None:
    camera = imported(tmp_path)
    to_the_corner = [-0.5 - 31.5, -0.5 - 23.5]
    half = camera.resized(32, 24)
    for origin in (camera, half):
        # The same ray meets the corner of the image at any resolution.
        assert pixel(origin, [to_the_corner[0] / 50, to_the_corner[1] / 50, 0.0]) == pytest.approx([-0.5, -0.5])
    assert pixel(camera, [-31.5 / 50, -23.5 / 50, 0.0]) == pytest.approx([0, 0])


@pytest.mark.parametrize(
    ("distortion", "shift_px"),
    [
        # At x/z = 0.05, y/z = 0.1, so r^2 = 0.0125, by OpenCV's formula.
        ([1.0, 0, 0, 0, 0], [5 * 0.0125, 10 * 0.0125]),
        ([0, 1.0, 0, 0, 0], [5 * 0.0125**2, 10 * 0.0125**2]),
        ([0, 0, 1.0, 0, 0], [100 * 2 * 0.05 * 0.1, 100 * (0.0125 + 2 * 0.1**2)]),
        ([0, 0, 0, 1.0, 0], [100 * (0.0125 + 2 * 0.05**2), 100 * 2 * 0.05 * 0.1]),
        ([0, 0, 0, 0, 1.0], [5 * 0.0125**3, 10 * 0.0125**3]),
    ],
)
def test_the_order_of_the_distortion(distortion: list[float], shift_px: list[float], tmp_path: Path) -> None:
    assert pixel(imported(tmp_path, distortion=distortion)) == pytest.approx([36.5 + shift_px[0], 33.5 + shift_px[1]])


coordinates = st.floats(-0.08, 0.08)
lenses = st.tuples(*[st.floats(-0.2, 0.2)] * 2, *[st.floats(-0.02, 0.02)] * 2, st.floats(-0.05, 0.05))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    point=st.tuples(coordinates, coordinates, coordinates),
    lens=lenses,
    azimuth=st.floats(0, 6),
    elevation=st.floats(-1, 1),
)
def test_an_imported_camera_sees_as_opencv_does(
    point: tuple[float, float, float],
    lens: tuple[float, ...],
    azimuth: float,
    elevation: float,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    pose = look_at(azimuth, elevation)
    camera = imported(tmp_path_factory.mktemp("rig"), distortion=list(lens), R=pose.rotation, t_m=pose.translation_m)
    turn, _ = cv2.Rodrigues(pose.rotation)
    expected, _ = cv2.projectPoints(np.array([point]), turn, pose.translation_m, np.array(K), np.array(lens))
    assert pixel(camera, point) == pytest.approx(expected[0, 0].tolist(), abs=1e-9)


def test_from_camera_to_world(tmp_path: Path) -> None:
    world_from_cam, centre_m = np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]]), np.array([2.0, 0, 0])
    rotation = world_from_cam.T
    camera = imported(tmp_path, R=rotation, t_m=-rotation @ centre_m)
    assert pixel(camera) == pytest.approx([31.5, 23.5 + 100 * 0.2 / 1.9])


def test_from_opengl_and_mujoco_axes(tmp_path: Path) -> None:
    # An OpenGL camera that is not turned, 2 m along z: looks back along z, y is up. Higher is a smaller v.
    rotation = np.diag([1.0, -1, -1]) @ UNTURNED.T
    camera = imported(tmp_path, R=rotation, t_m=-rotation @ np.array([0.0, 0, 2]))
    assert pixel(camera) == pytest.approx([31.5 + 5, 23.5 - 10])


def test_from_a_field_of_view_with_pixel_corners_at_the_origin(tmp_path: Path) -> None:
    # 90 degrees high: the ray at 45 degrees meets the upper edge of the image. Corner-based, the middle is (32, 24).
    focal_px = 48 / (2 * np.tan(np.radians(90) / 2))
    camera = imported(tmp_path, K=[[focal_px, 0, 32 - 0.5], [0, focal_px, 24 - 0.5], [0, 0, 1]])
    assert pixel(camera, [0.0, -2.0, 0.0]) == pytest.approx([31.5, -0.5])
