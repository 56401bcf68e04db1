"""Keypoints of frames without labels: the model's own estimate, and whether to believe it."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from learners.keypoint.config import TrainerConfig
from s3k_dist.geometry.projection import Cameras
from s3k_dist.geometry.triangulation import reprojection_residual, triangulate, triangulate_robust
from s3k_dist.keypoints.heatmap import decode, decode_peak, sharpness_of
from s3k_dist.keypoints.network import NetworkConfig


class PseudoLabels(NamedTuple):
    """Estimates for a batch of frames; no gradient flows through them (section 3.2)."""

    points_m: Float[Tensor, "batch keypoints 3"]
    """World frame, metres."""
    trust: Float[Tensor, "batch keypoints"]
    """1 where the estimate counts, else 0."""


@torch.no_grad()
def pseudo_labels(
    log_heatmaps: Float[Tensor, "batch views keypoints cells"],
    cameras: Cameras,
    size: int,
    network: NetworkConfig,
    config: TrainerConfig,
) -> PseudoLabels:
    """Eq. 2, believed where the views it rests on agree and are sharp.

    Args:
        log_heatmaps: of all views.
        cameras: of the images that the heatmaps are of, leading shape (batch, views).
        size: side of a heatmap, cells.
        network: says how cells and pixels relate.
        config: decoding, outliers and the gate.
    """
    if config.decoding == "peak":
        decoded = decode_peak(log_heatmaps.float(), size, size, sigma=network.sigma, stride=network.stride)
    else:
        decoded = decode(log_heatmaps.float(), size, size, stride=network.stride)
    weights = sharpness_of(decoded, network.sharpness, sigma=network.sigma)
    scale = network.image_size_px / 128
    if config.outlier_px is None:
        points, used = triangulate(decoded.pixels, weights, cameras), weights
    else:
        points, used = triangulate_robust(decoded.pixels, weights, cameras, outlier_px=config.outlier_px * scale)
    if config.gate_residual_px is None:
        return PseudoLabels(points, torch.ones_like(points[..., 0]))
    counted = (used > 0).to(weights.dtype)
    residual = reprojection_residual(points, decoded.pixels, cameras)
    agree = (residual * counted).sum(1) / counted.sum(1) < config.gate_residual_px * scale
    sharp = (weights * counted).sum(1) / counted.sum(1) > config.gate_confidence
    return PseudoLabels(points, (agree & sharp).to(weights.dtype))
