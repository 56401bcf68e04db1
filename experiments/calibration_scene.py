"""Rendered boards with known truth: four cameras around a table at about a metre, as good or as bad as asked for."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

import numpy as np

from actors.sim.scenes.rig import Rig
from s3k_dist.calibration.board import Board
from s3k_dist.calibration.pose import Pose
from s3k_dist.calibration.rendering import BoardRenderer, Sensor
from s3k_dist.geometry.camera import Camera

RIG = Rig(distance_m=1.0, fovy_deg=40.0, elevation_rad=(0.6, 1.0), azimuth_rad=0.25, middle_m=(0.0, 0.0, 0.05))
DISTORTION = np.array([-0.15, 0.1, 0.0008, -0.0005, 0.02])
MOVED = Pose.of_vector(np.array([0.0, 0.0, 0.02]), np.array([0.004, 0.0, 0.0]))  # between two cameras' images

Poses = dict[str, Pose]


def draw_cameras(rng: np.random.Generator, size_px: int) -> dict[str, Camera]:
    """Four cameras that differ in distance, focal length, principal point and lens."""
    cameras = {}
    for camera in RIG.draw(rng, size_px):
        intrinsics = camera.intrinsics.copy()
        intrinsics[:2] *= rng.uniform(0.95, 1.05)
        intrinsics[1, 1] *= rng.uniform(0.998, 1.002)
        intrinsics[:2, 2] = (size_px - 1) / 2 + rng.uniform(-0.015, 0.015, 2) * size_px
        centre = camera.centre_m * rng.uniform(0.92, 1.08)
        cameras[camera.name] = replace(
            camera,
            intrinsics=intrinsics,
            distortion=DISTORTION * rng.uniform(0.7, 1.3),
            translation_m=-camera.rotation @ centre,
        )
    return cameras


def draw_poses(
    rng: np.random.Generator,
    board: Board,
    count: int,
    *,
    tilt_deg: float = 45.0,
    reach_m: float = 0.16,
    middle_m: tuple[float, float, float] = (0.0, 0.0, 0.05),
) -> Poses:
    """Boards over the table, board to world: any yaw, tilted by ``tilt_deg`` at most, ``reach_m`` about the middle."""
    poses = {}
    half = np.append(np.array(board.size_m) / 2, 0.0)
    for number in range(count):
        around, tilt = rng.uniform(0, 2 * np.pi), np.radians(tilt_deg) * rng.uniform()
        yaw = Pose.of_vector(np.array([0.0, 0.0, rng.uniform(-np.pi, np.pi)]), np.zeros(3))
        leaning = Pose.of_vector(tilt * np.array([np.cos(around), np.sin(around), 0.0]), np.zeros(3)) @ yaw
        middle = np.array(middle_m) + rng.uniform(-1, 1, 3) * [reach_m, reach_m, 0.6 * reach_m]
        poses[f"{number:04d}"] = Pose(leaning.rotation, middle - leaning.rotation @ half)
    return poses


def rendered(
    cameras: Mapping[str, Camera],
    poses: Poses,
    board: Board,
    rng: np.random.Generator,
    *,
    sensor: Sensor | None = None,
    shown: Callable[[str, str], bool] = lambda _set, _camera: True,
    moved: Collection[tuple[str, str]] = (),
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """The sets of images, one after the other.

    Args:
        cameras: by name.
        poses: board to world, by set.
        board: what they see.
        rng: of the noise.
        sensor: blur and noise.
        shown: whether a set has a camera's image.
        moved: set and camera of images taken a moment later, when the board was elsewhere.
    """
    renderer = BoardRenderer(board, sensor or Sensor())
    for name, pose in poses.items():
        images = {}
        for camera in cameras.values():
            if not shown(name, camera.name):
                continue
            seen = MOVED @ pose if (name, camera.name) in moved else pose
            images[camera.name] = renderer.image(camera, seen.rotation, seen.translation_m, rng)
        yield name, images


def facing(pose: Pose, cameras: Mapping[str, Camera]) -> str:
    """The camera that a board faces most."""

    def cosine(camera: Camera) -> float:
        towards = camera.centre_m - pose.translation_m
        return float(pose.rotation[:, 2] @ towards / np.linalg.norm(towards))

    return max(cameras, key=lambda name: cosine(cameras[name]))


def errors(found: Mapping[str, Camera], truth: Mapping[str, Camera]) -> dict[str, tuple[float, float, float]]:
    """How far cameras are off relative to the first of them: place, mm; direction, degrees; focal length, percent."""
    first = next(iter(found))
    off = {}
    for name, camera in found.items():
        is_, should = (Pose.of(cameras[name]) @ Pose.of(cameras[first]).inverse() for cameras in (found, truth))
        place = is_.inverse().translation_m - should.inverse().translation_m
        focal = np.diag(camera.intrinsics)[:2] / np.diag(truth[name].intrinsics)[:2] - 1
        turn = (is_ @ should.inverse()).angle_rad
        off[name] = 1e3 * float(np.linalg.norm(place)), float(np.degrees(turn)), 100 * float(np.abs(focal).max())
    return off
