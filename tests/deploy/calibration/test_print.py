"""The board's PDF: true size to some hundredths of a millimetre, a line to measure it by, and it is recognised."""

import io
import re
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from deploy.calibration.print import MM_PER_INCH, PAPERS, sheet
from deploy.cli import main
from s3k_dist.calibration.board import read_board
from s3k_dist.calibration.detection import BoardDetector

MM_PER_POINT = MM_PER_INCH / 72


def drawing(pdf: bytes) -> str:
    """The page's drawing operators."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    texts = []
    for stream in streams:
        try:
            texts.append(zlib.decompress(stream).decode("latin-1"))
        except zlib.error:
            continue
    return max(texts, key=len)


@pytest.mark.parametrize("name", sorted(PAPERS))
def test_the_pdf_has_the_true_size(name: str, tmp_path: Path) -> None:
    paper = PAPERS[name]
    assert main(["calibrate", "board", "--paper", name, "--out", str(tmp_path / "board.pdf")]) == 0
    pdf = (tmp_path / "board.pdf").read_bytes()
    page = re.search(rb"/MediaBox \[ *0 0 ([\d.]+) ([\d.]+) *\]", pdf)
    assert page is not None
    assert [float(side) * MM_PER_POINT for side in page.groups()] == pytest.approx(
        [paper.width_mm, paper.height_mm], abs=0.05
    )
    operators = drawing(pdf)
    rulers = re.findall(r"([-\d.]+) ([-\d.]+) m\n([-\d.]+) ([-\d.]+) l\n+S", operators)
    lengths = [float(x1) - float(x0) for x0, y0, x1, y1 in rulers if y0 == y1]
    assert max(lengths) * MM_PER_POINT == pytest.approx(paper.ruler_mm, abs=0.02)
    # The outer edges of the black squares are the pattern's, one square apart from the next.
    board = read_board(tmp_path / "board.json")
    assert board == paper.board
    squares, ink = [], []
    for outline in re.findall(r"((?:[-\d.]+ [-\d.]+ [ml]\n)+)h", operators):
        corners = np.array(re.findall(r"([-\d.]+) ([-\d.]+) [ml]\n", outline), float) * MM_PER_POINT
        size = corners.max(0) - corners.min(0)
        if size.max() < paper.square_mm + 1:  # what is larger clips the page
            ink.append(corners)
        if np.allclose(size, paper.square_mm, atol=0.02):
            squares.append(corners.min(0))
    drawn = np.concatenate(ink)
    assert drawn.min() > 4, "printers leave a margin"
    assert (drawn.max(0) < [paper.width_mm - 4, paper.height_mm - 4]).all()
    across, down = paper.squares
    assert len(squares) == (across * down + 1) // 2
    extent = np.max(squares, 0) - np.min(squares, 0) + paper.square_mm
    np.testing.assert_allclose(extent, [across * paper.square_mm, down * paper.square_mm], atol=0.05)


def test_the_printed_board_is_recognised() -> None:
    paper = PAPERS["a4"]
    picture = io.BytesIO()
    sheet(paper).savefig(picture, format="png", dpi=100, facecolor="white")
    image = cv2.imdecode(np.frombuffer(picture.getvalue(), np.uint8), cv2.IMREAD_GRAYSCALE)
    view = BoardDetector(paper.board).find(np.asarray(image), "0", "cam0")
    assert view is not None
    assert len(view.ids) == len(paper.board.corners_m)
    pixels_a_mm = 100 / MM_PER_INCH
    found_mm = view.pixels / pixels_a_mm
    apart = found_mm[1] - found_mm[0]
    assert apart == pytest.approx([paper.square_mm, 0], abs=0.1)


def test_an_unknown_paper_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "board", "--paper", "a7", "--out", str(tmp_path / "board.pdf")]) == 1
    assert "unknown paper 'a7'; there are a4, a3, letter" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
