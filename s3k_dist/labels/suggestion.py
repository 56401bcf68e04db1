"""Which frames to label next: those a model is unsure of, and not twenty of the same.

Informative is what the model itself shows: views that disagree, heatmaps that are blurred, detections that are missing,
each by its rank among the frames, so that no unit wins. Diverse is far from what is labelled or chosen already: in what
the images show, in where the keypoints are, and in time. Chosen greedily, the frame with the largest product next
(k-centre, weighted).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame

LEAST_CONFIDENCE = 0.5  # a detection below it is missing
THUMBNAIL = 8  # cells a side: the light and what lies where, not the noise
UNSURE_SHARE = 0.5  # of the frames that are considered at all: the surer half is not worth a click


@dataclass(frozen=True)
class Doubt:
    """Why a frame is worth a label.

    Attributes:
        residual_px: of the keypoint that the views disagree most on, mean over the views.
        confidence: of the keypoint that is least sharp, mean over the views.
        missing: detections that are not there, of all.
    """

    residual_px: float
    confidence: float
    missing: int

    @classmethod
    def of(cls, features: FrameFeatures) -> "Doubt":
        """What a model's answer shows of its doubt."""
        confidence = np.nan_to_num(features.confidence, nan=0.0)
        residual = np.nan_to_num(features.residual_px, nan=1e3, posinf=1e3)
        return cls(
            float(residual.mean(axis=0).max()),
            float(confidence.mean(axis=0).min()),
            int((confidence < LEAST_CONFIDENCE).sum()),
        )


def doubtfulness(doubts: Sequence[Doubt]) -> np.ndarray:
    """How much there is to learn from each frame, in (0, 1], shape (N,): the mean of its ranks."""
    columns = [[doubt.residual_px, -doubt.confidence, float(doubt.missing)] for doubt in doubts]
    return np.mean([_ranks(np.array(column)) for column in zip(*columns, strict=True)], axis=0)


def appearance(frame: MultiViewFrame) -> np.ndarray:
    """What the images show, coarsely: thumbnails of all views, shape (V * 8 * 8 * 3,), in [0, 1]."""
    return np.concatenate([_thumbnail(view.image).ravel() for view in frame.views])


def pick(scores: np.ndarray, places: Sequence[np.ndarray], taken: Sequence[np.ndarray], count: int) -> list[int]:
    """Choose frames that are informative and unlike what is taken already and one another.

    Args:
        scores: how informative each of N frames is, in (0, 1].
        places: descriptions of the frames, each of shape (N, D_i); every one counts the same, whatever its units.
        taken: of the frames that are labelled, in the same order, each of shape (M, D_i); M may be 0.
        count: how many to choose, at most.

    Returns:
        Their indices, best first.
    """
    described = [_scaled(here, there) for here, there in zip(places, taken, strict=True)]
    here = np.concatenate([each[0] for each in described], axis=1)
    there = np.concatenate([each[1] for each in described], axis=1)
    # By doubt alone for the first, where nothing is labelled yet.
    nearest = np.full(len(here), np.inf)
    for centre in there:
        nearest = np.minimum(nearest, np.linalg.norm(here - centre, axis=1))
    candidates = scores >= np.quantile(scores, 1 - UNSURE_SHARE)
    chosen: list[int] = []
    while len(chosen) < count and candidates.any():
        distance = np.where(np.isinf(nearest), 1.0, nearest)
        best = int(np.argmax(np.where(candidates, scores * distance, -np.inf)))
        if chosen and distance[best] == 0:
            break  # only copies of what is chosen are left
        chosen.append(best)
        candidates[best] = False
        nearest = np.minimum(nearest, np.linalg.norm(here - here[best], axis=1))
    return chosen


def _ranks(values: np.ndarray) -> np.ndarray:
    """Share of the frames that are no larger, in (0, 1]; equal values share a rank."""
    return np.asarray(np.searchsorted(np.sort(values), values, side="right") / len(values))


def _scaled(here: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both in units in which two random frames are about 1 apart."""
    here, there = here.reshape(len(here), -1), there.reshape(len(there), here.reshape(len(here), -1).shape[1])
    spread = np.sqrt(2 * here.var(axis=0).sum())
    scale = 1 / spread if spread > 1e-12 else 0.0
    return scale * here, scale * there


def _thumbnail(image: np.ndarray) -> np.ndarray:
    rows = np.array_split(image.astype(np.float32) / 255, THUMBNAIL, axis=0)
    return np.stack([[part.mean(axis=(0, 1)) for part in np.array_split(row, THUMBNAIL, axis=1)] for row in rows])
