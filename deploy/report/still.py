"""One picture of a run for a README: an insertion in four views above how it was learned."""

import io
from pathlib import Path

import numpy as np

from actors.cell import CONTROL_PERIOD_S
from deploy.report.charts import charts, draw_chart
from deploy.report.palette import LIGHT, OUTLINE, keypoint_colour
from deploy.report.pictures import load_pictures
from deploy.run_log import read_series
from s3k_dist.atomic import write_atomic
from s3k_dist.errors import StorageError

WIDTH_PX, DPI = 1600, 160
MOMENTS = 6


def still_for_readme(folder: Path, path: Path) -> None:
    """Write a PNG, 1600 pixels wide: the filmstrip, and below it success and keypoint error over time.

    Args:
        folder: of the run.
        path: of the picture.

    Raises:
        StorageError: the run kept no film, or the picture cannot be written.
    """
    from matplotlib.figure import Figure

    pictures = load_pictures(folder)
    if "film_images" not in pictures or not len(pictures["film_images"]):
        raise StorageError(
            f"{folder} holds no film of an insertion to draw; a run keeps one when it evaluates its policy"
        )
    images = pictures["film_images"]
    moments = sorted({round(i) for i in np.linspace(0, len(images) - 1, MOMENTS)})
    views = images.shape[1]
    drawn = charts(read_series(folder), None)[:2]
    width = WIDTH_PX / DPI
    tile = (width - 0.1) / MOMENTS
    chart_height = 2.9 if drawn else 0.0
    height = 0.3 + views * tile + chart_height
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor=LIGHT["card"])
    for column, moment in enumerate(moments):
        for view in range(views):
            left, bottom = 0.05 + column * tile, height - 0.3 - (view + 1) * tile
            axes = figure.add_axes(
                (left / width, bottom / height, (tile - 0.04) / width, (tile - 0.04) / height), frameon=False
            )
            axes.set(xticks=[], yticks=[])
            axes.imshow(images[moment, view], interpolation="lanczos")
            for keypoint, (x, y) in enumerate(pictures.get("film_pixels", images[:, :, 0, :0, :2])[moment, view]):
                for colour, stroke in ((OUTLINE, 3.6), (keypoint_colour(keypoint), 1.9)):
                    axes.plot(
                        x, y, "o", markersize=8, markerfacecolor="none", markeredgecolor=colour, markeredgewidth=stroke
                    )
            # Marks outside the image must not widen it.
            axes.set(xlim=(-0.5, images.shape[3] - 0.5), ylim=(images.shape[2] - 0.5, -0.5))
            if view == 0:
                axes.set_title(f"{moment * CONTROL_PERIOD_S:.2f} s", size=9, color=LIGHT["muted"], pad=4)
    for index, chart in enumerate(drawn):
        share = 1 / len(drawn)
        axes = figure.add_axes(
            (index * share + 0.6 / width, 0.5 / height, share - 0.75 / width, (chart_height - 1.25) / height)
        )
        draw_chart(axes, chart)
        if chart.percent:
            axes.set_ylabel("")  # the scale says it
        axes.set_title(chart.title, loc="left", size=12, color=LIGHT["ink"], pad=8, fontweight="bold")
        curves = chart.lines
        for place, curve in enumerate(curves):
            above = 1.06 + 0.11 * (len(curves) - 1 - place)
            style = {"color": LIGHT[curve.colour], "size": 9}
            axes.text(1, above, curve.name, style, transform=axes.transAxes, ha="right")
    figure.patch.set_alpha(1)
    target = io.BytesIO()
    figure.savefig(target, format="png", metadata={"Software": None})
    write_atomic(path, target.getvalue())
