"""Rigid motions: of a board in front of a camera, and between two sets of the same points (Kabsch)."""

from dataclasses import dataclass

import cv2
import numpy as np

from s3k_dist.errors import CalibrationError
from s3k_dist.geometry.camera import Camera
from s3k_dist.geometry.rotation import rotation_matrix, rotation_vector

FLAT = 1e-6  # second singular value of centred points to the first: less is a line


@dataclass(frozen=True, eq=False)
class Pose:
    """A rigid motion ``x -> rotation x + translation_m``."""

    rotation: np.ndarray
    translation_m: np.ndarray

    @classmethod
    def of(cls, camera: Camera) -> "Pose":
        """World to camera."""
        return cls(camera.rotation, camera.translation_m)

    @classmethod
    def of_vector(cls, rotation_rad: np.ndarray, translation_m: np.ndarray) -> "Pose":
        """From a rotation vector, shape (3,)."""
        return cls(rotation_matrix(np.asarray(rotation_rad, float)), np.asarray(translation_m, float))

    def __matmul__(self, inner: "Pose") -> "Pose":
        return Pose(self.rotation @ inner.rotation, self.rotation @ inner.translation_m + self.translation_m)

    @property
    def angle_rad(self) -> float:
        """How far it turns."""
        return float(np.linalg.norm(rotation_vector(self.rotation)))

    def inverse(self) -> "Pose":
        """The motion back."""
        return Pose(self.rotation.T, -self.rotation.T @ self.translation_m)

    def apply(self, points_m: np.ndarray) -> np.ndarray:
        """Of points, shape (..., 3)."""
        return np.asarray(points_m @ self.rotation.T + self.translation_m)

    def nudged(self, step: np.ndarray) -> "Pose":
        """By a small turn and move from the left, shape (6,)."""
        return Pose.of_vector(step[:3], step[3:]) @ self


def board_pose(corners_m: np.ndarray, pixels: np.ndarray, camera: Camera) -> Pose | None:
    """Board to camera, from one image; None if the corners do not tell.

    Args:
        corners_m: in the board's frame, z = 0, shape (N, 3).
        pixels: where they are seen, shape (N, 2).
        camera: its lens; its pose does not matter.
    """
    lens = camera.intrinsics, camera.distortion
    best: tuple[float, Pose] | None = None
    try:
        # Of a flat board there are two poses, mirrored, that look alike, and IPPE gives both; but it fails on some
        # exact views. Only after refinement is it plain which is best.
        _, turns, moves, _ = cv2.solvePnPGeneric(corners_m, pixels, *lens, flags=cv2.SOLVEPNP_IPPE)
        _, *alike = cv2.solvePnP(corners_m, pixels, *lens, flags=cv2.SOLVEPNP_SQPNP)
        for rough_turn, rough_move in [alike, *zip(turns, moves, strict=True)]:
            turn, move = cv2.solvePnPRefineLM(corners_m, pixels, *lens, rough_turn, rough_move)
            off = cv2.projectPoints(corners_m, turn, move, *lens)[0].reshape(-1, 2) - pixels
            error = float((off**2).sum())
            if np.isfinite(error) and move[2, 0] > 0 and (best is None or error < best[0]):
                best = error, Pose(cv2.Rodrigues(turn)[0], move.ravel())
    except cv2.error:
        return None
    return None if best is None else best[1]


def fit_points(points_m: np.ndarray, seen_m: np.ndarray) -> tuple[Pose, np.ndarray]:
    """The rigid motion from one frame to another that takes points nearest to where they are seen (Kabsch).

    Args:
        points_m: in the first frame, shape (N, 3).
        seen_m: the same points in the second, shape (N, 3).

    Returns:
        The motion, and the distances that are left, shape (N,), metres.

    Raises:
        CalibrationError: fewer than three points, or all on a line.
    """
    if len(points_m) < 3:
        raise CalibrationError(f"{len(points_m)} points; it takes three that are not on a line")
    middle, seen_middle = points_m.mean(0), seen_m.mean(0)
    for points in (points_m - middle, seen_m - seen_middle):
        spread = np.linalg.svd(points, compute_uv=False)
        if spread[1] <= FLAT * spread[0] or spread[0] == 0:
            raise CalibrationError(f"the {len(points_m)} points lie on a line; at least one has to lie beside it")
    left, _, right = np.linalg.svd((seen_m - seen_middle).T @ (points_m - middle))
    mirror = np.diag([1.0, 1.0, float(np.sign(np.linalg.det(left @ right)))])
    rotation = left @ mirror @ right
    pose = Pose(rotation, seen_middle - rotation @ middle)
    return pose, np.linalg.norm(pose.apply(points_m) - seen_m, axis=-1)
