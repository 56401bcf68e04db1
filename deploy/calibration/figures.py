"""Figures of the report: what each camera saw and what is left of it, how the board leaned, the error in space."""

import math
from typing import TYPE_CHECKING

import numpy as np

from deploy.report.charts import bare_axes, inline_svg
from deploy.report.palette import LIGHT
from s3k_dist.calibration.quality import REGION_CORNERS, REGIONS, CameraQuality, ErrorMap
from s3k_dist.calibration.solve import Solution

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Rectangle

MAX_DOTS = 1500  # corners in a picture; more only make the page heavy
BAD_PX = 0.5  # residual of a region that is drawn in full colour
BIAS_TIMES = 0.5  # of a region's width for a bias of BAD_PX
GOOD, POOR = "#d8e8ef", "#e9a26b"
DASHED = (0, (4, 3))


def camera_svg(solution: Solution, name: str, quality: CameraQuality) -> str:
    """The image's regions with their residual and bias, and where corners were seen."""
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    camera = solution.cameras[name]
    width, height = camera.width_px, camera.height_px
    figure = Figure(figsize=(4.8, 4.8 * height / width))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    figure.patch.set_alpha(0)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), aspect="equal")
    axes.axis("off")
    shades = LinearSegmentedColormap.from_list("residual", [GOOD, POOR])
    cell = np.array([width, height]) / REGIONS
    for row in range(REGIONS):
        for column in range(REGIONS):
            corner = np.array([column, row]) * cell - 0.5
            empty = quality.region_corners[row, column] < REGION_CORNERS
            value = quality.region_px[row, column]
            colour = "#ffffff" if empty else shades(min(value / BAD_PX, 1.0))
            hatch = "////" if empty else None
            axes.add_patch(_rectangle(corner, cell, colour, hatch))
    pixels = np.concatenate([view.pixels for view in solution.sightings.of_camera(name)])
    dots = pixels[:: -(-len(pixels) // MAX_DOTS)]
    axes.plot(dots[:, 0], dots[:, 1], ".", color="#0a6c9e", markersize=1.6, alpha=0.35)
    for row in range(REGIONS):
        for column in range(REGIONS):
            middle = (np.array([column, row]) + 0.5) * cell - 0.5
            empty = quality.region_corners[row, column] < REGION_CORNERS
            text = "no board" if empty else f"{quality.region_px[row, column]:.2f}"
            axes.text(
                float(middle[0]), float(middle[1]), text, ha="center", va="center", size=11, color="#1d2026",
                bbox={"facecolor": "#ffffff", "alpha": 0.75, "linewidth": 0, "pad": 2},
            )  # fmt: skip
            if not empty:
                bias = quality.region_bias_px[row, column] / BAD_PX * BIAS_TIMES * cell[0]
                start = middle + np.array([0, 0.3 * cell[1]])
                axes.annotate("", start + bias, start, arrowprops={"arrowstyle": "-|>", "color": "#c2570c", "lw": 1.4})
    return inline_svg(figure, f"{name}: residual in each region of the image, pixels")


def leaning_svg(name: str, quality: CameraQuality) -> str:
    """The board's normal in each image: the middle is a board that faces the camera."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle

    figure = Figure(figsize=(2.9, 2.9))
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.96))
    figure.patch.set_alpha(0)
    axes.set(xlim=(-0.95, 0.95), ylim=(0.95, -0.95), aspect="equal")
    axes.axis("off")
    for degrees in (20, 40, 60):
        radius = math.sin(math.radians(degrees))
        axes.add_patch(Circle((0, 0), radius, fill=False, edgecolor=LIGHT["line"], linewidth=1))
        axes.text(0, -radius, f"{degrees}°", ha="center", va="center", size=8.5, color=LIGHT["muted"])
    axes.plot(quality.leanings[:, 0], quality.leanings[:, 1], "o", color=LIGHT["truth"], markersize=5, alpha=0.8)
    axes.plot(0, 0, "+", color=LIGHT["muted"], markersize=8)
    return inline_svg(figure, f"{name}: how the board leaned")


def error_svg(solution: Solution, expected: ErrorMap) -> str:
    """Seen from above, at three heights: the expected error of a keypoint, and the calibration's part of it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.4, 6.6))
    heights = expected.calibration_mm.shape[2]
    chosen = (0, heights // 2, heights - 1)
    zs = np.linspace(expected.low_m[2], expected.high_m[2], heights)
    rows = (
        (expected.total_mm, f"a keypoint found to {expected.detection_px:g} px"),
        (expected.calibration_mm, "the calibration's part"),
    )
    for row, (values, title) in enumerate(rows):
        known = values[np.isfinite(values)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
        for column, level in enumerate(chosen):
            axes = figure.add_subplot(2, 3, 3 * row + column + 1)
            _slice(axes, values[:, :, level], expected, low, high)
            axes.set_title(f"{title}\nat z = {100 * zs[level]:.0f} cm", size=10.5, color=LIGHT["ink"], loc="left")
            _cameras(axes, solution, expected)
    figure.subplots_adjust(hspace=0.42, wspace=0.3)
    return inline_svg(figure, "Expected error over the workspace, millimetres")


def _slice(axes: "Axes", values: np.ndarray, expected: ErrorMap, low: float, high: float) -> None:
    bare_axes(axes)
    axes.grid(visible=False)
    x, y = (np.linspace(100 * expected.low_m[i], 100 * expected.high_m[i], values.shape[i]) for i in (0, 1))
    shown = np.ma.masked_invalid(values.T)
    mesh = axes.contourf(x, y, shown, levels=np.linspace(low * 0.999, high * 1.001 + 1e-9, 9), cmap="cividis_r")
    mesh.set_edgecolor("face")
    inside = [(i, j) for i in (1, values.shape[0] // 2, -2) for j in (1, values.shape[1] // 2, -2)]
    for i, j in inside:
        if np.isfinite(values[i, j]):
            axes.text(
                x[i], y[j], _millimetres(values[i, j]), ha="center", va="center", size=9, color="#1d2026",
                bbox={"facecolor": "#ffffff", "alpha": 0.7, "linewidth": 0, "pad": 1.5},
            )  # fmt: skip
    axes.set_aspect("equal")
    room = 0.16 * (x[-1] - x[0])
    axes.set(xlim=(x[0] - room, x[-1] + room), ylim=(y[0] - room, y[-1] + room))
    axes.set_xlabel("x, cm", loc="right")
    axes.set_ylabel("y, cm")


def _cameras(axes: "Axes", solution: Solution, expected: ErrorMap) -> None:
    """A name at the side on which each camera stands."""
    middle = (expected.low_m + expected.high_m)[:2] / 2
    half = (expected.high_m - expected.low_m)[:2] / 2
    for name, camera in solution.cameras.items():
        towards = (camera.centre_m[:2] - middle) / half
        at = 100 * (middle + 1.17 * half * towards / max(float(np.abs(towards).max()), 1e-9))
        axes.text(float(at[0]), float(at[1]), name, ha="center", va="center", size=8.5, color="#ffffff",
                  bbox={"facecolor": "#1d2026", "alpha": 0.75, "linewidth": 0, "pad": 1.5})  # fmt: skip


def _millimetres(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _rectangle(corner: np.ndarray, size: np.ndarray, colour: object, hatch: str | None) -> "Rectangle":
    from matplotlib.patches import Rectangle

    return Rectangle(
        (corner[0], corner[1]), size[0], size[1], facecolor=colour, edgecolor="#ffffff" if hatch is None else "#c9c4ba",
        linewidth=1.5, hatch=hatch,
    )  # fmt: skip
