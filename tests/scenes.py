"""Cameras around a workspace, for tests of geometry and models."""

import numpy as np

from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.geometry.camera import Camera


def look_at(
    azimuth: float,
    elevation: float,
    *,
    name: str = "cam0",
    size_px: int = 128,
    distance_m: float = 0.5,
    focal_px: float = 300.0,
    distortion: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0),
) -> Camera:
    """A camera on a sphere around the origin that looks at it."""
    outward = np.array([np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)])
    forward = -outward
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    middle = (size_px - 1) / 2
    intrinsics = np.array([[focal_px, 0, middle], [0, focal_px, middle], [0, 0, 1]])
    return Camera(
        name, size_px, size_px, intrinsics, np.array(distortion), rotation, -rotation @ (distance_m * outward)
    )


def ring(views: int = 4, **options: object) -> list[Camera]:
    """Cameras spread around the workspace at different heights."""
    return [
        look_at(0.3 + 2 * np.pi * i / views, 0.3 + 0.1 * (i % 2), name=f"cam{i}", **options)  # type: ignore[arg-type]
        for i in range(views)
    ]


def frame(cameras: list[Camera], *, sequence: int = 0, cell_id: str = "cell0", seed: int = 0) -> MultiViewFrame:
    """Noise images."""
    rng = np.random.default_rng(seed)
    views = tuple(
        View(camera, rng.integers(0, 256, (camera.height_px, camera.width_px, 3), np.uint8), 1_000 + i)
        for i, camera in enumerate(cameras)
    )
    return MultiViewFrame(cell_id, sequence, 1_000, views)
