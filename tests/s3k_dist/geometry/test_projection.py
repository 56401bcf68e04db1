"""Projection and rays: inverse of one another, and OpenCV's."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from s3k_dist.errors import GeometryError
from s3k_dist.geometry.camera import Camera
from s3k_dist.geometry.projection import Cameras, distort, project, rays, undistort
from tests.scenes import look_at, ring

coordinates = st.floats(-0.08, 0.08)
points = st.lists(st.tuples(coordinates, coordinates, coordinates), min_size=1, max_size=5).map(
    lambda p: torch.tensor(p, dtype=torch.float64)
)
lenses = st.tuples(*[st.floats(-0.2, 0.2)] * 2, *[st.floats(-0.02, 0.02)] * 2, st.floats(-0.05, 0.05))


@given(points, lenses)
@settings(max_examples=40, deadline=None)
def test_projection_is_opencvs(points, lens):
    camera = look_at(0.7, 0.4, distortion=lens)
    pixels, _ = project(points, Cameras.stack([camera]))
    rotation, _ = cv2.Rodrigues(camera.rotation)
    expected, _ = cv2.projectPoints(
        points.numpy(), rotation, camera.translation_m, camera.intrinsics, camera.distortion
    )
    np.testing.assert_allclose(pixels[0].numpy(), expected[:, 0], atol=1e-9)


@given(points, lenses)
@settings(max_examples=40, deadline=None)
def test_a_ray_through_a_projection_hits_the_point(points, lens):
    cameras = Cameras.stack(ring(distortion=lens))
    pixels, _ = project(points, cameras)
    directions = rays(pixels, cameras)
    towards = points[None] - cameras.centre_m[:, None]
    towards = towards / towards.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(directions, towards, atol=1e-9, rtol=0)


@given(lenses)
@settings(max_examples=40, deadline=None)
def test_undistort_undoes_distort(lens):
    grid = torch.linspace(-0.5, 0.5, 7, dtype=torch.float64)
    normalised = torch.cartesian_prod(grid, grid)
    lens = torch.tensor(lens, dtype=torch.float64).expand(len(normalised), 5)
    torch.testing.assert_close(undistort(distort(normalised, lens), lens), normalised, atol=1e-9, rtol=0)


def test_a_pixel_beyond_the_lens_is_refused():
    lens = torch.tensor([[-0.5, 0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    with pytest.raises(GeometryError, match="cannot be inverted"):
        undistort(torch.tensor([[3.0, 3.0]], dtype=torch.float64), lens)


def test_a_point_behind_a_camera_has_negative_depth():
    _, depth = project(torch.tensor([[0.0, 0.0, 5.0]], dtype=torch.float64), Cameras.stack([look_at(0.0, 0.5)]))
    assert depth.item() < 0


def test_resizing_keeps_pixel_corners():
    camera = look_at(0.2, 0.3)
    half = camera.resized(64, 64)
    point = torch.tensor([[0.01, -0.02, 0.03]], dtype=torch.float64)
    full, _ = project(point, Cameras.stack([camera]))
    small, _ = project(point, Cameras.stack([half]))
    torch.testing.assert_close((full + 0.5) / 2 - 0.5, small)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("rotation", np.zeros((3, 3)), "pose is missing"),
        ("rotation", np.diag([1.0, 1.0, -1.0]), "not a rotation"),
        ("intrinsics", np.eye(2), r"shape \(2, 2\), expected \(3, 3\)"),
        ("translation_m", np.array([0.0, np.nan, 0.0]), "not finite"),
        ("intrinsics", np.diag([-1.0, 1.0, 1.0]), "focal lengths must be positive"),
        ("distortion", np.zeros(4), r"expected \(5,\)"),
    ],
)
def test_an_impossible_camera_is_refused(field, value, says):
    good = look_at(0.0, 0.3)
    values = {
        "intrinsics": good.intrinsics,
        "distortion": good.distortion,
        "rotation": good.rotation,
        "translation_m": good.translation_m,
    }
    with pytest.raises(GeometryError, match=says):
        Camera("cam5", 128, 128, **{**values, field: value})
