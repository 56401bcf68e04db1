"""The charts of a run, as data: a page draws them, here it says which series they are of."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.run_log import METRICS_FILE
from deploy.web.follow import Bucket, FollowedSeries

POINTS = 240  # of a curve: more than a chart of this size can show


@dataclass(frozen=True)
class ChartOf:
    """One chart.

    Attributes:
        key: its name.
        title: as a person reads it.
        unit: of its values; "%" of shares, which are drawn from 0 to 100.
        series: name in ``metrics.jsonl``, and what its line is called.
        by: how values that are close in time are drawn as one.
        limit: a value that should not be passed; None for none.
    """

    key: str
    title: str
    unit: str
    series: tuple[tuple[str, str], ...]
    by: Bucket = "mean"
    limit: float | None = None


CHARTS = (
    ChartOf(
        "success", "Success", "%", (("policy/success_rate", "by truth"), ("policy/claimed_rate", "by its own claim"))
    ),
    ChartOf(
        "error",
        "Keypoint error",
        "mm",
        (("keypoints/visited_median_mm", "where the agent goes"), ("keypoints/median_mm", "held out")),
    ),
    ChartOf(
        "drift",
        "Drift",
        "of the alarm's threshold",
        (("drift/residual", "residual"), ("drift/confidence", "confidence"), ("drift/missing", "missing")),
        "worst",
        1.0,
    ),
    ChartOf("latency", "Latency of the service", "ms", (("service/p50_ms", "median"), ("service/p99_ms", "p99"))),
)
OTHERS = (
    "stream/frames",
    "policy/env_steps",
    "policy/replay_size",
    "policy/replay_drawable",
    "policy/replay_demonstrations",
    "policy/policy_lag_mean",
)


def series_of(root: Path) -> FollowedSeries:
    """All series that a page shows of the run at ``root``."""
    return FollowedSeries(root / METRICS_FILE, {*OTHERS, *(name for chart in CHARTS for name, _ in chart.series)})


def drawn_charts(series: FollowedSeries) -> list[dict[str, Any]]:
    """Each chart with its lines; one without values has none."""
    return [
        {
            "key": chart.key,
            "title": chart.title,
            "unit": chart.unit,
            "limit": chart.limit,
            "lines": [
                {"name": said, "points": points}
                for name, said in chart.series
                if (points := series.curve(name, POINTS, chart.by))
            ],
        }
        for chart in CHARTS
    ]
