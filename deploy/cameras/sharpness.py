"""How sharp and how well exposed an image is, as numbers to turn a lens by."""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

BINS = 64
DARKEST, BRIGHTEST = 0, 255


@dataclass(frozen=True, eq=False)
class Focus:
    """Of one image.

    Attributes:
        sharpness: variance of the Laplacian, squared grey levels; compares images of one scene only.
        histogram: share of the pixels of each channel, shape (3, BINS), rows red, green, blue.
        black: share of the pixels with a channel at 0: nothing is left to see there.
        white: likewise at 255.
    """

    sharpness: float
    histogram: np.ndarray
    black: float
    white: float

    @classmethod
    def of(cls, image: np.ndarray) -> Self:
        """Of an RGB uint8 image, shape (height, width, 3)."""
        # Noise has edges, too: it is averaged away first.
        grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (3, 3), 0)
        histogram = np.stack(
            [np.bincount(image[..., channel].ravel() // (256 // BINS), minlength=BINS) for channel in range(3)]
        )
        return cls(
            sharpness=float(cv2.Laplacian(grey, cv2.CV_64F).var()),
            histogram=histogram / (image.shape[0] * image.shape[1]),
            black=float((image == DARKEST).any(axis=2).mean()),
            white=float((image == BRIGHTEST).any(axis=2).mean()),
        )


class PeakHold:
    """The best sharpness so far: turn the lens past it, then back to it."""

    def __init__(self) -> None:
        self.best = 0.0

    def add(self, sharpness: float) -> float:
        """Take an image into account; returns its share of the best."""
        self.best = max(self.best, sharpness)
        return sharpness / self.best if self.best else 1.0

    def reset(self) -> None:
        """Begin anew, as for another scene."""
        self.best = 0.0
