"""Projection and Eq. 2 for the handful of cameras of one cell, in NumPy: a cell's process has no torch.

The same mathematics as `s3k_dist.geometry`, held to it by a test.
"""

import numpy as np

from s3k_dist.geometry.camera import Camera

UNDISTORT_STEPS = 12


def project(points_m: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of world points, shape (..., 2), and the points in the camera's frame, metres, shape (..., 3)."""
    inside_m = points_m @ camera.rotation.T + camera.translation_m
    normalised = inside_m[..., :2] / inside_m[..., 2:]
    distorted, _ = _distort(normalised, camera.distortion)
    return distorted @ camera.intrinsics[:2, :2].T + camera.intrinsics[:2, 2], inside_m


def pixel_slope(inside_m: np.ndarray, camera: Camera) -> np.ndarray:
    """Derivative of a pixel by the point in the camera's frame, pixels a metre, shape (..., 2, 3)."""
    x, y, z = np.moveaxis(inside_m, -1, 0)
    zero = np.zeros_like(x)
    perspective = np.stack(
        [np.stack([1 / z, zero, -x / z**2], -1), np.stack([zero, 1 / z, -y / z**2], -1)],
        -2,
    )
    _, slope = _distort(inside_m[..., :2] / inside_m[..., 2:], camera.distortion)
    return camera.intrinsics[:2, :2] @ slope @ perspective


def directions(pixels: np.ndarray, camera: Camera) -> np.ndarray:
    """Unit directions, in the world, of the rays through ``pixels``, shape (..., 3)."""
    distorted = (pixels - camera.intrinsics[:2, 2]) @ np.linalg.inv(camera.intrinsics[:2, :2]).T
    point = distorted
    if camera.distortion.any():
        for _ in range(UNDISTORT_STEPS):
            moved, slope = _distort(point, camera.distortion)
            point = point - np.linalg.solve(slope, (moved - distorted)[..., None])[..., 0]
    ray = np.concatenate([point, np.ones_like(point[..., :1])], -1) @ camera.rotation
    return ray / np.linalg.norm(ray, axis=-1, keepdims=True)


def nearest_points(rays: np.ndarray, centres_m: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Eq. 2: world points nearest to weighted rays, metres, shape (..., 3).

    Args:
        rays: unit directions, shape (..., V, 3).
        centres_m: of the V cameras, shape (V, 3), metres.
        weights: of the rays, shape (..., V); where fewer than two are positive the point is NaN.
    """
    projector = weights[..., None, None] * (np.eye(3) - rays[..., :, None] * rays[..., None, :])
    normal, offset = projector.sum(-3), np.einsum("...vij,vj->...i", projector, centres_m)
    enough = (weights > 0).sum(-1) >= 2
    normal = np.where(enough[..., None, None], normal, np.eye(3))
    return np.where(enough[..., None], np.linalg.solve(normal, offset[..., None])[..., 0], np.nan)


def _distort(normalised: np.ndarray, coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Brown-Conrady on normalised coordinates, and its derivative, shape (..., 2, 2)."""
    k1, k2, p1, p2, k3 = coefficients
    radius2 = (normalised**2).sum(-1)[..., None]
    radial = 1 + radius2 * (k1 + radius2 * (k2 + radius2 * k3))
    growth = 2 * (k1 + radius2 * (2 * k2 + radius2 * 3 * k3))
    tangent = np.array([p2, p1])
    along = (normalised * tangent).sum(-1, keepdims=True)
    moved = normalised * (radial + 2 * along) + tangent * radius2
    slope = (radial + 2 * along)[..., None] * np.eye(2)
    slope = slope + normalised[..., :, None] * (growth * normalised + 2 * tangent)[..., None, :]
    return moved, slope + 2 * tangent[:, None] * normalised[..., None, :]
