"""The board as a PDF at true size: vector graphics, with a line to measure the print by."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from s3k_dist.atomic import write_atomic
from s3k_dist.calibration.board import MARKER_SHARE, Board

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MM_PER_INCH = 25.4
RULER_BELOW_MM = 6.0  # from the pattern to the line


@dataclass(frozen=True)
class Paper:
    """A sheet, and the board that fills it.

    Attributes:
        width_mm: of the sheet, lying.
        height_mm: likewise.
        squares: across and down.
        square_mm: side of a square.
        ruler_mm: length of the line to measure.
    """

    width_mm: float
    height_mm: float
    squares: tuple[int, int]
    square_mm: float
    ruler_mm: float

    @property
    def board(self) -> Board:
        """The board on this sheet."""
        square_m = self.square_mm / 1e3
        across, down = self.squares
        return Board(squares_across=across, squares_down=down, square_m=square_m, marker_m=MARKER_SHARE * square_m)


PAPERS = {
    "a4": Paper(297.0, 210.0, (9, 6), 30.0, 200.0),
    "a3": Paper(420.0, 297.0, (13, 9), 30.0, 300.0),
    "letter": Paper(279.4, 215.9, (9, 6), 29.0, 200.0),
}


def write_pdf(path: Path, paper: Paper) -> None:
    """The sheet, to be printed at 100%.

    Raises:
        StorageError: it cannot be written.
    """
    data = io.BytesIO()
    sheet(paper).savefig(data, format="pdf", metadata={"CreationDate": None})
    write_atomic(path, data.getvalue())


def sheet(paper: Paper) -> "Figure":
    """The sheet as a figure whose only axes count in millimetres from its lower left corner."""
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    board = paper.board
    width, height = (1e3 * side for side in board.size_m)
    left = (paper.width_mm - width) / 2
    bottom = (paper.height_mm - height - RULER_BELOW_MM) / 2 + RULER_BELOW_MM
    figure = Figure(figsize=(paper.width_mm / MM_PER_INCH, paper.height_mm / MM_PER_INCH), facecolor="none")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, paper.width_mm), ylim=(0, paper.height_mm))
    axes.axis("off")
    outlines = []
    for x, y, across, up in 1e3 * board.ink_m():
        at = np.array([left + x, bottom + y])
        corners = at + np.array([[0, 0], [across, 0], [across, up], [0, up], [0, 0]])
        outlines.append(Outline(corners, closed=True))
    axes.add_patch(PathPatch(Outline.make_compound_path(*outlines), facecolor="black", linewidth=0, snap=False))
    start, ruler_y = left, bottom - RULER_BELOW_MM
    axes.plot([start, start + paper.ruler_mm], [ruler_y] * 2, color="black", linewidth=0.5, solid_capstyle="butt")
    for end in (start, start + paper.ruler_mm):
        axes.plot([end] * 2, [ruler_y - 2, ruler_y + 2], color="black", linewidth=0.5, solid_capstyle="butt")
    axes.text(
        start + paper.ruler_mm + 3,
        ruler_y,
        f"{paper.ruler_mm:g} mm: measure it. Print at 100%.",
        va="center",
        size=7,
    )
    return figure
