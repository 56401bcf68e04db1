"""Where a point seen in one view may be in another: the image of its ray, a line that the lens bends into a curve."""

import numpy as np
import torch

from s3k_dist.geometry.camera import Camera
from s3k_dist.geometry.projection import Cameras, distort, rays

SAMPLES = 65  # of a curve: at 2000 px its chords are off by less than 0.1 px for a lens of any quality
NEAREST = 1e-3  # depth as a share of the ray's length; a point at the camera's centre is nowhere in its image
WIDENED = 0.3  # of the image on each side: a lens may draw in what lies beyond, and folds over farther out


def epipolar_curve(pixel: np.ndarray, source: Camera, target: Camera) -> np.ndarray:
    """The curve in ``target`` on which what ``source`` shows at ``pixel`` must lie.

    Args:
        pixel: in the source's image, shape (2,).
        source: the camera that sees the point.
        target: another camera of the same rig.

    Returns:
        Pixels along the curve, from near the source to far away, shape (N, 2), to a little beyond the target's image;
        N is 0 where the target does not see the ray.

    Raises:
        GeometryError: the source's lens model cannot be inverted at ``pixel``.
    """
    one, other = Cameras.stack([source]), Cameras.stack([target])
    direction = rays(torch.from_numpy(np.asarray(pixel, dtype=np.float64)).reshape(1, 1, 2), one)[0, 0].numpy()
    # Homogeneous, on the target's normalised plane: the point at share t of the way from the source to infinity.
    start = target.rotation @ source.centre_m + target.translation_m
    end = target.rotation @ direction
    inside = _inside(start, end, target)
    if inside is None:
        return np.zeros((0, 2))
    ends = np.stack([(1 - t) * start + t * end for t in inside])
    ends = ends[:, :2] / ends[:, 2:]
    # Without distortion the curve is straight; evenly along it, whatever the depths are.
    share = np.linspace(0, 1, SAMPLES)[:, None]
    straight = torch.from_numpy((1 - share) * ends[0] + share * ends[1])
    curve = distort(straight, other.distortion).numpy() @ target.intrinsics[:2, :2].T + target.intrinsics[:2, 2]
    edge = np.array([target.width_px, target.height_px]) - 0.5
    seen = ((curve >= -0.5) & (curve <= edge)).all(axis=1)
    return np.asarray(curve) if seen.any() else np.zeros((0, 2))


def _inside(start: np.ndarray, end: np.ndarray, camera: Camera) -> tuple[float, float] | None:
    """From which to which share of the way the ray is before the camera and near its image; None if nowhere."""
    low, high = 0.0, 1.0
    width, height = camera.width_px, camera.height_px
    corners = np.array([(u, v, 1) for u in _widened(width) for v in _widened(height)])
    plane = corners @ np.linalg.inv(camera.intrinsics).T
    nearest = NEAREST * max(float(np.linalg.norm(start)), 1e-9)
    # Each bound is a half-space through the camera's centre, and the way is straight: its share in one is an interval.
    for normal, least in (
        ((0.0, 0.0, 1.0), nearest),
        ((1.0, 0.0, -plane[:, 0].min()), 0.0),
        ((-1.0, 0.0, plane[:, 0].max()), 0.0),
        ((0.0, 1.0, -plane[:, 1].min()), 0.0),
        ((0.0, -1.0, plane[:, 1].max()), 0.0),
    ):
        first, last = float(np.dot(normal, start)) - least, float(np.dot(normal, end)) - least
        if first < 0 and last < 0:
            return None
        if first < 0:
            low = max(low, first / (first - last))
        elif last < 0:
            high = min(high, first / (first - last))
    return (low, high) if low < high else None


def _widened(size_px: int) -> tuple[float, float]:
    return -0.5 - WIDENED * size_px, (1 + WIDENED) * size_px - 0.5
