"""Whether one model does worse than another, without labels: by how far views disagree, how sharp detections are, how
many are missing, and how much keypoints shake."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from learners.keypoint.config import Margins
from s3k_dist.features.figures import VersionFigures
from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame
from s3k_dist.keypoints.detector import KeypointDetector

BATCH = 12
JITTER = "jitter_mm"
# What is within these of each other is alike, whatever their ratio.
ALIKE_PX, ALIKE_MM = 0.05, 0.05


def label_free(detector: KeypointDetector, runs: Sequence[Sequence[MultiViewFrame]]) -> dict[str, float]:
    """What a model's answers show on runs of three consecutive frames, by metric name.

    ``residual_px`` (geometric mean), ``confidence`` and ``missing`` (share), as of a version in service; and
    ``jitter_mm``, the median length of a keypoint's second difference: objects move smoothly, errors do not.
    """
    frames = [frame for run in runs for frame in run]
    answers: list[FrameFeatures] = []
    for start in range(0, len(frames), BATCH):
        answers += detector.detect(frames[start : start + BATCH])
    figures = VersionFigures()
    for features in answers:
        figures = figures.with_frame(features)
    jitter_mm = math.nan
    if answers:
        points = np.stack([features.positions_m for features in answers])
        before, now, after = points.reshape(len(runs), -1, *points.shape[1:])[:, :3].swapaxes(0, 1)
        jitter_mm = 1e3 * float(np.median(np.linalg.norm(before - 2 * now + after, axis=-1)))
    return {**figures.means, JITTER: jitter_mm}


def objections(model: Mapping[str, float], other: Mapping[str, float], margins: Margins) -> list[str]:
    """In what a model does worse than another, by more than the margins; each in words, empty if in nothing.

    A measure that the other lacks is no objection; one that the model alone lacks, as a diverged one does, is.
    """
    limits = {
        "residual_px": margins.residual * other.get("residual_px", math.nan) + ALIKE_PX,
        JITTER: margins.jitter * other.get(JITTER, math.nan) + ALIKE_MM,
        "missing": other.get("missing", math.nan) + margins.missing,
    }
    found = []
    for name, limit in limits.items():
        if not math.isnan(limit) and not model.get(name, math.nan) <= limit:
            found.append(f"{name} {model.get(name, math.nan):.3g}, the other's {other[name]:.3g}")
    least = other.get("confidence", math.nan) - margins.confidence
    if not math.isnan(least) and not model.get("confidence", math.nan) >= least:
        found.append(f"confidence {model.get('confidence', math.nan):.3g}, the other's {other['confidence']:.3g}")
    return found
