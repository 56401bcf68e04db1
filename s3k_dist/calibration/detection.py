"""Finds the board's corners in images, to a small part of a pixel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from s3k_dist.calibration.board import Board

MIN_CORNERS = 6  # fewer say too little of a pose; they may lie on a line


@dataclass(frozen=True, eq=False)
class Sighting:
    """The corners of the board that one camera sees in one set of images.

    Attributes:
        set_name: of the set.
        camera: name of the camera.
        ids: which corners, rows of ``Board.corners_m``, shape (N,).
        pixels: where, shape (N, 2).
    """

    set_name: str
    camera: str
    ids: np.ndarray
    pixels: np.ndarray


@dataclass(frozen=True, eq=False)
class Sightings:
    """All that was seen of a board.

    Attributes:
        board: the board.
        sizes_px: width and height of each camera's images, by its name.
        views: one for each image that shows enough of the board.
        sets: names of the sets, in the order in which they were taken.
    """

    board: Board
    sizes_px: Mapping[str, tuple[int, int]]
    views: tuple[Sighting, ...]
    sets: tuple[str, ...]

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras."""
        return tuple(self.sizes_px)

    def of_camera(self, camera: str) -> list[Sighting]:
        """What one camera saw."""
        return [view for view in self.views if view.camera == camera]

    def of_set(self, set_name: str) -> list[Sighting]:
        """What the cameras saw at one moment."""
        return [view for view in self.views if view.set_name == set_name]

    def only(self, views: Sequence[Sighting]) -> "Sightings":
        """The same without the other views."""
        return Sightings(self.board, self.sizes_px, tuple(views), self.sets)


class BoardDetector:
    """Finds one board in images.

    Args:
        board: what to look for.
    """

    def __init__(self, board: Board) -> None:
        self.board = board
        self._charuco = cv2.aruco.CharucoDetector(board.charuco)

    def find(self, image: np.ndarray, set_name: str, camera: str) -> Sighting | None:
        """The corners in an image, grey or RGB, uint8; None if it shows fewer than ``MIN_CORNERS``."""
        grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        corners, ids, _, _ = self._charuco.detectBoard(grey)
        if ids is None or len(ids) < MIN_CORNERS:
            return None
        pixels = np.asarray(corners, np.float64).reshape(-1, 2)
        order = np.argsort(ids.ravel())
        return Sighting(set_name, camera, ids.ravel()[order].astype(int), pixels[order])
