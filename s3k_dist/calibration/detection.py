"""Finds the board's corners in images, to a small part of a pixel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from s3k_dist.calibration.board import Board

MIN_CORNERS = 6  # fewer say too little of a pose; they may lie on a line
MIN_GAP_PX = 2.0  # between a corner and the next marker: in less, the marker's edges draw the corner towards them


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
        """The corners in an image, grey or RGB, uint8; None if it shows fewer than ``MIN_CORNERS`` finely enough."""
        grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        corners, ids, _, _ = self._charuco.detectBoard(grey)
        if ids is None or len(ids) < MIN_CORNERS:
            return None
        order = np.argsort(ids.ravel())
        numbers = ids.ravel()[order].astype(int)
        pixels = np.asarray(corners, np.float64).reshape(-1, 2)[order]
        good = self._gap_px(numbers, pixels) >= MIN_GAP_PX
        if good.sum() < MIN_CORNERS:
            return None
        return Sighting(set_name, camera, numbers[good], pixels[good])

    def _gap_px(self, ids: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """Between each corner and the markers beside it, in the direction in which the board is seen least finely."""
        corners = self.board.corners_m[ids, :2]
        homography, _ = cv2.findHomography(corners, pixels, cv2.RANSAC, 3.0)
        if homography is None:
            return np.zeros(len(ids))
        gap_m = (self.board.square_m - self.board.marker_m) / 2
        return gap_m * _least_pixels_a_metre(homography, corners)


def _least_pixels_a_metre(homography: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How finely a board is seen at each of its points, in the direction in which it is seen least finely."""
    ahead = np.column_stack([points, np.ones(len(points))]) @ homography.T
    x, y, w = ahead.T
    rows = [(homography[i, :2] * w[:, None] - each[:, None] * homography[2, :2]) / w[:, None] ** 2
            for i, each in enumerate((x, y))]  # fmt: skip
    return np.asarray(np.linalg.svd(np.stack(rows, 1), compute_uv=False)[:, -1])
