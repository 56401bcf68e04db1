"""Corners of a board as cameras see them, by projection: what rendered images would give, in no time."""

from collections.abc import Mapping

import numpy as np

from experiments.calibration_scene import Poses
from s3k_dist.calibration.board import Board
from s3k_dist.calibration.detection import Sighting, Sightings
from s3k_dist.drift.views import project
from s3k_dist.geometry.camera import Camera

BOARD = Board(squares_across=9, squares_down=7, square_m=0.045, marker_m=0.03)
SLANTED = np.cos(np.radians(65))


def seen(
    cameras: Mapping[str, Camera], poses: Poses, rng: np.random.Generator, noise_px: float, board: Board = BOARD
) -> Sightings:
    """All corners inside the images, of boards that face the camera, with noise."""
    views = []
    for set_name, pose in poses.items():
        world = pose.apply(board.corners_m)
        for name, camera in cameras.items():
            pixels, _ = project(world, camera)
            towards = camera.centre_m - world.mean(0)
            inside = ((pixels > 2) & (pixels < np.array([camera.width_px, camera.height_px]) - 3)).all(-1)
            if pose.rotation[:, 2] @ towards < SLANTED * np.linalg.norm(towards) or inside.sum() < 8:
                continue
            ids = np.flatnonzero(inside)
            noisy = pixels[ids] + noise_px * rng.standard_normal((len(ids), 2))
            views.append(Sighting(set_name, name, ids, noisy))
    sizes = {name: (camera.width_px, camera.height_px) for name, camera in cameras.items()}
    return Sightings(board, sizes, tuple(views), tuple(poses))
