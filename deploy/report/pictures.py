"""Camera images of a run, made ready for a page: encoded small, with keypoints as marks to be drawn over them.

Marks stay vectors, so that they are sharp however large the page shows a picture of 128 pixels.
Pixel (0, 0) is the centre of the top-left pixel: an image of W pixels reaches from -0.5 to W - 0.5.
"""

import base64
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actors.cell import CONTROL_PERIOD_S
from deploy.report.palette import keypoint_colour
from s3k_dist.errors import StorageError

PICTURES_FILE = "pictures.npz"
GAP_PX = 3
FILM_VIEW_PX = 256
FILM_QUALITY = 88
MAX_FILM_FRAMES = 60
INSERTED_DEPTH = 0.9  # what a claim must mean, by truth
STRIP_MOMENTS = 6
# Above this an exact image would make the page heavy, and nobody can tell.
LOSSLESS_PX = 200
HEATMAP_OPACITY = 0.6


@dataclass(frozen=True)
class Mark:
    """One keypoint in one picture; x and y in that picture's pixels."""

    keypoint: int
    x: float
    y: float


@dataclass(frozen=True)
class FilmFrame:
    """One moment of an insertion: all views in one picture, and what was known."""

    picture: str
    marks: list[Mark]
    t_s: float
    distance_mm: float | None
    depth: float | None
    claimed: bool


@dataclass(frozen=True)
class Film:
    """An insertion.

    Attributes:
        frames: its moments, 4 a second.
        width: of each picture, pixels.
        height: likewise.
        windows: left, top, width, height of each view within the picture, pixels.
        strip: indices of the moments that tell the story.
    """

    frames: list[FilmFrame]
    width: int
    height: int
    windows: list[tuple[int, int, int, int]]
    strip: list[int]

    @property
    def inserted(self) -> bool:
        """Whether it ends with the plug in, by truth; taken for granted where the truth is not known."""
        depth = self.frames[-1].depth
        return depth is None or depth >= INSERTED_DEPTH


@dataclass(frozen=True)
class Shot:
    """One view of a held-out frame, and where its keypoints were detected, re-projected and truly are."""

    picture: str
    heatmap: str | None
    width: int
    height: int
    detected: list[Mark]
    reprojected: list[Mark]
    truth: list[Mark]


@dataclass(frozen=True)
class HeldOutFrame:
    """All views of a held-out frame, and the error of each keypoint in millimetres, where known."""

    shots: list[Shot]
    error_mm: list[float]


def load_pictures(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of ``pictures.npz``; none if the run has none.

    Raises:
        StorageError: the file is damaged.
    """
    path = folder / PICTURES_FILE
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise StorageError(f"cannot read {path}: {error}") from error


def film(arrays: dict[str, np.ndarray]) -> Film | None:
    """The insertion that the run kept, if any."""
    if "film_images" not in arrays or not len(arrays["film_images"]):
        return None
    images = arrays["film_images"]
    moments, views, rows, columns = images.shape[:4]
    scale = FILM_VIEW_PX / max(rows, columns)
    width, height = round(columns * scale), round(rows * scale)
    across = 2 if views > 1 else 1
    windows = [
        ((i % across) * (width + GAP_PX), (i // across) * (height + GAP_PX), width, height) for i in range(views)
    ]
    whole = (max(x + w for x, _, w, _ in windows), max(y + h for _, y, _, h in windows))
    stride = -(-moments // MAX_FILM_FRAMES)
    kept = sorted({*range(0, moments, stride), moments - 1})
    frames = []
    for moment in kept:
        marks = []
        if "film_pixels" in arrays:
            for (left, top, *_), pixels in zip(windows, arrays["film_pixels"][moment], strict=True):
                placed = (pixels + 0.5) * scale + (left, top)
                marks += marks_within(placed, (left, top, left + width, top + height))
        frames.append(
            FilmFrame(
                _side_by_side(images[moment], windows, whole),
                marks,
                moment * CONTROL_PERIOD_S,
                _number(arrays, "film_distance_mm", moment),
                _number(arrays, "film_depth", moment),
                bool(arrays["film_claimed"][moment]) if "film_claimed" in arrays else False,
            )
        )
    strip = sorted({round(i) for i in np.linspace(0, len(frames) - 1, STRIP_MOMENTS)})
    return Film(frames, *whole, windows, strip)


def held_out_frames(arrays: dict[str, np.ndarray]) -> list[HeldOutFrame]:
    """The held-out frames that the run kept."""
    frames = []
    for index, images in enumerate(arrays.get("view_images", ())):
        shots = []
        for view, image in enumerate(images):
            rows, columns = image.shape[:2]
            heat = heatmap_picture(arrays["view_heatmaps"][index, view]) if "view_heatmaps" in arrays else None
            places = [
                marks_within(arrays[name][index, view], (-0.5, -0.5, columns - 0.5, rows - 0.5))
                if name in arrays
                else []
                for name in ("view_detected", "view_reprojected", "view_truth")
            ]
            shots.append(
                Shot(picture_uri(image, lossless=max(rows, columns) <= LOSSLESS_PX), heat, columns, rows, *places)
            )
        error_mm = arrays["view_error_mm"][index].tolist() if "view_error_mm" in arrays else []
        frames.append(HeldOutFrame(shots, error_mm))
    return frames


def _side_by_side(
    images: np.ndarray, windows: list[tuple[int, int, int, int]], whole: tuple[int, int], *, lossless: bool = False
) -> str:
    from PIL import Image

    # Enlarged before encoding: WebP halves the resolution of colour, and a red plug of 10 pixels would bleed.
    canvas = Image.new("RGBA", whole)
    for image, (left, top, width, height) in zip(images, windows, strict=True):
        canvas.paste(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS), (left, top))
    return picture_uri(np.asarray(canvas), lossless=lossless)


def heatmap_picture(probabilities: np.ndarray) -> str:
    """Heatmaps of all keypoints in one transparent picture, each in its colour and scaled to its own peak."""
    share = probabilities.astype(np.float64)
    share /= np.maximum(share.max(axis=(1, 2), keepdims=True), 1e-9)
    colours = np.array([[int(keypoint_colour(k)[i : i + 2], 16) for i in (1, 3, 5)] for k in range(len(share))])
    total = share.sum(0)
    colour = np.einsum("kyx,kc->yxc", share, colours) / np.maximum(total, 1e-9)[..., None]
    opacity = 255 * HEATMAP_OPACITY * np.sqrt(np.minimum(total, 1))
    # Invisible pixels of one colour compress to nothing.
    colour[opacity < 1] = 0
    return picture_uri(np.dstack([colour, opacity]).round().astype(np.uint8), lossless=True)


def picture_uri(image: np.ndarray, *, lossless: bool) -> str:
    """An image, uint8 RGB or RGBA, as a ``data:`` address."""
    from PIL import Image

    target = io.BytesIO()
    Image.fromarray(image).save(target, "WEBP", lossless=lossless, quality=100 if lossless else FILM_QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(target.getvalue()).decode()


def marks_within(pixels: np.ndarray, window: tuple[float, float, float, float]) -> list[Mark]:
    """Those of the keypoints (K, 2) that lie within the window (left, top, right, bottom)."""
    left, top, right, bottom = window
    return [
        Mark(keypoint, round(float(x), 2), round(float(y), 2))
        for keypoint, (x, y) in enumerate(pixels)
        if left <= x <= right and top <= y <= bottom  # not where it is NaN either
    ]


def _number(arrays: dict[str, np.ndarray], name: str, index: int) -> float | None:
    if name not in arrays or not np.isfinite(arrays[name][index]):
        return None
    return float(arrays[name][index])
