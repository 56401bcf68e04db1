"""Heatmaps: Gaussian targets, soft-argmax with variance, and the detection weight of Eq. 5.

A heatmap has one cell for each ``stride`` x ``stride`` block of image pixels. Cell ``h`` covers the image pixels whose
centres average to ``stride * (h + 1/2) - 1/2``, so pixels and cells convert without a half-pixel slip.
"""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Sharpness = Literal["width", "mass"]


class Decoded(NamedTuple):
    """A heatmap's moments."""

    pixels: Float[Tensor, "*batch 2"]
    """Mean, image pixels."""
    deviation: Float[Tensor, "*batch"]
    """Square root of the variance along one axis, heatmap cells."""
    mass: Float[Tensor, "*batch"]
    """Probability of the part that the mean was taken over; 1 for the whole map."""


def cells_from_pixels(pixels: Tensor, stride: int) -> Tensor:
    """Image pixels to heatmap cells."""
    return (pixels + 0.5) / stride - 0.5


def pixels_from_cells(cells: Tensor, stride: int) -> Tensor:
    """Heatmap cells to image pixels."""
    return (cells + 0.5) * stride - 0.5


def gaussian_log_target(
    pixels: Float[Tensor, "*batch 2"], height: int, width: int, *, sigma: float, stride: int
) -> Float[Tensor, "*batch cells"]:
    """Logarithm of ``H_ck`` (section 3.1), normalised over the ``height * width`` cells.

    Args:
        pixels: centres, image pixels; may lie outside.
        height: cells.
        width: cells.
        sigma: width of the Gaussian, cells.
        stride: image pixels to a cell.
    """
    centre = cells_from_pixels(pixels, stride)
    across = torch.arange(width, dtype=pixels.dtype, device=pixels.device)
    down = torch.arange(height, dtype=pixels.dtype, device=pixels.device)
    row = -(across - centre[..., 0:1]).square() / (2 * sigma**2)
    column = -(down - centre[..., 1:2]).square() / (2 * sigma**2)
    # The Gaussian is separable: normalising each axis normalises the product.
    row, column = row.log_softmax(-1), column.log_softmax(-1)
    return (column[..., :, None] + row[..., None, :]).flatten(-2)


def decode(log_heatmap: Float[Tensor, "*batch cells"], height: int, width: int, *, stride: int) -> Decoded:
    """Soft-argmax over the whole map, as published (section 3.2): mean in image pixels, standard deviation in cells."""
    probability = log_heatmap.exp().unflatten(-1, (height, width))
    row, column = probability.sum(-2), probability.sum(-1)
    mean, variance = _moments(row, column)
    return Decoded(pixels_from_cells(mean, stride), variance.clamp_min(0).sqrt(), row.sum(-1))


def decode_peak(
    log_heatmap: Float[Tensor, "*batch cells"], height: int, width: int, *, sigma: float, stride: int
) -> Decoded:
    """Soft-argmax within three ``sigma`` of the peak; the deviation is still that of the whole map.

    One percent of probability on a second candidate 60 px away moves the mean of the whole map by 0.6 px. The mean near
    the peak does not notice; the deviation does, so Eq. 5 still trusts such a map less.
    """
    probability = log_heatmap.exp().unflatten(-1, (height, width))
    _, variance = _moments(probability.sum(-2), probability.sum(-1))
    peak = log_heatmap.argmax(-1)
    reach = round(3 * sigma)
    near_rows = _near(peak.div(width, rounding_mode="floor"), height, reach).to(probability.dtype)
    near_columns = _near(peak % width, width, reach).to(probability.dtype)
    # The part near the peak is only ever needed summed along an axis: two products instead of a masked copy.
    row = (near_rows[..., None, :] @ probability)[..., 0, :] * near_columns
    column = (probability @ near_columns[..., None])[..., 0] * near_rows
    mass = row.sum(-1)
    mean, _ = _moments(row / mass[..., None], column / mass[..., None])
    return Decoded(pixels_from_cells(mean, stride), variance.clamp_min(0).sqrt(), mass)


def _near(peak: Int[Tensor, "*batch"], cells: int, reach: int) -> Bool[Tensor, "*batch {cells}"]:
    """Which cells of an axis are within ``reach`` of the peak."""
    return (torch.arange(cells, device=peak.device) - peak[..., None]).abs() <= reach


def _moments(
    row: Float[Tensor, "*batch width"], column: Float[Tensor, "*batch height"]
) -> tuple[Float[Tensor, "*batch 2"], Float[Tensor, "*batch"]]:
    """Mean (u, v) in cells, and the variance along one axis, of the distribution with these marginals."""
    across = torch.arange(row.shape[-1], dtype=row.dtype, device=row.device)
    down = torch.arange(column.shape[-1], dtype=column.dtype, device=column.device)
    mean_u, mean_v = (row * across).sum(-1), (column * down).sum(-1)
    variance_u = (row * (across - mean_u[..., None]).square()).sum(-1)
    variance_v = (column * (down - mean_v[..., None]).square()).sum(-1)
    return torch.stack([mean_u, mean_v], -1), (variance_u + variance_v) / 2


def sharpness_of(decoded: Decoded, kind: Sharpness, *, sigma: float) -> Float[Tensor, "*batch"]:
    """Weight of detections in Eq. 2, in (0, 1].

    Args:
        decoded: what was read from their heatmaps.
        kind: ``width`` of the whole map, as published (Eq. 5), or ``mass`` near the peak. With a narrow target a stray
            percent of probability far away is too wide for Eq. 5, and says little about the peak.
        sigma: width of the target Gaussian, cells.
    """
    return decoded.mass if kind == "mass" else detection_weight(decoded.deviation, sigma=sigma)


def detection_weight(deviation: Float[Tensor, "*batch"], *, sigma: float) -> Float[Tensor, "*batch"]:
    """Eq. 5: falls as a heatmap grows wider than about twice the target's ``sigma``, never to zero."""
    return torch.sigmoid(3 * torch.tanh(5 * (1 - deviation / 2 / sigma)))
