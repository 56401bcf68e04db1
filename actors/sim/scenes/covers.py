"""Procedural board-game boxes: cover, back and sides as PNG bytes from a seed."""

from collections.abc import Callable

import cv2
import numpy as np

from s3k_dist.images import Encoding, encode_image

WIDTH_PX, HEIGHT_PX = 512, 272  # of a cover, in the proportions of App. D's box
SIDES = ("right", "left", "up", "down")
WORDS = ("SETTLERS", "HARBOUR", "ORBIT", "CASTLE", "SAFARI", "METRO", "TEMPLE", "RAIDERS", "ISLAND", "COMET")


def game_box(rng: np.random.Generator, style: int) -> dict[str, bytes]:
    """Faces ``cover``, ``back`` and the four ``SIDES``; each looks different, and none is symmetric.

    Args:
        rng: decides colours, words and pictures.
        style: index into ``COVER_STYLES``.
    """
    ground, ink, accent = _palette(rng)
    title = str(rng.choice(WORDS))
    cover = COVER_STYLES[style % len(COVER_STYLES)](rng, ground, ink, accent)
    _title(cover, title, ink, accent, 58)
    _badges(cover, ink, accent)
    faces = {"cover": cover, "back": _back(rng, ground, ink, accent)}
    for name, paper, print_ in zip(
        SIDES, (ground, accent, ink, ground * 0.5), (accent, ink, accent, accent), strict=True
    ):
        faces[name] = _side(title, paper, print_)
    return {name: _png(face) for name, face in faces.items()}


def landscape(rng: np.random.Generator, ground: np.ndarray, ink: np.ndarray, accent: np.ndarray) -> np.ndarray:
    """Sun, hills and a keep."""
    image = _gradient(ground, ground * 0.55)
    sun = (int(rng.integers(60, WIDTH_PX - 60)), int(rng.integers(90, 150)))
    cv2.circle(image, sun, int(rng.integers(26, 44)), accent.tolist(), -1, cv2.LINE_AA)
    across = np.arange(WIDTH_PX)
    for layer in range(3):
        ridge = 150 + 38 * layer + 20 * np.sin(across / rng.uniform(28, 70) + rng.uniform(0, 6))
        outline = np.concatenate([np.stack([across, ridge], 1), [[WIDTH_PX, HEIGHT_PX], [0, HEIGHT_PX]]])
        cv2.fillPoly(image, [outline.astype(np.int32)], (ink * (0.5 + 0.25 * layer) + 25).clip(0, 255).tolist())
    x = int(rng.integers(300, 430))
    for dx, height in ((0, 60), (26, 90), (52, 50)):
        cv2.rectangle(image, (x + dx, 215 - height), (x + dx + 24, 215), (accent * 0.6).tolist(), -1)
    return image


def tiles(rng: np.random.Generator, ground: np.ndarray, ink: np.ndarray, accent: np.ndarray) -> np.ndarray:
    """A board of hexagons."""
    image = _gradient(ground * 0.7, ground)
    for row in range(4):
        for column in range(8):
            centre = np.array([40 + 66 * column + 33 * (row % 2), 92 + 52 * row])
            corners = centre + 34 * np.stack([np.sin(np.arange(6) * np.pi / 3), np.cos(np.arange(6) * np.pi / 3)], 1)
            colour = (accent if rng.random() < 0.3 else ink if rng.random() < 0.3 else rng.uniform(40, 230, 3)).tolist()
            cv2.fillPoly(image, [corners.astype(np.int32)], colour, cv2.LINE_AA)
            cv2.polylines(image, [corners.astype(np.int32)], True, (ground * 0.4).tolist(), 3, cv2.LINE_AA)
    return image


def rays(rng: np.random.Generator, ground: np.ndarray, ink: np.ndarray, accent: np.ndarray) -> np.ndarray:
    """A burst behind a die and a pawn."""
    image = _gradient(ground, ground)
    middle = np.array([rng.uniform(120, 390), rng.uniform(130, 180)])
    for spoke in range(0, 24, 2):
        angles = (spoke + np.array([0.0, 1.0])) * np.pi / 12
        far = middle + 600 * np.stack([np.cos(angles), np.sin(angles)], 1)
        cv2.fillPoly(image, [np.stack([middle, *far]).astype(np.int32)], (accent * 0.85).tolist())
    x, y = (int(value) for value in middle)
    cv2.rectangle(image, (x - 42, y - 20), (x + 30, y + 52), (235, 235, 228), -1)
    for du, dv in ((-26, -4), (14, -4), (-6, 16), (-26, 36), (14, 36)):
        cv2.circle(image, (x + du, y + dv), 7, (30, 30, 34), -1, cv2.LINE_AA)
    cv2.circle(image, (x + 74, y - 6), 20, ink.tolist(), -1, cv2.LINE_AA)
    pawn = np.array([[x + 60, y + 6], [x + 88, y + 6], [x + 104, y + 60], [x + 44, y + 60]])
    cv2.fillPoly(image, [pawn], ink.tolist(), cv2.LINE_AA)
    return image


COVER_STYLES: tuple[Callable[[np.random.Generator, np.ndarray, np.ndarray, np.ndarray], np.ndarray], ...] = (
    landscape,
    tiles,
    rays,
)


def _back(rng: np.random.Generator, ground: np.ndarray, ink: np.ndarray, accent: np.ndarray) -> np.ndarray:
    """Small print, pictures of the pieces, a bar code."""
    image = _gradient(ground * 0.9 + 20, ground * 0.8 + 20)
    for line in range(9):
        length = int(rng.integers(110, 210))
        cv2.line(image, (26, 40 + 22 * line), (26 + length, 40 + 22 * line), (ink * 0.8).tolist(), 7)
    for column in range(2):
        for row in range(2):
            corner = (280 + 108 * column, 30 + 84 * row)
            cv2.rectangle(image, corner, (corner[0] + 92, corner[1] + 70), rng.uniform(30, 235, 3).tolist(), -1)
            cv2.circle(image, (corner[0] + 46, corner[1] + 35), 20, accent.tolist(), -1, cv2.LINE_AA)
    cv2.rectangle(image, (392, 205), (490, 258), (250, 250, 250), -1)
    for bar in range(16):
        if rng.random() < 0.6:
            cv2.line(image, (398 + 6 * bar, 210), (398 + 6 * bar, 252), (15, 15, 15), 3)
    return image


def _badges(cover: np.ndarray, ink: np.ndarray, accent: np.ndarray) -> None:
    """The publisher's mark in one corner, the players' age in another."""
    cv2.rectangle(cover, (0, HEIGHT_PX - 74), (92, HEIGHT_PX), accent.tolist(), -1)
    cv2.putText(cover, "S3K", (8, HEIGHT_PX - 22), cv2.FONT_HERSHEY_DUPLEX, 1.4, (ink * 0.5).tolist(), 4, cv2.LINE_AA)
    cv2.circle(cover, (WIDTH_PX - 42, HEIGHT_PX - 42), 36, (250, 250, 245), -1, cv2.LINE_AA)
    cv2.putText(
        cover, "8+", (WIDTH_PX - 68, HEIGHT_PX - 30), cv2.FONT_HERSHEY_DUPLEX, 1.2, (20, 20, 24), 4, cv2.LINE_AA
    )


def _side(title: str, paper: np.ndarray, print_: np.ndarray) -> np.ndarray:
    """The title at one end, a mark at the other."""
    image = np.full((HEIGHT_PX, WIDTH_PX, 3), paper.clip(0, 255), np.uint8)
    cv2.rectangle(image, (WIDTH_PX - 150, 0), (WIDTH_PX, HEIGHT_PX), print_.tolist(), -1)
    cv2.circle(image, (WIDTH_PX - 75, HEIGHT_PX // 2), 60, (250, 250, 245), -1, cv2.LINE_AA)
    cv2.putText(
        image, title, (20, 190), cv2.FONT_HERSHEY_DUPLEX, 3.0 * 6 / len(title), (255, 250, 235), 16, cv2.LINE_AA
    )
    return image


def _palette(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ground, ink and accent that can be told apart."""
    hue = rng.uniform(0, 180)
    hsv = np.array(
        [
            [hue, rng.uniform(110, 220), rng.uniform(130, 225)],
            [(hue + rng.uniform(70, 110)) % 180, rng.uniform(80, 220), rng.uniform(40, 110)],
            [(hue + rng.uniform(25, 60)) % 180, rng.uniform(140, 235), 240],
        ]
    )
    rgb = cv2.cvtColor(hsv[None].astype(np.uint8), cv2.COLOR_HSV2RGB)[0].astype(np.float64)
    return rgb[0], rgb[1], rgb[2]


def _title(image: np.ndarray, text: str, ink: np.ndarray, accent: np.ndarray, baseline: int) -> None:
    origin = (24, baseline)
    cv2.putText(image, text, origin, cv2.FONT_HERSHEY_DUPLEX, 1.9, (accent * 0.25).tolist(), 11, cv2.LINE_AA)
    cv2.putText(image, text, origin, cv2.FONT_HERSHEY_DUPLEX, 1.9, (255, 250, 235), 4, cv2.LINE_AA)
    cv2.line(image, (24, baseline + 10), (24 + 34 * len(text), baseline + 10), ink.tolist(), 4)


def _gradient(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    share = np.linspace(0, 1, HEIGHT_PX)[:, None, None]
    return np.ascontiguousarray(
        (top * (1 - share) + bottom * share + np.zeros((1, WIDTH_PX, 1))).clip(0, 255), np.uint8
    )


def _png(image: np.ndarray) -> bytes:
    # A cube texture's faces are square; the box stretches them back.
    return encode_image(cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA), Encoding.PNG)
