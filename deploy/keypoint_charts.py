"""Charts of an evaluation: error under a growing patch, and how much of the truth the covariances hold."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deploy.report.charts import INCHES, bare_axes, inline_svg
from deploy.report.palette import LIGHT
from learners.keypoint.calibration import Reliability
from learners.keypoint.robustness import OcclusionError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DASHED = (0, (4, 3))


def occlusion_svg(curve: Sequence[OcclusionError]) -> str:
    """Median (solid) and 95th percentile (dashed) over the side of the patch, logarithmic, as an ``<svg>`` element."""
    from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

    figure, axes = _axes()
    shares = [point.share for point in curve]
    highest = max(error.p95_mm for point in curve for error in (point.one_view, point.all_views))
    lowest = max(1e-3, min(error.median_mm for point in curve for error in (point.one_view, point.all_views)))
    for colour, errors in (
        ("claim", [point.all_views for point in curve]),
        ("truth", [point.one_view for point in curve]),
    ):
        medians, high = [error.median_mm for error in errors], [error.p95_mm for error in errors]
        axes.plot(shares, high, color=LIGHT[colour], linewidth=1.2, linestyle=DASHED)
        axes.plot(shares, medians, color=LIGHT[colour], linewidth=2, marker="o", markersize=4.5)
    axes.set_yscale("log")
    axes.set_ylim(lowest / 1.3, highest * 1.3)
    # Matplotlib's own ticks leave a range of about a decade with one number.
    steps = [digit * 10.0**power for power in range(-3, 7) for digit in (1, 2, 5)]
    axes.set_yticks([step for step in steps if lowest / 1.3 <= step <= highest * 1.3])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xticks(shares)
    axes.set_xlim(-0.01, shares[-1] + 0.01)
    axes.set_xlabel("side of the patch, of the image's side", loc="right")
    axes.set_ylabel("3-D error, mm")
    return inline_svg(figure, "3-D error as a patch over the object grows")


def reliability_svg(found: Reliability) -> str:
    """Share of the truth held over the share promised, as an ``<svg>`` element."""
    from matplotlib.ticker import PercentFormatter

    figure, axes = _axes()
    axes.axvspan(0.895, 0.905, color=LIGHT["band"], linewidth=0, zorder=-10)
    axes.plot([0, 1], [0, 1], color=LIGHT["muted"], linewidth=1.2, linestyle=DASHED)
    promised = [level / 100 for level in found.held]
    axes.plot(promised, list(found.held.values()), color=LIGHT["truth"], linewidth=2, marker="o", markersize=3.5)
    axes.plot(0.9, found.coverage_90, "o", color=LIGHT["truth"], markersize=9)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.set_xticks([0.1, 0.3, 0.5, 0.7, 0.9])
    axes.set_xlabel("the ellipsoid should hold", loc="right")
    axes.set_ylabel("it holds")
    return inline_svg(figure, "Share of the truth that the covariances hold")


def _axes() -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=INCHES)
    axes = figure.add_subplot()
    bare_axes(axes)
    return figure, axes
