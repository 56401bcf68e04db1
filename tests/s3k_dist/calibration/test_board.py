"""The board: where its corners and its ink are, and what makes no board."""

from pathlib import Path

import numpy as np
import pytest

from s3k_dist.calibration.board import Board, read_board
from s3k_dist.errors import CalibrationError
from tests.s3k_dist.calibration.sightings import BOARD


def test_its_corners_are_opencvs_with_y_up_the_page() -> None:
    corners = np.asarray(BOARD.charuco.getChessboardCorners(), float)
    corners[:, 1] = BOARD.size_m[1] - corners[:, 1]
    np.testing.assert_allclose(BOARD.corners_m, corners, atol=1e-7)


def test_its_ink_is_what_opencv_draws() -> None:
    scale = 120 / BOARD.square_m  # 120 pixels a square: a marker's 6 cells are 80
    width, height = (round(side * scale) for side in BOARD.size_m)
    drawn = np.full((height, width), 255, np.uint8)
    for left, bottom, across, up in BOARD.ink_m() * scale:
        drawn[round(height - bottom - up) : round(height - bottom), round(left) : round(left + across)] = 0
    differ = drawn != BOARD.charuco.generateImage((width, height))
    assert differ.mean() < 0.02, "edges of cells may differ by a pixel"


def test_a_print_that_is_too_large_has_larger_squares() -> None:
    scaled = BOARD.scaled(1.01)
    np.testing.assert_allclose(scaled.corners_m, 1.01 * BOARD.corners_m)
    np.testing.assert_allclose(scaled.ink_m(), 1.01 * BOARD.ink_m())


def test_its_file_comes_back(tmp_path: Path) -> None:
    BOARD.write(tmp_path / "board.json")
    assert read_board(tmp_path / "board.json") == BOARD


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"marker_m": 0.045}, "marker_m is 0.045, expected clearly less than square_m"),
        ({"dictionary": "DICT_9X9"}, "dictionary 'DICT_9X9' is unknown; there are DICT_4X4_100"),
        ({"squares_across": 40, "squares_down": 40}, "the board needs 800 markers, DICT_4X4_100 has 100"),
        ({"square_m": -1.0}, "square_m"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_what_is_no_board_is_refused(tmp_path: Path, change: dict[str, object], says: str) -> None:
    import json

    path = tmp_path / "board.json"
    path.write_text(json.dumps(BOARD.model_dump() | change))
    with pytest.raises(CalibrationError, match=says):
        read_board(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"board\.json cannot be read"):
        read_board(tmp_path / "board.json")


def test_boards_compare_by_value() -> None:
    assert Board.model_validate(BOARD.model_dump()) == BOARD
