"""Warps are changes of camera: pixels, cameras and images move together."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from s3k_dist.geometry.camera import Camera
from s3k_dist.geometry.projection import Cameras, project
from s3k_dist.geometry.warp import CameraWarp, invert_affine, warp_images, warp_pixels

SIZE = 64


def camera(distortion: tuple[float, ...] = (0, 0, 0, 0, 0), fy: float = 90.0) -> Cameras:
    intrinsics = np.array([[90.0, 0, 33.0], [0, fy, 30.0], [0, 0, 1]])
    one = Camera("cam0", SIZE, SIZE, intrinsics, np.array(distortion), np.eye(3), np.array([0.0, 0.0, 1.0]))
    return Cameras.stack([one])


def warp(roll: float, log_zoom: float, u: float, v: float, log_stretch: float = 0.0) -> CameraWarp:
    return CameraWarp(
        torch.tensor([roll], dtype=torch.float64),
        torch.tensor([[math.exp(log_zoom + log_stretch), math.exp(log_zoom - log_stretch)]], dtype=torch.float64),
        torch.tensor([[u, v]], dtype=torch.float64),
    )


warps = st.builds(
    warp, st.floats(-3, 3), st.floats(-0.3, 0.3), st.floats(-8, 8), st.floats(-8, 8), st.floats(-0.3, 0.3)
)
points = st.lists(st.tuples(*[st.floats(-0.2, 0.2)] * 3), min_size=1, max_size=4).map(
    lambda p: torch.tensor(p, dtype=torch.float64)
)


@given(warps, points, st.tuples(*[st.floats(-0.05, 0.05)] * 5), st.floats(70, 110))
@settings(max_examples=60, deadline=None)
def test_a_warped_camera_sees_what_the_warped_pixels_show(warp, points, distortion, fy):
    cameras = camera(distortion, fy)
    before, _ = project(points, cameras)
    after, _ = project(points, warp.cameras(cameras))
    torch.testing.assert_close(warp_pixels(before, warp.affine(cameras)), after, atol=1e-6, rtol=0)


@given(warps, points)
@settings(max_examples=30, deadline=None)
def test_unwarp_undoes_warp(warp, points):
    cameras = camera()
    affine = warp.affine(cameras)
    pixels, _ = project(points, cameras)
    torch.testing.assert_close(warp_pixels(warp_pixels(pixels, affine), invert_affine(affine)), pixels)


@pytest.mark.parametrize(
    "settings",
    [(0, 0, 0, 0), (0.4, 0, 0, 0), (0, 0.2, 0, 0), (0, 0, 3.3, -2.6), (-1.1, 0.1, 4, 5), (0.3, 0, 1, 2, 0.2)],
)
def test_images_move_as_pixels_do(settings):
    centre = torch.tensor([[[36.3, 27.8]]], dtype=torch.float64)
    image = blob(centre[0, 0])[None, None].expand(1, 3, -1, -1)
    affine = warp(*settings).affine(camera())
    moved = warp_images(image.float(), affine)[0, 0].double()
    expected = warp_pixels(centre, affine)[0, 0]
    torch.testing.assert_close(centroid(moved), expected, atol=0.05, rtol=0)


def blob(centre: torch.Tensor) -> torch.Tensor:
    grid = torch.arange(SIZE, dtype=torch.float64)
    return torch.exp(-((grid[None, :] - centre[0]) ** 2 + (grid[:, None] - centre[1]) ** 2) / (2 * 2.0**2))


def centroid(image: torch.Tensor) -> torch.Tensor:
    grid = torch.arange(SIZE, dtype=torch.float64)
    return torch.stack([(image * grid[None, :]).sum(), (image * grid[:, None]).sum()]) / image.sum()


def test_a_stretch_changes_width_over_height_within_its_bound_and_nothing_is_drawn_for_none():
    def random(stretch: float) -> CameraWarp:
        return CameraWarp.random((500,), max_log_stretch=stretch, generator=torch.Generator().manual_seed(0))

    still, stretched = random(0.0), random(0.4)
    torch.testing.assert_close(still.zoom[:, 0], still.zoom[:, 1])
    torch.testing.assert_close(stretched.roll_rad, still.roll_rad)
    ratio = (stretched.zoom[:, 0] / stretched.zoom[:, 1]).log()
    assert -0.4 <= ratio.min() < -0.35
    assert 0.35 < ratio.max() <= 0.4
    torch.testing.assert_close(stretched.zoom.log().mean(-1), still.zoom.log().mean(-1))
