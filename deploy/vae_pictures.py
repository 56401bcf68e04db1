"""Pictures by which a person judges a VAE: reconstructions beside frames, and what each latent dimension moves."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deploy.report.palette import LIGHT
from learners.vae.evaluation import VaeMetrics
from learners.vae.trainer import VaeTrainer
from s3k_dist.atomic import write_atomic
from s3k_dist.embeddings.network import stacked

FRAMES_SHOWN = 4
DEVIATIONS = (-2.0, -1.0, 0.0, 1.0, 2.0)
MOVES_A_LOT = 96.0  # of 255, mean over colours: the brightest in the column of what moves
DPI, GAP_PX, WIDE_GAP_PX = 100, 4, 16
LEFT_PX, HEAD_PX, TITLES_PX, MARGIN_PX = 120, 80, 24, 16


@dataclass(frozen=True)
class Row:
    """A row of images of one size, and what stands to the left of it.

    Attributes:
        label: one line or two.
        colour: of the label, a name of the palette.
        images: uint8, shape (columns, height, width, 3).
        apart: leave more room above.
    """

    label: str
    colour: str
    images: np.ndarray
    apart: bool = False


@torch.no_grad()
def draw_reconstructions(
    trainer: VaeTrainer, images: UInt8[Tensor, "frames views height width 3"], metrics: VaeMetrics, path: Path
) -> None:
    """Write a PNG: a few held-out frames, all views side by side, each above its reconstruction.

    Raises:
        StorageError: it cannot be written.
    """
    rows = torch.linspace(0, len(images) - 1, min(FRAMES_SHOWN, len(images))).long()
    chosen = images[rows.to(images.device)]
    decoded = _bytes(trainer.decoder(trainer.encoder(stacked(chosen)).mean), chosen.shape[1])
    sheet: list[Row] = []
    for seen, made in zip(chosen.cpu().numpy(), decoded, strict=True):
        sheet += [Row("held-out\nframe", "ink", seen, apart=bool(sheet)), Row("reconstructed", "truth", made)]
    size = len(metrics.per_dimension_kl_nats)
    _draw(
        path,
        f"{size} numbers a frame, beta {trainer.config.beta:g}, {trainer.steps} steps: what they keep",
        f"{metrics.explained_variance:.1%} of the variance about the mean frame · colour values off by "
        f"{metrics.reconstruction_rmse:.1f} of 255 (RMS) · {metrics.kl_nats:.1f} nats a frame · "
        f"{metrics.active_dimensions} of {size} dimensions active",
        sheet,
        256,
    )


@torch.no_grad()
def draw_traversals(
    trainer: VaeTrainer, means: Float[Tensor, "frames latent"], metrics: VaeMetrics, path: Path
) -> None:
    """Write a PNG: a row for each dimension, by falling KL divergence, which goes from -2 to 2; the others stay.

    It shows the first view, and in the last column how much each of its pixels changes from end to end.

    Args:
        trainer: whose decoder draws.
        means: posterior means of held-out frames; the walk starts from the middle one.
        metrics: of the same.
        path: of the picture.

    Raises:
        StorageError: it cannot be written.
    """
    start, sheet = means[len(means) // 2], list[Row]()
    for dimension in np.argsort(metrics.per_dimension_kl_nats)[::-1].tolist():
        walk = start.repeat(len(DEVIATIONS), 1)
        walk[:, dimension] = torch.tensor(DEVIATIONS).to(walk)
        views = _bytes(trainer.decoder(walk), trainer.network.views)[:, 0]
        moved = np.abs(views[-1].astype(np.float32) - views[0]).mean(-1, keepdims=True)
        heat = np.clip(255 * moved / MOVES_A_LOT, 0, 255).astype(np.uint8).repeat(3, -1)
        label = f"z{dimension}\n{metrics.per_dimension_kl_nats[dimension]:.1f} nats"
        sheet.append(Row(label, "ink", np.concatenate([views, heat[None]])))
    _draw(
        path,
        f"Each of {means.shape[1]} latent dimensions, from -2 to 2",
        "the first view of a held-out frame · dimensions with most to say on top · last column: what moves",
        sheet,
        160,
        [*("0" if deviation == 0 else f"{deviation:+g}" for deviation in DEVIATIONS), "what moves"],
    )


def _bytes(planes: Float[Tensor, "frames planes height width"], views: int) -> np.ndarray:
    """What the decoder says, as images: uint8, shape (frames, views, height, width, 3)."""
    pixels = ((planes + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
    return pixels.unflatten(1, (views, 3)).movedim(2, -1).cpu().numpy()


def _draw(path: Path, title: str, text: str, sheet: Sequence[Row], wanted_px: int, columns: Sequence[str] = ()) -> None:
    """Every image at a whole multiple of its pixels, so that nothing is blurred but what the model blurred."""
    from matplotlib.figure import Figure

    side = sheet[0].images.shape[1]
    cell = side * max(1, round(wanted_px / side))
    across = len(sheet[0].images)
    tops, y = [], HEAD_PX + (TITLES_PX if columns else 0)
    for row in sheet:
        y += WIDE_GAP_PX if row.apart else 0
        tops.append(y)
        y += cell + GAP_PX
    width, height = LEFT_PX + across * (cell + GAP_PX) + MARGIN_PX, y + MARGIN_PX
    canvas = np.full((height, width, 3), 255, np.uint8)
    for row, top in zip(sheet, tops, strict=True):
        for number, image in enumerate(row.images):
            left = LEFT_PX + number * (cell + GAP_PX)
            canvas[top : top + cell, left : left + cell] = image.repeat(cell // side, 0).repeat(cell // side, 1)
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    figure.figimage(canvas)

    def write(x: float, y_px: float, words: str, colour: str, size: float, across: str = "left") -> None:
        figure.text(
            x / width, 1 - y_px / height, words, color=LIGHT[colour], fontsize=size, ha=across, va="center", wrap=False
        )

    write(MARGIN_PX, 26, title, "ink", 14)
    write(MARGIN_PX, 54, text, "muted", 10)
    for number, name in enumerate(columns):
        write(LEFT_PX + number * (cell + GAP_PX) + cell / 2, HEAD_PX + TITLES_PX / 2, name, "muted", 10, "center")
    for row, top in zip(sheet, tops, strict=True):
        write(LEFT_PX - 12, top + cell / 2, row.label, row.colour, 10, "right")
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=DPI)
    write_atomic(path, data.getvalue())
