"""Whether what an image shows at a point is still what it showed before: the check behind labels of still scenes.

A patch about the point is looked for in the later image. Where it is found in its old place it is still; elsewhere, it
has moved; nowhere, something hides it. A patch without texture across both directions could not tell, and vouches for
nothing.
"""

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

BLUR_PX = 0.8


class Sight(StrEnum):
    """What has become of a patch."""

    STILL = "still"
    MOVED = "moved"
    HIDDEN = "hidden"  # or changed beyond recognition
    PLAIN = "plain"  # nothing to recognise it by
    OUT = "out"  # too near to the image's edge


class StillnessConfig(BaseModel):
    """When a patch counts as still; lengths are at 128 px and scale with the image.

    Attributes:
        radius_px: of a patch: half its side.
        search_px: how far it is looked for.
        tolerance_px: a patch found farther away than this has moved.
        likeness: correlation from which a patch is found; light may change, what is there may not.
        texture: grey levels by which a patch must vary along its plainest direction.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    radius_px: float = Field(7.0, gt=1)
    search_px: float = Field(8.0, gt=0)
    tolerance_px: float = Field(0.5, gt=0)
    likeness: float = Field(0.8, gt=0, lt=1)
    texture: float = Field(2.0, ge=0)


@dataclass(frozen=True)
class Found:
    """One patch in a later image.

    Attributes:
        sight: what has become of it.
        shift_px: how far it has moved, pixels of the image; nan where it was not found.
    """

    sight: Sight
    shift_px: float = float("nan")


class Patch:
    """What an image shows about a point.

    Args:
        image: RGB, uint8, shape (height, width, 3).
        point_px: the point, shape (2,); the centre of the top-left pixel is (0, 0).
        config: when it counts as still.
    """

    def __init__(self, image: np.ndarray, point_px: np.ndarray, config: StillnessConfig) -> None:
        scale = image.shape[1] / 128
        self._config = config
        self._tolerance_px = config.tolerance_px * scale
        self._radius, self._search = (max(2, round(length * scale)) for length in (config.radius_px, config.search_px))
        u, v = np.round(point_px).astype(int)
        height, width = image.shape[:2]
        reach = self._radius + self._search
        self._window = slice(max(0, v - reach), v + reach + 1), slice(max(0, u - reach), u + reach + 1)
        self._corner = v - self._radius, u - self._radius  # where the patch belongs
        inside = min(u, v, width - 1 - u, height - 1 - v) >= self._radius + 1
        self._patch = None
        if inside:
            rows = slice(v - self._radius, v + self._radius + 1)
            columns = slice(u - self._radius, u + self._radius + 1)
            self._patch = _grey(image)[rows, columns]
        self._plain = self._patch is None or _texture(self._patch) < config.texture

    def find(self, image: np.ndarray) -> Found:
        """Look for it in a later image of the same camera."""
        if self._patch is None:
            return Found(Sight.OUT)
        if self._plain:
            return Found(Sight.PLAIN)
        score = cv2.matchTemplate(_grey(image)[self._window], self._patch, cv2.TM_CCOEFF_NORMED)
        row, column = np.unravel_index(int(np.argmax(score)), score.shape)
        if not score[row, column] >= self._config.likeness:
            return Found(Sight.HIDDEN)
        down = row + _peak(score[:, column], int(row)) + self._window[0].start - self._corner[0]
        across = column + _peak(score[row], int(column)) + self._window[1].start - self._corner[1]
        shift_px = float(np.hypot(down, across))
        return Found(Sight.STILL if shift_px <= self._tolerance_px else Sight.MOVED, shift_px)


def _grey(image: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), BLUR_PX))


def _texture(patch: np.ndarray) -> float:
    """Root mean square slope along the direction in which the patch is plainest, grey levels a pixel."""
    down, across = np.gradient(patch)
    products = np.array([[across * across, across * down], [across * down, down * down]]).mean(axis=(2, 3))
    return float(np.sqrt(max(0.0, float(np.linalg.eigvalsh(products)[0]))))


def _peak(scores: np.ndarray, at: int) -> float:
    """Where the parabola through three scores is highest, from the middle one, within half a step."""
    if not 0 < at < len(scores) - 1:
        return 0.0
    before, here, after = (float(score) for score in scores[at - 1 : at + 2])
    curve = before - 2 * here + after
    return 0.0 if curve >= 0 else float(np.clip((before - after) / (2 * curve), -0.5, 0.5))
