"""Cameras around a workspace in random directions (section 4.1 and App. D)."""

from dataclasses import dataclass

import numpy as np

from s3k_dist.geometry.camera import NO_DISTORTION, Camera


@dataclass(frozen=True)
class Rig:
    """Where cameras may be; each looks roughly at the middle of the workspace.

    The defaults give App. D: at 400 px, one pixel is 2.8 mm in the middle of the workspace (8.7 mm at 128 px).

    Attributes:
        views: number of cameras, spread over the azimuths.
        distance_m: of each camera from the middle.
        fovy_deg: field of view.
        elevation_rad: least and greatest.
        azimuth_rad: how far a camera strays from its share of the circle, plus or minus.
        middle_m: what the cameras look at.
        aim_m: how far they miss it, along each axis, plus or minus.
    """

    views: int = 4
    distance_m: float = 1.35
    fovy_deg: float = 45.0
    elevation_rad: tuple[float, float] = (0.6, 1.1)
    azimuth_rad: float = 0.4
    middle_m: tuple[float, float, float] = (0.0, 0.0, 0.12)
    aim_m: float = 0.03

    def draw(self, rng: np.random.Generator, size_px: int) -> tuple[Camera, ...]:
        """Cameras for one scene, with square images of ``size_px``."""
        focal = size_px / (2 * np.tan(np.radians(self.fovy_deg) / 2))
        principal = (size_px - 1) / 2
        intrinsics = np.array([[focal, 0, principal], [0, focal, principal], [0, 0, 1]])
        middle = np.array(self.middle_m)
        cameras = []
        for index in range(self.views):
            azimuth = 2 * np.pi * index / self.views + rng.uniform(-self.azimuth_rad, self.azimuth_rad)
            elevation = rng.uniform(*self.elevation_rad)
            outward = np.array(
                [np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)]
            )
            centre = middle + self.distance_m * outward
            forward = middle + rng.uniform(-self.aim_m, self.aim_m, 3) - centre
            forward /= np.linalg.norm(forward)
            right = np.cross(forward, [0.0, 0.0, 1.0])
            right /= np.linalg.norm(right)
            rotation = np.stack([right, np.cross(forward, right), forward])
            cameras.append(
                Camera(f"cam{index}", size_px, size_px, intrinsics, NO_DISTORTION, rotation, -rotation @ centre)
            )
        return tuple(cameras)
