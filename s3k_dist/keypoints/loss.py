"""The losses of S3K: Eqs. 1, 3 and 4."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from s3k_dist.geometry.projection import Cameras, project
from s3k_dist.geometry.triangulation import triangulate
from s3k_dist.keypoints.heatmap import decode, detection_weight, gaussian_log_target


def divergence(
    log_target: Float[Tensor, "*batch cells"], log_prediction: Float[Tensor, "*batch cells"]
) -> Float[Tensor, "*batch"]:
    """``D_KL(H || P)`` of each heatmap: the term that Eqs. 1 and 3 sum over views and keypoints."""
    return (log_target.exp() * (log_target - log_prediction)).sum(-1)


def supervised_loss(
    log_heatmaps: Float[Tensor, "batch views keypoints cells"],
    points_m: Float[Tensor, "batch keypoints 3"],
    cameras: Cameras,
    *,
    height: int,
    width: int,
    sigma: float,
    stride: int,
    mask: Float[Tensor, "batch views keypoints"] | None = None,
) -> Float[Tensor, ""]:
    """Eq. 1, averaged over the batch: labels projected into every view are the targets.

    Args:
        log_heatmaps: the prediction, logarithms of probabilities.
        points_m: world frame, metres.
        cameras: leading shape (batch, views).
        height: of a heatmap, cells.
        width: of a heatmap, cells.
        sigma: width of the target Gaussian, cells.
        stride: image pixels to a cell.
        mask: factor on each heatmap's term; default 1. Zero where a keypoint lies outside the image or is not trusted.
    """
    pixels, _ = project(points_m, cameras)
    target = gaussian_log_target(pixels, height, width, sigma=sigma, stride=stride)
    terms = divergence(target, log_heatmaps)
    return (terms if mask is None else terms * mask).sum((1, 2)).mean()


def estimate(
    log_heatmaps: Float[Tensor, "*batch views keypoints cells"],
    cameras: Cameras,
    *,
    height: int,
    width: int,
    sigma: float,
    stride: int,
) -> Float[Tensor, "*batch keypoints 3"]:
    """The model's own estimate of the keypoints (Eq. 2 with the weights of Eq. 5), metres; carries no gradient."""
    with torch.no_grad():
        decoded = decode(log_heatmaps, height, width, stride=stride)
        return triangulate(decoded.pixels, detection_weight(decoded.deviation, sigma=sigma), cameras)


def self_supervised_loss(
    log_heatmaps: Float[Tensor, "batch views keypoints cells"],
    cameras: Cameras,
    *,
    height: int,
    width: int,
    sigma: float,
    stride: int,
) -> Float[Tensor, ""]:
    """Eq. 3, averaged over the batch: the re-projected estimate is the target, and is not propagated through."""
    points_m = estimate(log_heatmaps, cameras, height=height, width=width, sigma=sigma, stride=stride)
    return supervised_loss(log_heatmaps, points_m, cameras, height=height, width=width, sigma=sigma, stride=stride)


def weight_penalty(network: nn.Module) -> Float[Tensor, ""]:
    """Squared L2 norm of all parameters that are not biases: the last term of Eq. 4, without its factor."""
    squares = [parameter.square().sum() for name, parameter in network.named_parameters() if not name.endswith("bias")]
    return torch.stack(squares).sum()


def total_loss(
    supervised: Float[Tensor, ""],
    self_supervised: Float[Tensor, ""],
    network: nn.Module,
    *,
    alpha: float = 0.5,
    l2: float = 0.0,
) -> Float[Tensor, ""]:
    """Eq. 4: ``L_sup + alpha L_unsup + lambda ||theta_nonbias||^2``. The paper's alpha is 0.5."""
    data = supervised + alpha * self_supervised
    return data if l2 == 0 else data + l2 * weight_penalty(network)
