"""Pictures by which a person judges a VAE: reconstructions beside frames, and what each latent dimension moves."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from deploy.report.palette import LIGHT
from learners.vae.evaluation import VaeMetrics
from learners.vae.trainer import VaeTrainer
from s3k_dist.atomic import write_atomic
from s3k_dist.embeddings.network import stacked

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 100
FRAMES_SHOWN = 5
DEVIATIONS = (-2.0, -1.0, 0.0, 1.0, 2.0)
GAP_PX = 3


@torch.no_grad()
def draw_reconstructions(
    trainer: VaeTrainer, images: UInt8[Tensor, "frames views height width 3"], metrics: VaeMetrics, path: Path
) -> None:
    """Write a PNG: a few held-out frames, each above its reconstruction; all views side by side.

    Raises:
        StorageError: it cannot be written.
    """
    rows = torch.linspace(0, len(images) - 1, min(FRAMES_SHOWN, len(images))).long()
    chosen = images[rows.to(images.device)]
    decoded = _bytes(trainer.decoder(trainer.encoder(stacked(chosen)).mean), chosen.shape[1])
    figure = _figure(11.0, 2.0 + 4.4 * len(rows) * 11.0 / (4 * chosen.shape[1]) / 2)
    grid = figure.subplots(2 * len(rows), 1)
    for row, (seen, made) in enumerate(zip(chosen.cpu().numpy(), decoded, strict=True)):
        for offset, (name, views) in enumerate((("frame", seen), ("reconstructed", made))):
            axes = grid[2 * row + offset]
            _show(axes, _row(views))
            axes.set_ylabel(name, color=LIGHT["ink"] if offset == 0 else LIGHT["truth"], fontsize=10)
    _head(
        figure,
        f"{len(metrics.per_dimension_kl_nats)} numbers a frame, beta {trainer.config.beta:g}: held-out frames and what "
        "is left of them",
        f"{metrics.explained_variance:.0%} of the variance about the mean frame; colour values off by "
        f"{metrics.reconstruction_rmse:.1f} of 255 (RMS); {metrics.kl_nats:.1f} nats a frame; "
        f"{metrics.active_dimensions} dimensions active",
    )
    _write(figure, path)


@torch.no_grad()
def draw_traversals(
    trainer: VaeTrainer, means: Float[Tensor, "frames latent"], metrics: VaeMetrics, path: Path
) -> None:
    """Write a PNG: a row for each dimension, by falling KL divergence, which goes from -2 to 2 standard deviations.

    The others stay at a frame's means. The first view, and in the last column how much each pixel of it moves.

    Args:
        trainer: whose decoder draws.
        means: posterior means of held-out frames; the first is where the walk starts.
        metrics: of the same.
        path: of the picture.

    Raises:
        StorageError: it cannot be written.
    """
    size = means.shape[1]
    order = np.argsort(metrics.per_dimension_kl_nats)[::-1].tolist()
    figure = _figure(1.0 + 1.45 * (len(DEVIATIONS) + 1), 1.1 + 1.45 * size)
    grid = figure.subplots(size, len(DEVIATIONS) + 1, squeeze=False)
    start = means[len(means) // 2]
    for row, dimension in zip(grid, order, strict=True):
        walk = start.repeat(len(DEVIATIONS), 1)
        walk[:, dimension] = torch.tensor(DEVIATIONS).to(walk)
        views = _bytes(trainer.decoder(walk), trainer.network.views)[:, 0]
        for axes, view in zip(row, views, strict=False):
            _show(axes, view)
        moved = np.abs(views[-1].astype(np.float32) - views[0]).mean(-1)
        row[-1].imshow(moved, cmap="magma", vmin=0, vmax=128)
        _bare(row[-1])
        row[0].set_ylabel(
            f"z{dimension}\n{metrics.per_dimension_kl_nats[dimension]:.1f} nats", color=LIGHT["ink"], fontsize=10
        )
    titles = [*(f"{deviation:+g}" if deviation else "0" for deviation in DEVIATIONS), "what moves"]
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, color=LIGHT["muted"], fontsize=10)
    _head(figure, "Each latent dimension, from -2 to 2", "the first view; dimensions with most to say on top")
    _write(figure, path)


def _bytes(planes: Float[Tensor, "frames planes height width"], views: int) -> np.ndarray:
    """What the decoder says, as images: uint8, shape (frames, views, height, width, 3)."""
    pixels = ((planes + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
    return pixels.unflatten(1, (views, 3)).movedim(2, -1).cpu().numpy()


def _row(views: np.ndarray) -> np.ndarray:
    """Images side by side, with gaps."""
    gap = np.full((views.shape[1], GAP_PX, 3), 255, np.uint8)
    return np.hstack([part for view in views for part in (view, gap)][:-1])


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, facecolor=LIGHT["card"], layout="constrained")


def _show(axes: object, image: np.ndarray) -> None:
    axes.imshow(image, interpolation="nearest")  # type: ignore[attr-defined]
    _bare(axes)


def _bare(axes: object) -> None:
    axes.set_xticks([])  # type: ignore[attr-defined]
    axes.set_yticks([])  # type: ignore[attr-defined]
    for spine in axes.spines.values():  # type: ignore[attr-defined]
        spine.set_visible(False)


def _head(figure: "Figure", title: str, text: str) -> None:
    figure.suptitle(f"{title}\n", color=LIGHT["ink"], fontsize=13, x=0.02, ha="left")
    figure.text(0.02, 1 - 0.62 / figure.get_figheight(), text, color=LIGHT["muted"], fontsize=10, ha="left")


def _write(figure: "Figure", path: Path) -> None:
    data = io.BytesIO()
    figure.savefig(data, format="png")
    write_atomic(path, data.getvalue())
