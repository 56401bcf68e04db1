"""How well a keypoint model does on frames whose keypoints are known."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from learners.keypoint.trainer import LabelledFrames
from s3k_dist.geometry.projection import project
from s3k_dist.geometry.triangulation import triangulate_robust
from s3k_dist.keypoints.detector import OUTLIER_PX, KeypointDetector
from s3k_dist.keypoints.heatmap import decode_peak, detection_weight

BATCH = 16


@dataclass(frozen=True)
class KeypointMetrics:
    """Accuracy over F frames.

    Attributes:
        frames: F.
        rms_px: root mean square distance of detections from the projected truth, over all views (the paper's metric).
        median_px: median of the same.
        median_mm: median 3-D error.
        p95_mm: 95th percentile of the 3-D error.
        per_keypoint_median_mm: median 3-D error of each keypoint.
        noise_px: robust standard deviation of a detection along one image axis.
    """

    frames: int
    rms_px: float
    median_px: float
    median_mm: float
    p95_mm: float
    per_keypoint_median_mm: dict[str, float]
    noise_px: float


def evaluate(detector: KeypointDetector, labelled: LabelledFrames) -> KeypointMetrics:
    """Compare a detector with known keypoints; those outside an image do not count in pixels."""
    network = detector.config
    size = network.heatmap_size
    errors_px: list[Tensor] = []
    errors_mm: list[Tensor] = []
    for start in range(0, len(labelled), BATCH):
        part = slice(start, start + BATCH)
        cameras, truth = labelled.cameras[part], labelled.points_m[part]
        decoded = decode_peak(
            detector.heatmaps(labelled.images[part]), size, size, sigma=network.sigma, stride=network.stride
        )
        weights = detection_weight(decoded.deviation, sigma=network.sigma)
        outlier_px = OUTLIER_PX * network.image_size_px / 128
        points, _ = triangulate_robust(decoded.pixels, weights, cameras, outlier_px=outlier_px)
        expected, _ = project(truth, cameras)
        inside = ((expected >= 0) & (expected <= network.image_size_px - 1)).all(-1)
        errors_px.append((decoded.pixels - expected).norm(dim=-1)[inside])
        errors_mm.append(1e3 * (points - truth).norm(dim=-1))
    pixels, millimetres = torch.cat(errors_px), torch.cat(errors_mm)
    names = detector.keypoint_names
    return KeypointMetrics(
        frames=len(labelled),
        rms_px=pixels.square().mean().sqrt().item(),
        median_px=pixels.median().item(),
        median_mm=_quantile(millimetres.flatten(), 0.5),
        p95_mm=_quantile(millimetres.flatten(), 0.95),
        per_keypoint_median_mm={name: _quantile(millimetres[:, k], 0.5) for k, name in enumerate(names)},
        # The median of a Rayleigh distribution is 1.1774 standard deviations.
        noise_px=pixels.median().item() / 1.1774,
    )


def _quantile(values: Float[Tensor, "count"], share: float) -> float:
    return torch.quantile(values, share).item()
