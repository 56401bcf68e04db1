"""``index.html`` of an evaluation: one page that holds everything and works offline."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from deploy.keypoint_charts import occlusion_svg, reliability_svg
from deploy.keypoint_frames import EvaluatedFrame
from deploy.report.facts import Headline
from deploy.report.palette import DARK, KEYPOINTS_ON_IMAGES, LIGHT, style_sheet_variables
from learners.keypoint.calibration import Reliability
from learners.keypoint.evaluation import KeypointMetrics
from learners.keypoint.robustness import CorruptedViewError, OcclusionError, ViewCountError

INDEX_FILE = "index.html"
TARGET_RATIO = 1.5
TARGET_COVERAGE = (0.85, 0.95)


@dataclass(frozen=True)
class DatasetEvaluation:
    """All that was measured of one model on one data set.

    Attributes:
        weights: folder of the registry.
        model_version: in it.
        data: folder of the data set.
        labels: ``held_out``, or ``all`` where none is held out.
        image_px: side of the images.
        keypoints: names, in the order of the model.
        metrics: accuracy.
        by_view_count: accuracy with fewer views.
        reliability: of the covariances.
        robustness_frames: how many of the frames the rest was measured on.
        one_view_corrupted: by kind of corruption; empty for two views.
        occlusion: error as a patch grows.
    """

    weights: str
    model_version: int
    data: str
    labels: str
    image_px: int
    keypoints: tuple[str, ...]
    metrics: KeypointMetrics
    by_view_count: dict[int, ViewCountError]
    reliability: Reliability
    robustness_frames: int
    one_view_corrupted: dict[str, CorruptedViewError]
    occlusion: list[OcclusionError]


def page(found: DatasetEvaluation, shown: Sequence[EvaluatedFrame]) -> str:
    """The page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("deploy"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["digits"] = _digits
    return environment.get_template("keypoints.html").render(
        found=found,
        metrics=found.metrics,
        headlines=_headlines(found),
        views=max(found.by_view_count),
        frames=shown,
        occlusion_svg=occlusion_svg(found.occlusion),
        reliability_svg=reliability_svg(found.reliability),
        light=style_sheet_variables(LIGHT),
        dark=style_sheet_variables(DARK),
        keypoint_colours=KEYPOINTS_ON_IMAGES,
    )


def _headlines(found: DatasetEvaluation) -> list[Headline]:
    metrics = found.metrics
    headlines = [
        Headline(
            _digits(metrics.median_mm),
            "mm",
            f"median 3-D error; one keypoint in twenty is off by more than {_digits(metrics.p95_mm)} mm",
        ),
        Headline(
            _digits(metrics.rms_px),
            "px",
            f"RMS of the detections, in images {found.image_px} px wide; "
            f"{_digits(metrics.rms_reprojected_px)} px once the views agree on a point",
        ),
        Headline(
            f"{100 * found.reliability.coverage_90:.0f}",
            "%",
            "of the truth lies in the ellipsoids that should "
            f"hold 90%; {TARGET_COVERAGE[0]:.0%} to {TARGET_COVERAGE[1]:.0%} is the target",
        ),
    ]
    if found.one_view_corrupted:
        worst = max(error.ratio for error in found.one_view_corrupted.values())
        views = max(found.by_view_count)
        headlines.append(
            Headline(
                f"{worst:.2f}",
                "×",
                f"the clean error with one view of {views} corrupted; at most {TARGET_RATIO:g} is the target",
            )
        )
    return headlines


def _digits(value: float) -> str:
    """Three digits that mean something; a dash for what could not be measured."""
    if math.isnan(value):
        return "–"
    return f"{value:#.3g}" if value < 100 else f"{value:.0f}"
