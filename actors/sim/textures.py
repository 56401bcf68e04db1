"""Procedural textures, so that a simulated cell is as busy to look at as a real one; PNG bytes from a seed."""

import cv2
import numpy as np

from s3k_dist.images import Encoding, encode_image

SIZE_PX = 512


def wood(rng: np.random.Generator) -> bytes:
    """Planks of a workbench."""
    down, across = np.mgrid[0:SIZE_PX, 0:SIZE_PX] / SIZE_PX
    warp = 0.06 * _noise(rng, 3) + 0.01 * _noise(rng, 24)
    grain = np.sin(2 * np.pi * (11 * across + 14 * warp)) * 0.5 + 0.5
    plank = np.floor(down * 4)
    tone = 0.78 + 0.1 * rng.random(4)[plank.astype(int)] - 0.16 * grain * (0.5 + 0.5 * _noise(rng, 16))
    tone *= np.where(np.abs(down * 4 - np.round(down * 4)) < 0.012, 0.55, 1.0)
    return _png(tone[..., None] * np.array([196, 158, 112]) + 8 * _noise(rng, 128)[..., None])


def breadboard(rng: np.random.Generator) -> bytes:
    """An aluminium mounting plate with a grid of threaded holes."""
    tone = 150 + 14 * cv2.GaussianBlur(_noise(rng, 256), (61, 1), 0) + 10 * _noise(rng, 4)
    image = np.repeat(tone[..., None], 3, axis=-1)
    pitch = SIZE_PX // 8
    for row in range(8):
        for column in range(8):
            centre = (pitch // 2 + column * pitch, pitch // 2 + row * pitch)
            cv2.circle(image, centre, 9, (95.0, 95.0, 100.0), -1, cv2.LINE_AA)
            cv2.circle(image, centre, 7, (28.0, 28.0, 30.0), -1, cv2.LINE_AA)
    return _png(image)


def wall(rng: np.random.Generator) -> bytes:
    """A laboratory wall: paint, a shelf's clutter, posters."""
    base = rng.uniform(110, 190, 3)
    image = np.ones((SIZE_PX, SIZE_PX, 3)) * base + 12 * _noise(rng, 3)[..., None]
    for _ in range(26):
        x, y = rng.integers(0, SIZE_PX, 2)
        w, h = rng.integers(14, 90, 2)
        colour = rng.uniform(20, 235, 3)
        cv2.rectangle(image, (int(x), int(y)), (int(x + w), int(y + h)), tuple(colour), -1)
        if rng.random() < 0.5:
            cv2.rectangle(image, (int(x), int(y)), (int(x + w), int(y + h)), tuple(colour * 0.4), 3)
    return _png(cv2.GaussianBlur(image, (7, 7), 0))


def clutter(rng: np.random.Generator) -> bytes:
    """A table top strewn with printed sheets, tape and drawings."""
    image = np.ones((SIZE_PX, SIZE_PX, 3)) * rng.uniform(60, 210, 3) + 10 * _noise(rng, 6)[..., None]
    for _ in range(14):
        centre, size = rng.uniform(0, SIZE_PX, 2), rng.uniform(20, 110, 2)
        outline = cv2.boxPoints((tuple(centre), tuple(size), float(rng.uniform(0, 180)))).astype(np.int32)
        cv2.fillPoly(image, [outline], tuple(rng.uniform(20, 240, 3)), cv2.LINE_AA)
        cv2.polylines(image, [outline], True, tuple(rng.uniform(0, 90, 3)), 3, cv2.LINE_AA)
    for _ in range(5):
        u, v = (int(value) for value in rng.integers(0, SIZE_PX, 2))
        cv2.circle(image, (u, v), int(rng.integers(8, 40)), tuple(rng.uniform(10, 240, 3)), 5, cv2.LINE_AA)
    return _png(image)


def label(rng: np.random.Generator) -> bytes:
    """The printed face of a box or a housing: stripes and lines of text."""
    paper, ink = rng.uniform(150, 240, 3), rng.uniform(10, 120, 3)
    image = (np.ones((SIZE_PX, SIZE_PX, 3)) * paper).astype(np.uint8)
    band = int(rng.integers(0, SIZE_PX - 120))
    image[band : band + int(rng.integers(40, 120))] = rng.uniform(30, 220, 3)
    words = ("24V", "S3K", "PORT", "CELL", "AUX", "IN", "OUT", "LINE")
    for row in range(8):
        word = str(rng.choice(words))
        origin = (int(rng.integers(0, 200)), 50 + 60 * row)
        cv2.putText(image, word, origin, cv2.FONT_HERSHEY_SIMPLEX, 1.6, tuple(ink), 5, cv2.LINE_AA)
    return _png(image)


def speckle(rng: np.random.Generator) -> bytes:
    """Cloth or foam in one random colour."""
    colour = rng.uniform(30, 225, 3)
    tone = 1 + 0.25 * _noise(rng, 48) + 0.15 * _noise(rng, 8)
    return _png(tone[..., None] * colour)


def _noise(rng: np.random.Generator, cells: int) -> np.ndarray:
    """Smooth noise with about ``cells`` bumps along a side, in [-1, 1], shape (SIZE_PX, SIZE_PX)."""
    coarse = rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_CUBIC), np.float64)


def _png(image: np.ndarray) -> bytes:
    return encode_image(np.clip(image, 0, 255).astype(np.uint8), Encoding.PNG)
