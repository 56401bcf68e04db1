"""Parts that the experiments' pages share: tables, figures in the report's colours."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, NullLocator

from experiments.grid import Results
from s3k_dist.atomic import write_atomic
from s3k_dist.folders import make_folder

mpl.use("Agg")
IMAGES = Path("docs/images")
NAMED = 4  # of the cells that are missing
SERIES = ("#0a6c9e", "#c2570c", "#7a4fa3", "#3f7d3a", "#8a6d1f", "#666b75")


def page_of(page: Path, preset: str) -> Path:
    """Where the page of a preset goes: one that only tries whether everything works does not replace the real one."""
    return page.with_stem(f"{page.stem}_{preset}") if preset == "smoke" else page


def number(value: float | None, form: str = "{:.2f}") -> str:
    """A table's cell; a dash where there is nothing yet."""
    return "–" if value is None else form.format(value)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def axes(width: float = 6.4, height: float = 4.0) -> tuple[Figure, Axes]:
    """An empty plot in the house's look."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    plot = figure.add_subplot()
    plot.spines[["top", "right"]].set_visible(False)
    plot.grid(color="#e6e2da", linewidth=0.8)
    plot.set_axisbelow(True)
    return figure, plot


def line(plot: Axes, points: Iterable[tuple[float, float | None]], style: str, colour: str, label: str) -> None:
    """Draw a line through the points that are known; none where nothing is."""
    known = [(x, y) for x, y in points if y is not None]
    if known:
        plot.plot(*zip(*known, strict=True), style, color=colour, label=label)


def log_axes(plot: Axes, ticks: Sequence[float]) -> None:
    """Logarithmic both ways, with plain numbers: every tick across, a few up."""
    plot.set(xscale="log", yscale="log")
    plot.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    plot.xaxis.set_minor_locator(NullLocator())
    for axis in (plot.yaxis.set_major_formatter, plot.yaxis.set_minor_formatter):
        axis(FormatStrFormatter("%g"))


def save(figure: Figure, name: str) -> str:
    """Write ``docs/images/<name>.png``; returns the Markdown that shows it."""
    make_folder(IMAGES)
    data = io.BytesIO()
    figure.savefig(data, dpi=150, format="png")
    write_atomic(IMAGES / f"{name}.png", data.getvalue())
    return f"![{name.replace('_', ' ')}](../images/{name}.png)"


def foot(results: Results, command: str) -> str:
    """How the page was made, on what, and what is missing."""
    machines = sorted({str(cell["machine"]) for cell in results.cells.values()})
    on_cpu = all("no GPU" in machine for machine in machines)
    text = (
        f"Made by `{command}`; numbers are not edited. Machine: {'; '.join(machines)}. Trainings: {len(results.cells)}"
    )
    of_core = [spent for name in results.cells if (spent := results.core_minutes(name)) is not None]
    minutes = of_core if on_cpu else [float(cell["training_s"]) / 60 for cell in results.cells.values()]
    if minutes:
        text += f", of {min(minutes):.0f} to {max(minutes):.0f} minutes {'of one core' if on_cpu else 'each'}"
    text += "."
    if 0 < len(results.missing) <= NAMED:
        text += f" Not run: {', '.join(results.missing)}."
    elif results.missing:
        text += f" Not run: {len(results.missing)} more (`--list` names them)."
    return text


def pixels_at_400(value: float | None, size_px: int) -> float | None:
    """An error in pixels as it would be in the paper's 400 px images."""
    return None if value is None else value * 400 / size_px
