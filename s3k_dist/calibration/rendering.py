"""Images of a board as a camera takes them: exact ray and plane, anti-aliased, blurred, noisy. The truth of the tests.

Every sub-pixel's ray, bent by the lens, is cut with the board's plane; the ink there is averaged over the pixel.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np

from s3k_dist.calibration.board import Board
from s3k_dist.drift.views import project
from s3k_dist.geometry.camera import Camera

PAPER, INK, SURROUNDINGS = 225.0, 25.0, 120.0
SUBPIXELS = 3
PIXELS_PER_SQUARE = 96
EXACT = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 60, 1e-9)
MARGIN_SQUARES = 0.5  # of white paper around the pattern


@dataclass(frozen=True)
class Sensor:
    """How a camera blurs.

    Attributes:
        blur_px: standard deviation of the blur.
        noise: standard deviation of a pixel, grey levels of 255.
    """

    blur_px: float = 0.7
    noise: float = 3.0


@dataclass
class BoardRenderer:
    """Draws one board through any cameras.

    Args:
        board: what is seen.
        sensor: blur and noise.
    """

    board: Board
    sensor: Sensor = field(default_factory=Sensor)

    def __post_init__(self) -> None:
        self._scale = PIXELS_PER_SQUARE / self.board.square_m  # texture pixels a metre
        self._paper = _texture(self.board, self._scale)
        self._rays: dict[str, tuple[Camera, np.ndarray]] = {}

    def image(
        self, camera: Camera, rotation: np.ndarray, translation_m: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """What ``camera`` sees of the board.

        Args:
            camera: in the world.
            rotation: board to world, shape (3, 3).
            translation_m: of the same, shape (3,).
            rng: of the noise.

        Returns:
            Grey, uint8, shape (height_px, width_px); surroundings only where the board is turned away.
        """
        grey = np.full((camera.height_px, camera.width_px), SURROUNDINGS, np.float32)
        box = self._box(camera, rotation, translation_m)
        if box is not None:
            grey[box] = self._board_in(self._sub_pixel_rays(camera)[_finer(box)], camera, rotation, translation_m)
        if self.sensor.blur_px > 0:
            grey = cv2.GaussianBlur(grey, (0, 0), self.sensor.blur_px)
        noise = rng.standard_normal(grey.shape, dtype=np.float32)
        return np.clip(np.rint(grey + self.sensor.noise * noise), 0, 255).astype(np.uint8)

    def _box(self, camera: Camera, rotation: np.ndarray, translation_m: np.ndarray) -> tuple[slice, slice] | None:
        """Rows and columns of the pixels that may see the board; None if none does."""
        margin = (MARGIN_SQUARES + 0.1) * self.board.square_m
        across, down = (np.linspace(-margin, side + margin, 9) for side in self.board.size_m)
        sheet = np.stack(np.meshgrid(across, down), -1).reshape(-1, 2)
        pixels, inside = project(np.column_stack([sheet, np.zeros(len(sheet))]) @ rotation.T + translation_m, camera)
        if (inside[:, 2] <= 0).any():
            return slice(0, camera.height_px), slice(0, camera.width_px)
        low = np.clip(np.floor(pixels.min(0)).astype(int) - 2, 0, None)
        high = np.clip(np.ceil(pixels.max(0)).astype(int) + 3, None, [camera.width_px, camera.height_px])
        return None if (low >= high).any() else (slice(low[1], high[1]), slice(low[0], high[0]))

    def _board_in(
        self, rays: np.ndarray, camera: Camera, rotation: np.ndarray, translation_m: np.ndarray
    ) -> np.ndarray:
        """Grey levels of the pixels of some sub-pixels' rays."""
        # A ray c + s d meets the board where, in its frame, z = 0.
        centre = rotation.T @ (camera.centre_m - translation_m)
        inside = rays @ rotation.astype(np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            along = -centre[2] / inside[..., 2]
        seen = (along > 0) & (centre[2] > 0)
        along = np.where(seen, along, 0)
        x, y = centre[0] + along * inside[..., 0], centre[1] + along * inside[..., 1]
        margin = MARGIN_SQUARES * PIXELS_PER_SQUARE
        columns = np.where(seen, x * self._scale - 0.5 + margin, -9).astype(np.float32)
        rows = np.where(seen, (self.board.size_m[1] - y) * self._scale - 0.5 + margin, -9).astype(np.float32)
        fine = cv2.remap(
            self._paper, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=SURROUNDINGS
        )
        height, width = (side // SUBPIXELS for side in fine.shape)
        return cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)

    def _sub_pixel_rays(self, camera: Camera) -> np.ndarray:
        """World directions through all sub-pixels, float32, kept for the next image."""
        known = self._rays.get(camera.name)
        if known is not None and known[0] == camera:
            return known[1]
        fine = camera.resized(camera.width_px * SUBPIXELS, camera.height_px * SUBPIXELS)
        columns, rows = np.meshgrid(np.arange(fine.width_px), np.arange(fine.height_px))
        pixels = np.stack([columns, rows], -1).reshape(-1, 1, 2).astype(np.float64)
        # OpenCV's inverse of the lens, another one than the project's: millions of pixels, and an independent witness.
        flat = cv2.undistortPoints(pixels, fine.intrinsics, fine.distortion, criteria=EXACT).reshape(*rows.shape, 2)
        rays = (np.concatenate([flat, np.ones_like(flat[..., :1])], -1) @ camera.rotation).astype(np.float32)
        self._rays[camera.name] = camera, rays
        return rays


def _finer(box: tuple[slice, slice]) -> tuple[slice, slice]:
    rows, columns = (slice(each.start * SUBPIXELS, each.stop * SUBPIXELS) for each in box)
    return rows, columns


def _texture(board: Board, scale: float) -> np.ndarray:
    """The print, ``scale`` pixels a metre, each pixel by the share of it that is ink."""
    fine = 4  # markers need not fall on whole pixels
    width, height = (round(side * scale) for side in board.size_m)
    print_ = np.full((height * fine, width * fine), PAPER, np.float32)
    for left, bottom, across, up in board.ink_m() * scale * fine:
        top = height * fine - bottom - up
        print_[round(top) : round(top + up), round(left) : round(left + across)] = INK
    print_ = cv2.resize(print_, (width, height), interpolation=cv2.INTER_AREA)
    margin = round(MARGIN_SQUARES * PIXELS_PER_SQUARE)
    return cv2.copyMakeBorder(print_, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=PAPER)
