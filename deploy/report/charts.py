"""Charts of a run over time: drawn by matplotlib, as SVG that takes its colours and type from the page around it."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deploy.report.palette import LIGHT
from deploy.run_log import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INCHES = (7.4, 3.3)
SMALL_INCHES = (3.5, 1.7)
# Points beyond what a screen resolves only make the page heavy.
MAX_POINTS = 600


@dataclass(frozen=True)
class Line:
    """One curve, or one level across the chart.

    Attributes:
        name: what the legend calls it.
        colour: a name of the palette.
        series: the curve; None for a level.
        level: the height of the level.
        dashed: for what is there to compare with.
    """

    name: str
    colour: str
    series: Series | None = None
    level: float | None = None
    dashed: bool = False


@dataclass(frozen=True)
class Chart:
    """A chart of the report.

    Attributes:
        title: what it shows.
        unit: of the values, as the axis says it.
        lines: what is in it.
        logarithmic: for values that fall by orders of magnitude.
        percent: for shares in [0, 1].
    """

    title: str
    unit: str
    lines: tuple[Line, ...]
    logarithmic: bool = False
    percent: bool = False

    @property
    def empty(self) -> bool:
        """Whether there is no curve to draw."""
        return not any(line.series is not None and np.isfinite(line.series.value).any() for line in self.lines)


@dataclass(frozen=True)
class PhaseSpan:
    """A phase of the run: name, begin and end in seconds."""

    name: str
    begin_s: float
    end_s: float


def charts(series: dict[str, Series], cloned_success: float | None) -> list[Chart]:
    """The main charts, those that have something to show."""

    def line(name: str, label: str, colour: str, *, dashed: bool = False) -> Line:
        return Line(label, colour, series.get(name), dashed=dashed)

    def present(*lines: Line) -> tuple[Line, ...]:
        return tuple(line for line in lines if line.series is not None or line.level is not None)

    found = [
        Chart(
            "Insertions that succeed",
            "of the last 50 training episodes",
            present(
                line("policy/success_rate", "by the simulator's truth", "truth"),
                line("policy/claimed_rate", "as the keypoints claim", "claim", dashed=True),
                Line("demonstrations cloned, held out", "other", level=cloned_success, dashed=True),
                Line("the paper's final rate, 95%", "muted", level=0.95, dashed=True),
            ),
            percent=True,
        ),
        Chart(
            "Keypoint error",
            "median, mm",
            present(
                line("keypoints/median_mm", "on held-out frames", "truth"),
                line("keypoints/visited_median_mm", "where the agent goes", "claim"),
            ),
            logarithmic=True,
        ),
        Chart(
            "Feature service, one frame of four views",
            "ms",
            present(line("service/p50_ms", "median", "truth"), line("service/p99_ms", "99 of 100 are faster", "claim")),
        ),
        Chart(
            "Losses of the keypoint model",
            "nats",
            present(
                line("keypoints/supervised_loss", "labelled frames", "truth"),
                line("keypoints/unsupervised_loss", "unlabelled frames", "claim"),
            ),
            logarithmic=True,
        ),
    ]
    return [chart for chart in found if not chart.empty]


def phase_spans(series: dict[str, Series], names: Sequence[str]) -> list[PhaseSpan]:
    """The phases as logged under ``phase``; unnamed indices keep a number."""
    if "phase" not in series:
        return []
    log = series["phase"]
    last_s = max(float(each.t_s[-1]) for each in series.values())
    ends_s = [*log.t_s[1:], last_s]
    spans = []
    for value, begin_s, end_s in zip(log.value, log.t_s, ends_s, strict=True):
        index = int(value) if np.isfinite(value) else -1
        name = names[index] if 0 <= index < len(names) else ""
        spans.append(PhaseSpan(name, float(begin_s), float(end_s)))
    return spans


def chart_svg(chart: Chart, spans: Sequence[PhaseSpan] = (), inches: tuple[float, float] = INCHES) -> str:
    """The chart as an ``<svg>`` element for inlining."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=inches)
    draw_chart(figure.add_subplot(), chart, spans)
    return inline_svg(figure, chart.title)


def small_svg(name: str, series: Series) -> str:
    """A sparkline with its range, for whatever else was logged."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SMALL_INCHES)
    axes = figure.add_subplot()
    bare_axes(axes)
    _curve(axes, Line(name, "truth", series))
    axes.locator_params(axis="y", nbins=3)
    axes.locator_params(axis="x", nbins=4)
    return inline_svg(figure, name)


def draw_chart(axes: "Axes", chart: Chart, spans: Sequence[PhaseSpan] = ()) -> None:
    """Draw on axes of any figure, in the light palette."""
    from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

    bare_axes(axes)
    for line in chart.lines:
        _curve(axes, line)
    curves = [line.series for line in chart.lines if line.series is not None]
    begin_s, end_s = min(curve.t_s[0] for curve in curves), max(curve.t_s[-1] for curve in curves)
    values = np.concatenate([curve.value for curve in curves])
    lowest, highest = float(np.nanmin(values)), float(np.nanmax(values))
    _bands(axes, spans, begin_s, end_s)
    axes.set_xlim(begin_s / 60, max(end_s, begin_s + 1) / 60)
    axes.set_xlabel("minutes", loc="right")
    axes.set_ylabel(chart.unit)
    if chart.percent:
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    elif chart.logarithmic and lowest > 0:
        axes.set_yscale("log")
        axes.set_ylim(lowest * 0.9, highest * 1.15)
        # Matplotlib's own ticks leave a range of less than a decade with one number or none.
        steps = [digit * 10.0**power for power in range(-9, 10) for digit in (1, 2, 5)]
        axes.set_yticks([step for step in steps if lowest * 0.9 <= step <= highest * 1.15])
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.set_ylim(bottom=0)


def _curve(axes: "Axes", line: Line) -> None:
    colour, width = LIGHT[line.colour], 1.2 if line.dashed else 2.0
    style = (0, (4, 3)) if line.dashed else "-"
    if line.series is not None:
        stride = -(-len(line.series.t_s) // MAX_POINTS)
        minutes, values = line.series.t_s[::stride] / 60, line.series.value[::stride]
        axes.plot(minutes, values, color=colour, linewidth=width, linestyle=style, solid_capstyle="round")
    elif line.level is not None:
        axes.axhline(line.level, color=colour, linewidth=width, linestyle=style)


def _bands(axes: "Axes", spans: Sequence[PhaseSpan], begin_s: float, end_s: float) -> None:
    """Every second phase shaded; a name where it has room."""
    shown = [span for span in spans if span.end_s > begin_s and span.begin_s < end_s]
    for index, span in enumerate(shown):
        left_s, right_s = max(span.begin_s, begin_s), min(span.end_s, end_s)
        if index % 2:
            axes.axvspan(left_s / 60, right_s / 60, color=LIGHT["band"], linewidth=0, zorder=-10)
        if (right_s - left_s) / max(end_s - begin_s, 1) > 0.014 * len(span.name) + 0.02:
            middle = (left_s + right_s) / 120
            axes.text(
                middle,
                1.03,
                span.name,
                transform=axes.get_xaxis_transform(),
                ha="center",
                color=LIGHT["muted"],
                size=9.5,
            )


def bare_axes(axes: "Axes") -> None:
    """Axes without a box: a faint grid carries the eye, the numbers do the rest."""
    axes.figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(LIGHT["line"])
    axes.grid(axis="y", color=LIGHT["line"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0, colors=LIGHT["muted"], labelsize=10.5)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=LIGHT["muted"], size=10.5)


def inline_svg(figure: "Figure", title: str) -> str:
    """Render; colours become the page's variables, type is the page's, and no id is left that another chart has too."""
    import matplotlib as mpl

    target = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        figure.savefig(target, format="svg", bbox_inches="tight", pad_inches=0.03, metadata={"Date": None})
    svg = target.getvalue().decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"font-family: [^;\"]*", "font-family: inherit", svg)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)  # it would hold for the whole page
    for name, value in LIGHT.items():
        svg = svg.replace(value, f"var(--{name})")
    label = title.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    opening = re.sub(r'\s(width|height|xmlns|xmlns:xlink|version)="[^"]*"', "", svg[: svg.index(">")])
    return f'{opening} role="img" aria-label="{label}"' + svg[svg.index(">") :]
