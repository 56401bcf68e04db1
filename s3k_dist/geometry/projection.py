"""Projection into cameras and rays out of them, vectorised over any leading dimensions and exact under distortion."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from s3k_dist.errors import GeometryError
from s3k_dist.geometry.camera import Camera

UNDISTORT_STEPS = 12  # Newton's method doubles the digits each step; what has not converged by then is refused


@dataclass(frozen=True)
class Cameras:
    """A batch of cameras as tensors; ``...`` is any leading shape, usually (batch, views).

    Attributes:
        intrinsics: ``K``, pixels.
        distortion: ``k1, k2, p1, p2, k3``.
        rotation: world to camera.
        translation_m: world to camera, metres.
    """

    intrinsics: Float[Tensor, "... 3 3"]
    distortion: Float[Tensor, "... 5"]
    rotation: Float[Tensor, "... 3 3"]
    translation_m: Float[Tensor, "... 3"]

    @classmethod
    def stack(cls, cameras: Sequence[Camera], dtype: torch.dtype = torch.float64) -> "Cameras":
        """One leading dimension, of views."""

        def tensor(field: str) -> Tensor:
            return torch.from_numpy(np.stack([getattr(camera, field) for camera in cameras])).to(dtype)

        return cls(*(tensor(field.name) for field in fields(cls)))

    @property
    def centre_m(self) -> Float[Tensor, "... 3"]:
        """Optical centres in the world, ``a_c`` of Eq. 2, metres."""
        return -torch.einsum("...ji,...j->...i", self.rotation, self.translation_m)

    def __getitem__(self, index: object) -> "Cameras":
        return Cameras(*(getattr(self, field.name)[index] for field in fields(self)))

    def to(self, device_or_dtype: torch.device | torch.dtype) -> "Cameras":
        """Moved to a device, or cast to a type."""
        return Cameras(*(getattr(self, field.name).to(device_or_dtype) for field in fields(self)))


def project(
    points_m: Float[Tensor, "... keypoints 3"], cameras: Cameras
) -> tuple[Float[Tensor, "... views keypoints 2"], Float[Tensor, "... views keypoints"]]:
    """Where world points appear in each view.

    Args:
        points_m: world frame, metres, leading shape ``...``.
        cameras: leading shape ``(..., views)``.

    Returns:
        Pixels, and depth along the optical axis in metres. A point with depth <= 0 is behind the camera: its pixel
        means nothing.
    """
    in_camera = (
        torch.einsum("...vij,...kj->...vki", cameras.rotation, points_m) + cameras.translation_m[..., :, None, :]
    )
    depth_m = in_camera[..., 2]
    positive = torch.where(depth_m.abs() < 1e-9, torch.full_like(depth_m, 1e-9), depth_m)
    distorted = distort(in_camera[..., :2] / positive[..., None], cameras.distortion[..., :, None, :])
    return _to_pixels(distorted, cameras.intrinsics), depth_m


def rays(pixels: Float[Tensor, "... views keypoints 2"], cameras: Cameras) -> Float[Tensor, "... views keypoints 3"]:
    """Unit directions, in the world, of the rays through ``pixels``: ``d_ck`` of Eq. 2."""
    offset = pixels - cameras.intrinsics[..., :, None, :2, 2]
    focal = cameras.intrinsics[..., :, :2, :2]
    distorted = torch.linalg.solve(focal, offset.transpose(-1, -2)).transpose(-1, -2)
    normalised = undistort(distorted, cameras.distortion[..., :, None, :])
    direction = torch.cat([normalised, torch.ones_like(normalised[..., :1])], dim=-1)
    world = torch.einsum("...vji,...vkj->...vki", cameras.rotation, direction)
    return world / world.norm(dim=-1, keepdim=True)


def distort(normalised: Float[Tensor, "... 2"], coefficients: Float[Tensor, "... 5"]) -> Float[Tensor, "... 2"]:
    """Brown-Conrady: radial ``k1, k2, k3`` and tangential ``p1, p2`` on normalised coordinates."""
    if not coefficients.any():
        return normalised
    k1, k2, p1, p2, k3 = coefficients.unbind(-1)
    radius2 = normalised.square().sum(-1)
    radial = 1 + radius2 * (k1 + radius2 * (k2 + radius2 * k3))
    tangent = torch.stack([p2, p1], dim=-1)
    along = (normalised * tangent).sum(-1)
    # OpenCV's four tangential terms are one vector expression in q = (p2, p1): q r^2 + 2 x (x . q).
    return normalised * (radial + 2 * along)[..., None] + tangent * radius2[..., None]


def undistort(distorted: Float[Tensor, "... 2"], coefficients: Float[Tensor, "... 5"]) -> Float[Tensor, "... 2"]:
    """Inverse of :func:`distort`, by Newton's method.

    Raises:
        GeometryError: a pixel lies beyond the field in which the lens model can be inverted.
    """
    if not coefficients.any():
        return distorted
    k1, k2, p1, p2, k3 = coefficients.unbind(-1)
    tangent = torch.stack([p2, p1], dim=-1)
    identity = torch.eye(2, dtype=distorted.dtype, device=distorted.device)
    point = distorted.clone()
    for _ in range(UNDISTORT_STEPS):
        radius2 = point.square().sum(-1)
        radial = 1 + radius2 * (k1 + radius2 * (k2 + radius2 * k3))
        slope = 2 * (k1 + radius2 * (2 * k2 + radius2 * 3 * k3))
        along = (point * tangent).sum(-1)
        outer = point[..., :, None] * (slope[..., None] * point + 2 * tangent)[..., None, :]
        jacobian = (radial + 2 * along)[..., None, None] * identity + outer
        jacobian = jacobian + 2 * tangent[..., :, None] * point[..., None, :]
        residual = distort(point, coefficients) - distorted
        point = point - torch.linalg.solve(jacobian, residual[..., None])[..., 0]
    error = (distort(point, coefficients) - distorted).abs().max() if point.numel() else torch.zeros(())
    if not error < 1e-3:
        raise GeometryError(
            "the lens model cannot be inverted at some of these pixels: expected pixels inside the calibrated field"
        )
    return point


def _to_pixels(
    normalised: Float[Tensor, "... views keypoints 2"], intrinsics: Float[Tensor, "... views 3 3"]
) -> Float[Tensor, "... views keypoints 2"]:
    scaled = torch.einsum("...vij,...vkj->...vki", intrinsics[..., :2, :2], normalised)
    return scaled + intrinsics[..., :, None, :2, 2]
