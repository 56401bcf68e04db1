"""A rendered image through a lens is what the camera with that lens would see."""

import cv2
import numpy as np
import pytest
import torch

from actors.physical.lens import Lens
from s3k_dist.errors import GeometryError
from s3k_dist.geometry.camera import NO_DISTORTION, Camera
from s3k_dist.geometry.projection import Cameras, project

DISTORTION = np.array([-0.25, 0.1, 0.002, -0.001, 0.0])


def camera(size_px: int, focal_px: float, distortion: np.ndarray = NO_DISTORTION) -> Camera:
    middle = (size_px - 1) / 2
    intrinsics = np.array([[focal_px, 0, middle], [0, focal_px, middle], [0, 0, 1]])
    return Camera("cam0", size_px, size_px, intrinsics, distortion, np.eye(3), np.zeros(3))


def dots(points_m: np.ndarray, seen_by: Camera, sigma_px: float) -> np.ndarray:
    """Points as soft dots, as that camera sees them, (height, width, 3)."""
    pixels, _ = project(torch.from_numpy(points_m), Cameras.stack([seen_by]))
    v, u = np.mgrid[: seen_by.height_px, : seen_by.width_px]
    image = np.zeros(v.shape)
    for x, y in pixels[0].numpy():
        image = np.maximum(image, np.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * sigma_px**2)))
    return np.repeat((255 * image).astype(np.uint8)[..., None], 3, axis=2)


def test_points_appear_where_the_distorted_camera_projects_them() -> None:
    lens_camera, rendered = camera(120, 150.0, DISTORTION), camera(360, 400.0)
    points = np.array([[x, y, 1.0] for x in (-0.3, 0.0, 0.3) for y in (-0.3, 0.1, 0.33)])
    image = Lens(lens_camera, rendered).seen(dots(points, rendered, 4.0))
    pixels, _ = project(torch.from_numpy(points), Cameras.stack([lens_camera]))
    straight, _ = project(torch.from_numpy(points), Cameras.stack([camera(120, 150.0)]))
    assert (pixels - straight).norm(dim=-1).max() > 2, "the lens bends these"
    _, labels, _, centres = cv2.connectedComponentsWithStats((image[..., 0] > 40).astype(np.uint8))
    assert labels.max() == len(points)
    for u, v in pixels[0].numpy():
        assert np.linalg.norm(centres[1:] - [u, v], axis=1).min() < 0.4


def test_a_lens_without_distortion_changes_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(Lens(camera(32, 40.0), camera(32, 40.0)).seen(image), image)


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(GeometryError, match="expected a pinhole camera"):
        Lens(camera(32, 40.0), camera(32, 40.0, DISTORTION))
    moved = Camera("cam0", 32, 32, camera(32, 40.0).intrinsics, NO_DISTORTION, np.eye(3), np.ones(3))
    with pytest.raises(GeometryError, match="different poses"):
        Lens(moved, camera(32, 40.0))
    with pytest.raises(GeometryError, match="rendered image of 32 x 32 px, got 16 x 16"):
        Lens(camera(32, 40.0), camera(32, 40.0)).seen(np.zeros((16, 16, 3), np.uint8))
