"""What a detector says of a moving object, made by hand."""

from collections.abc import Sequence

import numpy as np

from s3k_dist.drift.views import project
from s3k_dist.features.types import FrameFeatures
from s3k_dist.geometry.camera import Camera
from tests.scenes import ring

KEYPOINTS = ("tip", "base", "socket")
PERIOD_NS = 250_000_000


def rig(views: int = 4, *, focal_px: float = 301.0, **options: object) -> list[Camera]:
    """Cameras 45 cm away, of 24 degrees at 128 px."""
    return ring(views, distance_m=0.45, focal_px=focal_px, **options)


def said(
    sequence: int,
    *,
    pixels: np.ndarray | None = None,
    residual_px: np.ndarray | float = 0.5,
    confidence: np.ndarray | float = 0.95,
    version: int = 1,
    views: int = 4,
    keypoints: Sequence[str] = KEYPOINTS,
) -> FrameFeatures:
    """Features of one frame."""
    shape = views, len(keypoints)
    return FrameFeatures(
        cell_id="cell0",
        sequence=sequence,
        captured_at_ns=sequence * PERIOD_NS,
        model_version=version,
        keypoint_names=tuple(keypoints),
        camera_names=tuple(f"cam{i}" for i in range(views)),
        positions_m=np.zeros((shape[1], 3)),
        covariance_m2=np.tile(np.eye(3), (shape[1], 1, 1)),
        pixels=np.zeros((*shape, 2)) if pixels is None else pixels,
        confidence=np.broadcast_to(confidence, shape),
        residual_px=np.broadcast_to(residual_px, shape),
    )


def slow(rng: np.random.Generator, frames: int, shape: tuple[int, ...], correlation: float) -> np.ndarray:
    """Unit noise whose neighbouring frames are so correlated, shape (frames, *shape)."""
    noise = rng.normal(size=(frames, *shape))
    for i in range(1, frames):
        noise[i] = correlation * noise[i - 1] + np.sqrt(1 - correlation**2) * noise[i]
    return noise


def residuals(rng: np.random.Generator, frames: int, correlation: float, *, noise_px: float = 0.5) -> np.ndarray:
    """Residuals of detections that err half at random, half as the slow motion has it, shape (frames, 4, 3), pixels."""
    half = np.sqrt(0.5)
    error = half * slow(rng, frames, (4, 3, 2), correlation) + half * rng.normal(size=(frames, 4, 3, 2))
    return np.linalg.norm(noise_px * error, axis=-1)


def window(
    rng: np.random.Generator,
    cameras: Sequence[Camera],
    *,
    frames: int = 480,
    span_m: float = 0.15,
    noise_px: float = 0.5,
    off_px: np.ndarray | float = 0.0,
    keypoints: Sequence[str] = KEYPOINTS,
) -> list[FrameFeatures]:
    """Detections, by ``cameras`` as they truly stand, of keypoints anywhere in a workspace so wide.

    Args:
        rng: decides points and noise.
        cameras: as they are, whatever the calibration says.
        frames: how many.
        span_m: side of the workspace, metres.
        noise_px: of a detection along each axis.
        off_px: bias of all detections, broadcast to (views, keypoints, 2).
        keypoints: their names.
    """
    points_m = span_m * (rng.random((frames, len(keypoints), 3)) - 0.5)
    pixels = np.stack([project(points_m, camera)[0] for camera in cameras], axis=1)
    pixels = pixels + noise_px * rng.normal(size=pixels.shape) + off_px
    return [said(i, pixels=seen, views=len(cameras), keypoints=keypoints) for i, seen in enumerate(pixels)]
