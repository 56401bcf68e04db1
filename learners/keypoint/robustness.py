"""What becomes of the 3-D error with fewer views, with one view spoilt, and with the object covered."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from learners.keypoint.batches import LabelledFrames
from learners.keypoint.calibration import CHI2_90, squared_distance
from learners.keypoint.detections import Detections, decode_all
from learners.keypoint.evaluation import quantile
from learners.keypoint.occlusion import cover
from s3k_dist.keypoints.detector import KeypointDetector

OCCLUSION_SHARES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4)


@dataclass(frozen=True)
class ErrorMm:
    """Distribution of the 3-D error, millimetres.

    Attributes:
        median_mm: half of the keypoints are better.
        p95_mm: one in twenty is worse.
    """

    median_mm: float
    p95_mm: float


@dataclass(frozen=True)
class ViewCountError(ErrorMm):
    """Over every choice of so many views.

    Attributes:
        choices: how many there are.
        coverage_90: share of the truth in the 90% ellipsoids.
    """

    choices: int
    coverage_90: float


@dataclass(frozen=True)
class CorruptedViewError(ErrorMm):
    """With one view spoilt, each in turn.

    Attributes:
        ratio: of the median to the clean one.
        p95_ratio: of the 95th percentile to the clean one.
    """

    ratio: float
    p95_ratio: float


@dataclass(frozen=True)
class OcclusionError:
    """With a patch over the object.

    Attributes:
        share: side of the patch, in sides of the image; 0 is the clean frame.
        one_view: error with one view covered, each in turn.
        all_views: error with every view covered.
    """

    share: float
    one_view: ErrorMm
    all_views: ErrorMm


def by_view_count(detector: KeypointDetector, seen: Detections) -> dict[int, ViewCountError]:
    """The error with 2, 3, ... views, over every choice of them; by number of views."""
    found = {}
    for count in range(2, seen.views + 1):
        choices = [seen.of_views(list(views)) for views in combinations(range(seen.views), count)]
        held = torch.cat([squared_distance(detector, each) <= CHI2_90 for each in choices]).double().mean().item()
        error = _error([each.error_mm(detector) for each in choices])
        found[count] = ViewCountError(error.median_mm, error.p95_mm, len(choices), held)
    return found


def one_view_corrupted(
    detector: KeypointDetector, labelled: LabelledFrames, seen: Detections, *, seed: int = 0
) -> dict[str, CorruptedViewError]:
    """The error when one camera shows noise, nothing, or another moment; each view in turn, by kind of corruption.

    Args:
        detector: the model.
        labelled: the frames, of three views or more; of two, nothing is left to see by, and the answer is empty.
        seen: what the detector sees in them.
        seed: of the noise and of which other moment.
    """
    if seen.views < 3:
        return {}
    clean = _error([seen.error_mm(detector)])
    found = {}
    for kind, images in _corrupted(labelled.images, torch.Generator().manual_seed(seed)).items():
        error = _error(_each_view_replaced(detector, seen, _seen_in(detector, images, seen)))
        found[kind] = CorruptedViewError(
            error.median_mm, error.p95_mm, error.median_mm / clean.median_mm, error.p95_mm / clean.p95_mm
        )
    return found


def occlusion_curve(
    detector: KeypointDetector, labelled: LabelledFrames, seen: Detections, *, seed: int = 0
) -> list[OcclusionError]:
    """The error as a patch over the object grows: in one view, each in turn, and in all views.

    Args:
        detector: the model.
        labelled: the frames.
        seen: what the detector sees in them.
        seed: of what the patches show.
    """
    clean = _error([seen.error_mm(detector)])
    curve = [OcclusionError(0.0, clean, clean)]
    for share in OCCLUSION_SHARES:
        covered = _seen_in(detector, cover(labelled, share, seed=seed), seen)
        one = _error(_each_view_replaced(detector, seen, covered))
        curve.append(OcclusionError(share, one, _error([covered.error_mm(detector)])))
    return curve


def _corrupted(
    images: UInt8[Tensor, "frames views height width 3"], generator: torch.Generator
) -> Mapping[str, UInt8[Tensor, "frames views height width 3"]]:
    kinds = {
        "noise": torch.randint(0, 256, images.shape, generator=generator, dtype=torch.uint8),
        "blackout": torch.zeros_like(images),
    }
    if len(images) > 1:
        shift = int(torch.randint(1, len(images), (), generator=generator))
        kinds["another frame"] = images.roll(shift, 0)
    return kinds


def _seen_in(
    detector: KeypointDetector, images: UInt8[Tensor, "frames views height width 3"], clean: Detections
) -> Detections:
    pixels, weights = decode_all(detector, images)
    return Detections(pixels, weights, clean.cameras, clean.truth_m)


def _each_view_replaced(
    detector: KeypointDetector, seen: Detections, other: Detections
) -> list[Float[Tensor, "frames keypoints"]]:
    """Errors with one view after the other as in ``other``: views are looked at apart, so nothing is looked at anew."""
    return [seen.with_view_of(view, other).error_mm(detector) for view in range(seen.views)]


def _error(errors_mm: list[Float[Tensor, "frames keypoints"]]) -> ErrorMm:
    together = torch.cat(errors_mm)
    return ErrorMm(quantile(together, 0.5), quantile(together, 0.95))
