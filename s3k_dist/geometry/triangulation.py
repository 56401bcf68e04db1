"""Eq. 2: the point nearest to weighted rays, in closed form, with its covariance from the same least squares."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from s3k_dist.errors import TooFewViewsError
from s3k_dist.geometry.projection import Cameras, project, rays


def triangulate(
    pixels: Float[Tensor, "... views keypoints 2"],
    weights: Float[Tensor, "... views keypoints"],
    cameras: Cameras,
) -> Float[Tensor, "... keypoints 3"]:
    """Eq. 2: the world points, in metres, that minimise the weighted squared distance to the rays through ``pixels``.

    At least two rays of positive weight that are not parallel determine a point; fewer give a non-finite one, or raise
    ``torch.linalg.LinAlgError``. :func:`triangulate_labels` checks.
    """
    normal, offset = _normal_equations(pixels, weights, cameras)
    return torch.linalg.solve(normal, offset[..., None])[..., 0]


def triangulate_robust(
    pixels: Float[Tensor, "... views keypoints 2"],
    weights: Float[Tensor, "... views keypoints"],
    cameras: Cameras,
    *,
    outlier_px: float,
) -> tuple[Float[Tensor, "... keypoints 3"], Float[Tensor, "... views keypoints"]]:
    """Eq. 2 without the one view, if there is one, that contradicts all others: an arm in the way, a look-alike.

    Tries all views and, of four or more, each set that leaves one out; keeps the estimate with the least truncated
    squared residual. Three views can outvote one; of three or fewer there is no telling which is wrong.

    Args:
        pixels: where each view detected the keypoint.
        weights: of each detection, as Eq. 5 has them.
        cameras: leading shape (..., views).
        outlier_px: residual beyond which a view counts as wrong, and no more wrong.

    Returns:
        The estimate, metres, and the weights it was made with: zero for a view left out.
    """
    views = pixels.shape[-3]
    if views < 4:
        return triangulate(pixels, weights, cameras), weights
    # Hypothesis 0 keeps every view, hypothesis h leaves out view h - 1.
    left_out = torch.eye(views, dtype=weights.dtype, device=weights.device)
    kept = torch.cat([torch.ones_like(left_out[:1]), 1 - left_out])
    tried = kept[:, :, None] * weights[..., None, :, :]
    projector = _projectors(rays(pixels, cameras))
    normal = torch.einsum("...hvk,...vkij->...hkij", tried, projector)
    offset = torch.einsum("...hvk,...vkij,...vj->...hki", tried, projector, cameras.centre_m)
    points = torch.linalg.solve(normal, offset[..., None])[..., 0]
    reprojected, _ = project(points.flatten(-3, -2), cameras)
    residual = (reprojected.unflatten(-2, points.shape[-3:-1]) - pixels[..., None, :, :]).norm(dim=-1)
    cost = residual.clamp_max(outlier_px).square().sum(-3)
    # Leaving a good view out always fits the rest a little better: only a wrong view is worth it.
    of_left_out = torch.diagonal(residual[..., 1:, :], dim1=-3, dim2=-2).movedim(-1, -2)
    cost[..., 1:, :] = cost[..., 1:, :].masked_fill(of_left_out <= outlier_px, torch.inf)
    best = cost.argmin(dim=-2, keepdim=True)
    chosen = points.gather(-3, best[..., None].expand(*best.shape, 3))[..., 0, :, :]
    used = tried.gather(-3, best[..., None, :].expand(*best.shape[:-1], views, best.shape[-1]))[..., 0, :, :]
    return chosen, used


def covariance(
    pixels: Float[Tensor, "... views keypoints 2"],
    weights: Float[Tensor, "... views keypoints"],
    cameras: Cameras,
    points_m: Float[Tensor, "... keypoints 3"],
    noise_px: Float[Tensor, "... views keypoints"],
) -> Float[Tensor, "... keypoints 3 3"]:
    """Covariance of the estimate of Eq. 2 under independent pixel noise, world frame, square metres.

    ``x = A^-1 sum_c w_c P_c a_c`` with ``P_c = I - d_c d_c^T``, so noise that moves ray ``c`` sideways by ``s_c`` at
    the point gives ``A^-1 (sum_c w_c^2 s_c^2 P_c) A^-1``.

    Args:
        pixels: where each view detected the keypoint.
        weights: the weights that the estimate was made with.
        cameras: leading shape (..., views).
        points_m: the estimate, metres.
        noise_px: standard deviation of a detection along each image axis, pixels.
    """
    projector = _projectors(rays(pixels, cameras))
    normal = (weights[..., None, None] * projector).sum(-4)
    range_m = (points_m[..., None, :, :] - cameras.centre_m[..., :, None, :]).norm(dim=-1)
    focal_px = torch.linalg.det(cameras.intrinsics[..., :2, :2]).sqrt()[..., None]
    sideways_m = noise_px * range_m / focal_px
    spread = ((weights * sideways_m).square()[..., None, None] * projector).sum(-4)
    inverse = torch.linalg.inv(normal)
    return inverse @ spread @ inverse


def reprojection_residual(
    points_m: Float[Tensor, "... keypoints 3"], pixels: Float[Tensor, "... views keypoints 2"], cameras: Cameras
) -> Float[Tensor, "... views keypoints"]:
    """Distance in each view between the re-projected points and ``pixels``, in pixels."""
    reprojected, _ = project(points_m, cameras)
    return (reprojected - pixels).norm(dim=-1)


def triangulate_labels(
    pixels: Float[Tensor, "... views keypoints 2"],
    clicked: Bool[Tensor, "... views keypoints"],
    cameras: Cameras,
) -> Float[Tensor, "... keypoints 3"]:
    """World points, in metres, from clicks in at least two views each (section 3.1).

    Args:
        pixels: the clicks; ignored where ``clicked`` is false.
        clicked: which keypoints were clicked in which views.
        cameras: leading shape (..., views).

    Raises:
        TooFewViewsError: a keypoint was clicked in fewer than two views.
    """
    counts = clicked.sum(dim=-2)
    if (counts < 2).any():
        worst = (counts < 2).nonzero()[0].tolist()
        raise TooFewViewsError(
            f"keypoint {worst[-1]} is labelled in {int(counts[tuple(worst)])} view(s); "
            f"expected at least 2 of the {clicked.shape[-2]} there are"
        )
    safe = torch.where(clicked[..., None], pixels, cameras.intrinsics[..., :, None, :2, 2])
    return triangulate(safe, clicked.to(pixels.dtype), cameras)


def _normal_equations(
    pixels: Float[Tensor, "... views keypoints 2"],
    weights: Float[Tensor, "... views keypoints"],
    cameras: Cameras,
) -> tuple[Float[Tensor, "... keypoints 3 3"], Float[Tensor, "... keypoints 3"]]:
    weighted = weights[..., None, None] * _projectors(rays(pixels, cameras))
    offset = torch.einsum("...vkij,...vj->...ki", weighted, cameras.centre_m)
    return weighted.sum(-4), offset


def _projectors(directions: Float[Tensor, "... 3"]) -> Float[Tensor, "... 3 3"]:
    identity = torch.eye(3, dtype=directions.dtype, device=directions.device)
    return identity - directions[..., :, None] * directions[..., None, :]
