"""The NumPy geometry is the torch geometry."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from s3k_dist.drift.views import directions, nearest_points, pixel_slope, project
from s3k_dist.geometry import projection, triangulation
from tests.scenes import ring

LENS = (-0.1, 0.02, 0.003, -0.002, 0.001)


@given(st.integers(0, 10_000), st.sampled_from([LENS, (0.0,) * 5]))
@settings(max_examples=30, deadline=None)
def test_it_agrees_with_the_torch_geometry(seed: int, lens: tuple[float, ...]) -> None:
    rng = np.random.default_rng(seed)
    cameras = ring(distortion=lens)
    both = projection.Cameras.stack(cameras)
    points = 0.16 * (rng.random((5, 3)) - 0.5)
    pixels = np.stack([project(points, camera)[0] for camera in cameras])
    np.testing.assert_allclose(pixels, projection.project(torch.from_numpy(points), both)[0].numpy(), atol=1e-9)
    pixels += rng.normal(size=pixels.shape)
    rays = np.stack([directions(seen, camera) for seen, camera in zip(pixels, cameras, strict=True)], axis=1)
    expected = projection.rays(torch.from_numpy(pixels), both).numpy().swapaxes(0, 1)
    np.testing.assert_allclose(rays, expected, atol=1e-9)
    weights = 0.1 + rng.random((5, 4))
    found = nearest_points(rays, np.stack([camera.centre_m for camera in cameras]), weights)
    weighted = triangulation.triangulate(torch.from_numpy(pixels), torch.from_numpy(weights.T.copy()), both)
    np.testing.assert_allclose(found, weighted.numpy(), atol=1e-9)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_slope_is_the_derivative(seed: int) -> None:
    rng = np.random.default_rng(seed)
    camera = ring(distortion=LENS)[0]
    point = 0.16 * (rng.random(3) - 0.5)
    _, inside = project(point, camera)
    step = 1e-6
    # A world point that is moved along an axis of the camera.
    numeric = [
        (project(point + step * axis, camera)[0] - project(point - step * axis, camera)[0]) / (2 * step)
        for axis in camera.rotation
    ]
    np.testing.assert_allclose(pixel_slope(inside, camera), np.stack(numeric, axis=-1), rtol=1e-5, atol=1e-4)


def test_a_point_that_one_view_sees_is_not_a_number() -> None:
    camera = ring()[0]
    ray = directions(np.array([[60.0, 60.0]]), camera)
    rays = np.repeat(ray[:, None], 2, axis=1)
    assert np.isnan(nearest_points(rays, np.stack([camera.centre_m] * 2), np.array([[1.0, 0.0]]))).all()
