"""The ChArUco board: a chessboard with a marker in every white square, so that any part of it says which part it is.

Its frame: origin at the lower left corner of the pattern, x along the rows, y up the page, z out of the paper. A board
that lies on a table face up gives a world whose z points up.
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from s3k_dist.atomic import write_atomic
from s3k_dist.errors import CalibrationError

if TYPE_CHECKING:
    from cv2.aruco import CharucoBoard, Dictionary

MARKER_SHARE = 0.7  # of the square's side: larger markers are read from farther away, but crowd the corners


class Board(BaseModel):
    """A printed board.

    Attributes:
        squares_across: columns of the chessboard.
        squares_down: rows of it.
        square_m: side of a square, metres, as measured on the print.
        marker_m: side of a marker, metres.
        dictionary: of the markers, by OpenCV's name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    squares_across: int = Field(ge=3, le=40)
    squares_down: int = Field(ge=3, le=40)
    square_m: float = Field(gt=0, le=1)
    marker_m: float = Field(gt=0, le=1)
    dictionary: str = "DICT_4X4_100"  # few, large cells: read from farther away

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not self.marker_m < 0.95 * self.square_m:
            raise ValueError(f"marker_m is {self.marker_m:g}, expected clearly less than square_m, {self.square_m:g}")
        known = _dictionaries()
        if self.dictionary not in known:
            raise ValueError(f"dictionary {self.dictionary!r} is unknown; there are {', '.join(known)}")
        needed, there = self.squares_across * self.squares_down // 2, len(self.markers.bytesList)
        if needed > there:
            raise ValueError(f"the board needs {needed} markers, {self.dictionary} has {there}")
        return self

    @property
    def corners_across(self) -> int:
        """Inner corners in a row."""
        return self.squares_across - 1

    @property
    def size_m(self) -> tuple[float, float]:
        """Width and height of the pattern, metres."""
        return self.squares_across * self.square_m, self.squares_down * self.square_m

    @cached_property
    def corners_m(self) -> np.ndarray:
        """The inner corners, row by row from the upper left, in the board's frame, shape (N, 3), metres."""
        columns, rows = np.meshgrid(np.arange(1, self.squares_across), np.arange(1, self.squares_down))
        x, y = columns * self.square_m, (self.squares_down - rows) * self.square_m
        return np.stack([x, y, np.zeros_like(x)], -1).reshape(-1, 3)

    @property
    def markers(self) -> "Dictionary":
        """OpenCV's dictionary."""
        import cv2

        return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, self.dictionary))

    @property
    def charuco(self) -> "CharucoBoard":
        """OpenCV's board."""
        import cv2

        size = (self.squares_across, self.squares_down)
        return cv2.aruco.CharucoBoard(size, self.square_m, self.marker_m, self.markers)

    def ink_m(self) -> np.ndarray:
        """What is printed black: rectangles left, bottom, width, height in the board's frame, shape (N, 4), metres."""
        import cv2

        black, marker = [], 0
        margin, cells = (self.square_m - self.marker_m) / 2, self.markers.markerSize + 2
        cell_m = self.marker_m / cells
        for row in range(self.squares_down):
            top = (self.squares_down - row) * self.square_m
            for column in range(self.squares_across):
                left = column * self.square_m
                if (row + column) % 2 == 0:
                    black.append((left, top - self.square_m, self.square_m, self.square_m))
                    continue
                bits = cv2.aruco.generateImageMarker(self.markers, marker, cells)
                marker += 1
                for y, x in np.argwhere(bits == 0):
                    black.append((left + margin + x * cell_m, top - margin - (y + 1) * cell_m, cell_m, cell_m))
        return np.array(black)

    def scaled(self, factor: float) -> "Board":
        """The same board from a printer that prints everything larger by ``factor``."""
        changed = {"square_m": self.square_m * factor, "marker_m": self.marker_m * factor}
        return Board.model_validate(self.model_dump() | changed)  # a copy would keep the corners that are worked out

    def write(self, path: Path) -> None:
        """As JSON.

        Raises:
            StorageError: it cannot be written.
        """
        write_atomic(path, (self.model_dump_json(indent=2) + "\n").encode())


def read_board(path: Path) -> Board:
    """A board as ``s3k calibrate board`` wrote it.

    Raises:
        CalibrationError: the file cannot be read or describes no possible board.
    """
    try:
        return Board.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CalibrationError(
            f"{path} cannot be read: {error.strerror}; `s3k calibrate board` writes a board's file beside its PDF"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise CalibrationError(f"{path}: {where + ': ' if where else ''}{first['msg']}") from error


def _dictionaries() -> list[str]:
    import cv2

    return sorted(name for name in dir(cv2.aruco) if name.startswith("DICT_") and name.upper() == name)
