"""Honest uncertainty: how much of the truth the reported covariances hold, and the scale that makes them hold 90%."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from learners.keypoint.batches import LabelledFrames
from learners.keypoint.detections import Detections, look
from s3k_dist.keypoints.detector import NOISE_SCALE_METRIC, KeypointDetector

COVERAGE_METRIC = "coverage_90"
LEVELS = (*range(10, 100, 5), 99)
# Quantiles of the chi-squared distribution with three degrees of freedom.
CHI2_50, CHI2_90 = 2.366, 6.251
# A few frames alone do not tell keypoints apart: their own scales count as if this many frames spoke for equal ones.
PRIOR_FRAMES = 10
MIN_SCALE = 0.05  # errors that vanish, as of a drawn detector, must not make a covariance singular


@dataclass(frozen=True)
class Reliability:
    """How much of the truth lies where the covariances say it does.

    Attributes:
        held: to each k of ``LEVELS``, the share of keypoints inside the ellipsoid that should hold k percent.
        coverage_90: the share inside the 90% ellipsoid; an honest detector's is 0.9.
        per_keypoint: ``coverage_90`` of each keypoint.
    """

    held: dict[int, float]
    coverage_90: float
    per_keypoint: dict[str, float]


def reliability(detector: KeypointDetector, seen: Detections) -> Reliability:
    """Judge a detector's covariances by frames that they were not fitted on."""
    # The distribution function of chi-squared with three degrees of freedom.
    level = torch.special.gammainc(torch.tensor(1.5, dtype=torch.float64), squared_distance(detector, seen) / 2)
    inside = (level <= 0.9).double()
    return Reliability(
        held={k: (level <= k / 100).double().mean().item() for k in LEVELS},
        coverage_90=inside.mean().item(),
        per_keypoint={name: inside[:, k].mean().item() for k, name in enumerate(detector.keypoint_names)},
    )


def calibrate(detector: KeypointDetector, labelled: LabelledFrames) -> dict[str, float]:
    """Fit the scale of a detector's noise on labelled frames that it was not trained on.

    Returns:
        What a manifest takes in beside ``noise_px``: the detector's ``noise_scale`` of each keypoint, and
        ``coverage_90``, measured on either half of the frames with the scale of the other half.

    Raises:
        FrameError: there are no frames, they have fewer than two views, or are not of the detector's image size.
    """
    names = detector.keypoint_names
    # As if the detector had no scale yet.
    scale = torch.tensor([detector.noise_scale[name] for name in names], dtype=torch.float64)
    squared = scale.square() * squared_distance(detector, look(detector, labelled))
    fitted = {NOISE_SCALE_METRIC + name: value for name, value in zip(names, fit_scale(squared).tolist(), strict=True)}
    return {**fitted, COVERAGE_METRIC: _crossed_coverage(squared)}


def squared_distance(detector: KeypointDetector, seen: Detections) -> Float[Tensor, "frames keypoints"]:
    """Squared Mahalanobis distance of the truth from the estimate, by the covariance that comes with it.

    Chi-squared with three degrees of freedom, if errors are Gaussian and the covariance is right.
    """
    located = seen.located(detector)
    error = located.points_m - seen.truth_m
    return (error * torch.linalg.solve(located.covariance_m2, error[..., None])[..., 0]).sum(-1)


def fit_scale(squared: Float[Tensor, "frames keypoints"]) -> Float[Tensor, "keypoints"]:
    """Factor on the standard deviations of each keypoint, so that their 90% ellipsoids hold 90% of the truth.

    The median tells the keypoints apart, with few frames; the 90% quantile over all of them together, which as a
    quantile of one alone would be noisy, sets the common level. Errors are not Gaussian: a bias makes small ones rare,
    a wrong view makes large ones common. So what is right at 90% need not be right at other levels.
    """
    own = (squared.quantile(0.5, dim=0) / CHI2_50).clamp_min(MIN_SCALE**2).log()
    trust = len(squared) / (len(squared) + PRIOR_FRAMES)
    variance = (own.mean() + trust * (own - own.mean())).exp()
    level = torch.quantile((squared / variance).flatten(), 0.9) / CHI2_90
    return (variance * level).sqrt().clamp_min(MIN_SCALE)


def _crossed_coverage(squared: Float[Tensor, "frames keypoints"]) -> float:
    """Share of all keypoints in the 90% ellipsoid, each half scaled by the other; NaN for a single frame.

    The first half and the last, not every second frame: neighbours in time are alike.
    """
    if len(squared) < 2:
        return math.nan
    first, last = squared.tensor_split(2)
    scaled = torch.cat([first / fit_scale(last).square(), last / fit_scale(first).square()])
    return (scaled <= CHI2_90).double().mean().item()
