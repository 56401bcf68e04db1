"""Where a camera stands, from its pixels of known points: Gauss-Newton on its centre and rotation, robust."""

from dataclasses import dataclass, replace

import numpy as np

from s3k_dist.drift.views import pixel_slope, project
from s3k_dist.geometry.camera import Camera
from s3k_dist.geometry.rotation import cross, rotation_matrix, rotation_vector

FIT_STEPS = 15
HUBER = 1.345  # in standard deviations: 95% of the efficiency of least squares on Gaussian noise
BLOCKS = 12  # of frames, whose gradients count as independent: detections of neighbouring frames err alike
SIMPLE_ENOUGH = 7.8  # squared Mahalanobis distance of what a simpler motion leaves out; 5% of the true ones exceed it


@dataclass(frozen=True, eq=False)
class CameraMotion:
    """A rigid motion of a camera.

    Attributes:
        centre_m: how far its optical centre moved, world frame, shape (3,), metres.
        turned_rad: how it turned, a rotation vector in its own old frame, shape (3,), radians.
        covariance: of both, in this order, fitted freely, shape (6, 6), metres and radians.
        settled: whether the frames tell a move from a turn; if not, the likelier one is given.
    """

    centre_m: np.ndarray
    turned_rad: np.ndarray
    covariance: np.ndarray
    settled: bool

    @property
    def distance_m(self) -> float:
        """How far the centre moved, metres."""
        return float(np.linalg.norm(self.centre_m))

    @property
    def angle_rad(self) -> float:
        """How far it turned, radians."""
        return float(np.linalg.norm(self.turned_rad))


@dataclass(frozen=True, eq=False)
class PoseFit:
    """A camera's pose, fitted to given points.

    Attributes:
        camera: with the fitted pose.
        vector: centre, world frame, metres, and rotation vector, shape (6,).
        covariance: of it, shape (6, 6).
        shift_px: mean distance between the points' pixels by the old pose and by the new one.
        residual_px: mean distance of the pixels from the points by the old pose.
        residual_now_px: by the new one.
    """

    camera: Camera
    vector: np.ndarray
    covariance: np.ndarray
    shift_px: float
    residual_px: float
    residual_now_px: float


def fit_pose(
    camera: Camera, points_m: np.ndarray, pixels: np.ndarray, trust: np.ndarray, frames: np.ndarray
) -> PoseFit | None:
    """The pose in which a camera sees points where it does; None if they do not determine it.

    With ``d`` the centre's motion and ``w`` the rotation vector, a world point ``x`` is at ``exp(w) R (x - c - d)`` in
    the camera.

    Args:
        camera: as calibrated.
        points_m: world frame, metres, shape (N, 3).
        pixels: where it sees them, shape (N, 2).
        trust: weight of each, shape (N,).
        frames: number of the frame that each was seen in, shape (N,).
    """
    centre, turn = camera.centre_m.copy(), np.eye(3)
    for _ in range(FIT_STEPS):
        posed = _posed(camera, turn @ camera.rotation, centre)
        now, inside_m = project(points_m, posed)
        off = pixels - now
        slope = pixel_slope(inside_m, posed)
        jacobian = np.concatenate([-slope @ posed.rotation, -slope @ cross(inside_m)], axis=-1)
        distance = np.linalg.norm(off, axis=-1)
        # Of a Rayleigh distribution, whose median is 1.1774 standard deviations.
        noise_px = max(1e-6, float(np.median(distance)) / 1.1774)
        weights = trust * np.minimum(1.0, HUBER * noise_px / np.maximum(distance, 1e-9))
        normal = np.einsum("n,nij,nik->jk", weights, jacobian, jacobian)
        gradient = np.einsum("n,nij,ni->nj", weights, jacobian, off)
        if not np.isfinite(normal).all() or np.linalg.cond(_scaled(normal)) > 1e8:
            return None
        step = np.linalg.solve(normal, gradient.sum(0))
        centre, turn = centre + step[:3], rotation_matrix(step[3:]) @ turn
        if np.abs(step).max() < 1e-9:
            break
    posed = _posed(camera, turn @ camera.rotation, centre)
    before, after = project(points_m, camera)[0], project(points_m, posed)[0]
    return PoseFit(
        camera=posed,
        vector=np.concatenate([centre - camera.centre_m, rotation_vector(turn)]),
        covariance=_covariance(normal, gradient, frames),
        shift_px=float(np.linalg.norm(after - before, axis=-1).mean()),
        residual_px=float(np.linalg.norm(pixels - before, axis=-1).mean()),
        residual_now_px=float(np.linalg.norm(pixels - after, axis=-1).mean()),
    )


def simplest_motion(vector: np.ndarray, covariance: np.ndarray) -> CameraMotion:
    """A move alone or a turn alone, if the fit does not contradict it; otherwise both.

    Args:
        vector: the fitted motion: centre, metres, and rotation vector, radians, shape (6,).
        covariance: of it, shape (6, 6).
    """
    centre, turn = slice(0, 3), slice(3, 6)
    simple = []
    for kept, dropped in ((centre, turn), (turn, centre)):
        given = np.linalg.solve(covariance[dropped, dropped], vector[dropped])
        alone = np.zeros(6)
        alone[kept] = vector[kept] - covariance[kept, dropped] @ given
        simple.append((float(vector[dropped] @ given), alone))
    contradiction, likelier = min(simple, key=lambda each: each[0])
    if contradiction > SIMPLE_ENOUGH:
        return CameraMotion(vector[:3], vector[3:], covariance, settled=True)
    settled = max(each[0] for each in simple) > SIMPLE_ENOUGH
    return CameraMotion(likelier[:3], likelier[3:], covariance, settled)


def moved(camera: Camera, motion: CameraMotion) -> Camera:
    """The camera after a motion."""
    return _posed(camera, rotation_matrix(motion.turned_rad) @ camera.rotation, camera.centre_m + motion.centre_m)


def _covariance(normal: np.ndarray, gradient: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Of the fitted motion, from how the gradients of blocks of frames scatter: neighbours are not independent."""
    edges = np.linspace(frames.min(), frames.max() + 1, BLOCKS + 1)
    block = np.digitize(frames, edges) - 1
    sums = np.stack([gradient[block == b].sum(0) for b in range(BLOCKS)])
    # Blocks that are too few for six parameters understate the scatter; nor is it less than independent noise has it.
    scatter = np.einsum("bi,bj->ij", sums, sums) * BLOCKS / (BLOCKS - 6) + gradient.T @ gradient
    inverse = np.linalg.inv(normal)
    return inverse @ scatter @ inverse


def _posed(camera: Camera, rotation: np.ndarray, centre_m: np.ndarray) -> Camera:
    # Where it is now is not what its calibration file says.
    return replace(camera, rotation=rotation, translation_m=-rotation @ centre_m, calibration="")


def _scaled(normal: np.ndarray) -> np.ndarray:
    """Free of units: metres and radians compare no more."""
    scale = np.sqrt(np.maximum(np.diag(normal), 1e-300))
    return normal / np.outer(scale, scale)
