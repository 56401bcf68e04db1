"""All views in one picture, as a person wants to see them: named, and for focusing with sharpness and histogram."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from deploy.cameras.sharpness import BINS, Focus

# As on the control page.
PAPER, CARD, INK, MUTED, LINE = "#14161a", "#1c1f25", "#eceae5", "#a0a5af", "#343941"
BLUE, GOOD, LOST = "#5cc1f0", "#62c370", "#f5a45d"
CHANNELS = ("#ff6b5e", "#62c370", "#5c9cf0")
VIEW_PX, GAP_PX, HEAD_PX, FOCUS_PX, PAD_PX = 400, 14, 40, 124, 14
SHARP = 0.97  # of the best so far: as good as it gets
CLIPPED = 0.01  # of the pixels
LARGE, SMALL = ImageFont.load_default(size=17), ImageFont.load_default(size=14)


@dataclass(frozen=True, eq=False)
class Tile:
    """One camera.

    Attributes:
        name: in the rig.
        serial: its number.
        image: RGB uint8, its newest; None before the first.
        note: why there is none now; empty if there is.
        focus: of the image; None where nobody focuses.
        best: its best sharpness so far.
    """

    name: str
    serial: str
    image: np.ndarray | None
    note: str = ""
    focus: Focus | None = None
    best: float = 0.0


def mosaic(tiles: Sequence[Tile]) -> np.ndarray:
    """The picture, RGB uint8; as nearly square as the tiles allow."""
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    height = HEAD_PX + VIEW_PX + (FOCUS_PX if any(tile.focus for tile in tiles) else 0)
    size = GAP_PX + columns * (VIEW_PX + GAP_PX), GAP_PX + rows * (height + GAP_PX)
    picture = Image.new("RGB", size, PAPER)
    for index, tile in enumerate(tiles):
        left = GAP_PX + index % columns * (VIEW_PX + GAP_PX)
        top = GAP_PX + index // columns * (height + GAP_PX)
        _draw(picture, tile, left, top, height)
    return np.asarray(picture)


def _draw(picture: Image.Image, tile: Tile, left: int, top: int, height: int) -> None:
    draw = ImageDraw.Draw(picture, "RGBA")
    draw.rounded_rectangle((left, top, left + VIEW_PX - 1, top + height - 1), 10, CARD, LINE)
    middle = top + HEAD_PX // 2
    draw.text((left + PAD_PX, middle), tile.name, INK, LARGE, anchor="lm")
    draw.text((left + VIEW_PX - PAD_PX, middle), tile.serial, MUTED, SMALL, anchor="rm")
    if tile.image is not None:
        _paste(picture, tile.image, left, top + HEAD_PX)
        named = left + PAD_PX + draw.textlength(tile.name, LARGE) + 10
        draw.text((named, middle + 1), f"{tile.image.shape[1]} x {tile.image.shape[0]}", MUTED, SMALL, anchor="lm")
    if tile.note:
        _note(draw, tile.note, left, top + HEAD_PX)
    if tile.focus is not None:
        _sharpness(draw, tile.focus.sharpness, tile.best, left + PAD_PX, top + HEAD_PX + VIEW_PX + 10)
        _histogram(picture, tile.focus, left + PAD_PX, top + HEAD_PX + VIEW_PX + 56, 54)


def _paste(picture: Image.Image, image: np.ndarray, left: int, top: int) -> None:
    """As large as fits, pixels shown as they are where they are enlarged."""
    scale = VIEW_PX / max(image.shape[:2])
    size = max(1, round(scale * image.shape[1])), max(1, round(scale * image.shape[0]))
    resampling = (
        Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    )
    shown = Image.fromarray(image).resize(size, resampling)
    picture.paste(shown, (left + (VIEW_PX - size[0]) // 2, top + (VIEW_PX - size[1]) // 2))


def _note(draw: ImageDraw.ImageDraw, note: str, left: int, top: int) -> None:
    """Over what was seen last, so that nobody takes that for now."""
    draw.rectangle((left, top, left + VIEW_PX - 1, top + VIEW_PX - 1), (20, 22, 26, 200))
    lines, line = [], ""
    for word in note.split():
        if line and draw.textlength(f"{line} {word}", LARGE) > VIEW_PX - 4 * PAD_PX:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    text = "\n".join([*lines, line])
    draw.multiline_text(
        (left + VIEW_PX // 2, top + VIEW_PX // 2), text, LOST, LARGE, anchor="mm", align="center", spacing=8
    )


def _sharpness(draw: ImageDraw.ImageDraw, sharpness: float, best: float, left: int, top: int) -> None:
    share = sharpness / best if best else 1.0
    right, colour = left + VIEW_PX - 2 * PAD_PX, GOOD if share >= SHARP else BLUE
    draw.text((left, top + 9), f"sharpness {sharpness:,.1f}", INK, SMALL, anchor="lm")
    draw.text((right, top + 9), f"{share:.0%} of its best, {best:,.1f}", colour, SMALL, anchor="rm")
    full = 0.94 * (right - left)  # the best is a mark within the bar
    draw.rounded_rectangle((left, top + 22, right, top + 34), 6, PAPER)
    draw.rounded_rectangle((left, top + 22, left + max(12.0, full * share), top + 34), 6, colour)
    draw.rectangle((left + full - 1, top + 18, left + full + 1, top + 38), INK)


def _histogram(picture: Image.Image, focus: Focus, left: int, top: int, height: int) -> None:
    """Red, green and blue over one another; a root, so that the few dark and bright pixels can be seen."""
    width = VIEW_PX - 2 * PAD_PX
    draw = ImageDraw.Draw(picture, "RGBA")
    draw.rectangle((left, top, left + width, top + height), PAPER)
    # One flat background must not press everything else down.
    most = max(float(np.sort(focus.histogram, axis=None)[-6]), 1e-6)
    for shares, colour in zip(focus.histogram, CHANNELS, strict=True):
        heights = height * np.sqrt(np.minimum(shares / most, 1.0))
        points = [(left + width * bin_ / (BINS - 1), top + height - value) for bin_, value in enumerate(heights)]
        layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
        ImageDraw.Draw(layer).polygon([(left, top + height), *points, (left + width, top + height)], f"{colour}70")
        picture.paste(layer, (0, 0), layer)
        draw.line(points, colour, 1)
    for share, what, x, anchor in (
        (focus.black, "black", left + 4, "la"),
        (focus.white, "white", left + width - 4, "ra"),
    ):
        if share > 0:
            colour = LOST if share > CLIPPED else MUTED
            text = f"{share:.1%} {what}"
            draw.text((x, top + 3), text, colour, SMALL, anchor=anchor, stroke_width=3, stroke_fill=PAPER)
