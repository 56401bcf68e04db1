"""How well a keypoint model does on frames whose keypoints are known."""

import math
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from learners.keypoint.batches import LabelledFrames
from learners.keypoint.detections import Detections, look
from s3k_dist.geometry.projection import project
from s3k_dist.keypoints.detector import KeypointDetector


@dataclass(frozen=True)
class KeypointMetrics:
    """Accuracy over F frames; NaN for what no frame tells.

    Attributes:
        frames: F.
        rms_px: root mean square distance of detections from the projected truth, over all views (the paper's metric).
        median_px: median of the same.
        median_mm: median 3-D error.
        p95_mm: 95th percentile of the 3-D error.
        per_keypoint_median_mm: median 3-D error of each keypoint.
        noise_px: robust standard deviation of a detection along one image axis.
        rms_reprojected_px: as ``rms_px``, of the triangulated keypoints projected back: what the views know together.
        per_keypoint_rms_px: ``rms_px`` of each keypoint.
        per_keypoint_p95_mm: 95th percentile of the 3-D error of each keypoint.
    """

    frames: int
    rms_px: float
    median_px: float
    median_mm: float
    p95_mm: float
    per_keypoint_median_mm: dict[str, float]
    noise_px: float
    rms_reprojected_px: float = math.nan
    per_keypoint_rms_px: dict[str, float] = field(default_factory=dict)
    per_keypoint_p95_mm: dict[str, float] = field(default_factory=dict)


def evaluate(detector: KeypointDetector, labelled: LabelledFrames) -> KeypointMetrics:
    """Compare a detector with known keypoints; those outside an image do not count in pixels.

    Raises:
        FrameError: there are no frames, they have fewer than two views, or are not of the detector's image size.
    """
    return metrics_of(detector, look(detector, labelled))


def metrics_of(detector: KeypointDetector, seen: Detections) -> KeypointMetrics:
    """The same, of detections that are there already."""
    points = seen.located(detector).points_m
    millimetres = 1e3 * (points - seen.truth_m).norm(dim=-1)
    expected, inside = seen.true_pixels(detector.image_size_px)
    off_px = (seen.pixels - expected).norm(dim=-1)
    reprojected_off_px = (project(points, seen.cameras)[0] - expected).norm(dim=-1)
    names = detector.keypoint_names
    median_px = quantile(off_px[inside], 0.5)
    return KeypointMetrics(
        frames=len(seen),
        rms_px=_rms(off_px[inside]),
        median_px=median_px,
        median_mm=quantile(millimetres, 0.5),
        p95_mm=quantile(millimetres, 0.95),
        per_keypoint_median_mm={name: quantile(millimetres[:, k], 0.5) for k, name in enumerate(names)},
        # The median of a Rayleigh distribution is 1.1774 standard deviations.
        noise_px=median_px / 1.1774,
        rms_reprojected_px=_rms(reprojected_off_px[inside]),
        per_keypoint_rms_px={name: _rms(off_px[:, :, k][inside[:, :, k]]) for k, name in enumerate(names)},
        per_keypoint_p95_mm={name: quantile(millimetres[:, k], 0.95) for k, name in enumerate(names)},
    )


def quantile(values: Float[Tensor, "..."], share: float) -> float:
    """Linear between neighbours; NaN of nothing."""
    # Not torch.quantile: it refuses more than 2^24 values.
    ordered = values.flatten().sort().values
    if not len(ordered):
        return math.nan
    place = share * (len(ordered) - 1)
    low = ordered[math.floor(place)].item()
    return low + (place - math.floor(place)) * (ordered[math.ceil(place)].item() - low)


def _rms(values: Float[Tensor, "count"]) -> float:
    return values.square().mean().sqrt().item() if len(values) else math.nan
