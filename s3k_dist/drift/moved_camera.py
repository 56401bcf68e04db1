"""Tells a moved camera from a model that sees worse, names it, and says where it is now.

When the scene changes, detections get noisier or wrong in every view. When a camera is knocked, detections stay as good
as they were, and in that one camera all keypoints lie off, each as another pose of the camera has it. So every camera's
pose is fitted to its pixels of the points that the others triangulate (`pose_fit.py`), and the explanations are
compared by how well all views agree then. A moved camera is named only if its new pose

- leaves clearly less disagreement than the calibrated poses do, and than any other camera's new pose does;
- explains each keypoint when it is fitted on the other keypoints alone: a keypoint that is seen in a wrong place moves
  no camera;
- differs from the calibrated one by much more than the fit's uncertainty, and by enough pixels to matter;
- is no long move that a wide turn all but cancels: such a pair fits any small biases.

From half a metre through a narrow lens, a camera that moved by 8 mm and one that turned by a degree see nearly the
same; what tells them apart is how keypoints at different depths shift, and that takes many frames. So the motion
reported is the simplest that the frames do not contradict: a move alone, a turn alone, or both; its covariance is that
of both, fitted freely.

Only motion relative to the other cameras can be seen: three or more that stayed define the frame. All cameras moved
together look like none; of two, either may be the one that moved.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from s3k_dist.drift.pose_fit import BLOCKS, CameraMotion, PoseFit, fit_pose, moved, simplest_motion
from s3k_dist.drift.views import directions, nearest_points, project
from s3k_dist.errors import GeometryError
from s3k_dist.features.types import FrameFeatures
from s3k_dist.geometry.camera import Camera

MIN_FRAMES = 40  # 10 s at 4 Hz
MIN_CONFIDENCE = 0.3  # detections less sharp than this are not used
MIN_SHIFT_PX = 0.4  # at 128 px: less is within what a calibration is good for
SIGNIFICANT = 40.0  # squared Mahalanobis distance; 22 is exceeded by chance once in a thousand with six parameters
LESS_DISAGREEMENT = 0.9  # of the calibrated poses' that may be left, at most
BETTER_THAN_OTHERS = 0.9  # of the next best camera's
CANCELLING = 5.0  # pixels by which a move alone and a turn alone shift points, to those by which both do
EXPLAINED = 0.8  # of each keypoint's squared distance that may be left by a pose fitted on the others


@dataclass(frozen=True, eq=False)
class Undecided:
    """The frames cannot tell.

    Attributes:
        reason: why, and what would be needed.
    """

    reason: str


@dataclass(frozen=True, eq=False)
class NotMoved:
    """No camera's motion explains what is seen: all are where they were, and the model may see worse.

    Attributes:
        reason: what spoke against the likeliest camera.
    """

    reason: str


@dataclass(frozen=True, eq=False)
class MovedCamera:
    """One camera is elsewhere.

    Attributes:
        camera: its name.
        motion: since its calibration.
        proposed: the camera as it is now.
        residual_px: mean distance of its detections from the others' points, with the calibrated pose.
        residual_now_px: the same with the proposed pose.
    """

    camera: str
    motion: CameraMotion
    proposed: Camera
    residual_px: float
    residual_now_px: float

    def __str__(self) -> str:
        sigma = np.sqrt(np.diag(self.motion.covariance))
        return (
            f"camera {self.camera} has moved by {1e3 * self.motion.distance_m:.1f} mm "
            f"(+-{1e3 * np.linalg.norm(sigma[:3]):.1f}) and turned by {np.degrees(self.motion.angle_rad):.2f} degrees "
            f"(+-{np.degrees(np.linalg.norm(sigma[3:])):.2f}): residual {self.residual_px:.1f} px, "
            f"{self.residual_now_px:.1f} px with the proposed pose"
        )


Explanation = MovedCamera | NotMoved | Undecided


def explain(window: Sequence[FrameFeatures], cameras: Sequence[Camera]) -> Explanation:
    """Whether one of a cell's cameras has moved since its calibration.

    Args:
        window: frames since the change, of one cell; 60 to 240 of a moving robot tell the motion well.
        cameras: the cell's, as calibrated, in the order of the features' views.

    Raises:
        GeometryError: features and cameras do not name the same views.
    """
    _require_same_views(window, cameras)
    if len(cameras) < 3:
        return Undecided(f"{len(cameras)} cameras: either may be the one that moved; it takes three to tell")
    if len(window) < MIN_FRAMES:
        return Undecided(f"{len(window)} frames since the change; at least {MIN_FRAMES} are needed")
    if len(window[0].keypoint_names) < 2:
        return Undecided("one keypoint: seen in a wrong place it looks as a moved camera does; it takes two to tell")
    seen = _Seen.of(window, cameras)
    whole = seen.disagreement(cameras)
    fits = [_fit(seen, number) for number in range(len(cameras))]
    # Judged by the smallest disagreement of all views together, with one camera's pose corrected.
    left = [np.inf if fit is None else seen.disagreement(_with(cameras, i, fit.camera)) for i, fit in enumerate(fits)]
    number = int(np.argmin(left))
    fit = fits[number]
    if fit is None:
        return Undecided("no camera sees enough of what the others see")
    name = cameras[number].name
    if not left[number] < LESS_DISAGREEMENT * whole:
        return NotMoved(f"no camera's motion makes the views agree better; {name}'s leaves {left[number] / whole:.0%}")
    others = min(value for i, value in enumerate(left) if i != number)
    if not left[number] < BETTER_THAN_OTHERS * others:
        rival = cameras[int(np.argsort(left)[1])].name
        return NotMoved(f"motions of {name} and of {rival} explain the frames alike")
    kept, worst = _unexplained(seen, number)
    if kept > EXPLAINED:
        return NotMoved(
            f"a motion of {name} does not explain keypoint {window[0].keypoint_names[worst]}: fitted on the others it "
            f"leaves {kept:.0%} of its squared distance"
        )
    size = float(fit.vector @ np.linalg.solve(fit.covariance, fit.vector))
    shift_px = fit.shift_px * 128 / cameras[number].width_px
    if size < SIGNIFICANT or shift_px < MIN_SHIFT_PX:
        return NotMoved(f"{name} may have moved, by {shift_px:.2f} px at 128 px: too little to be sure, or to matter")
    motion = simplest_motion(fit.vector, fit.covariance)
    proposed = moved(cameras[number], motion)
    if seen.cancelling(number, motion) > CANCELLING:
        return NotMoved(f"{name} fits best with a move that a turn all but cancels: nothing knocks a camera like that")
    return MovedCamera(name, motion, proposed, fit.residual_px, fit.residual_now_px)


@dataclass(frozen=True, eq=False)
class _Seen:
    """Detections of F frames, V views, K keypoints.

    Attributes:
        pixels: shape (F, K, V, 2).
        rays: directions by the calibrated poses, the same shape with 3.
        weights: confidence, 0 where a detection is not used, shape (F, K, V).
        cameras: as calibrated.
    """

    pixels: np.ndarray
    rays: np.ndarray
    weights: np.ndarray
    cameras: tuple[Camera, ...]

    @classmethod
    def of(cls, window: Sequence[FrameFeatures], cameras: Sequence[Camera]) -> "_Seen":
        pixels = np.stack([features.pixels for features in window]).swapaxes(1, 2).astype(float)
        weights = np.stack([features.confidence for features in window]).swapaxes(1, 2).astype(float)
        usable = np.isfinite(pixels).all(-1) & (weights >= MIN_CONFIDENCE)
        pixels = np.where(usable[..., None], pixels, [camera.intrinsics[:2, 2] for camera in cameras])
        rays = np.stack([directions(pixels[:, :, i], camera) for i, camera in enumerate(cameras)], axis=2)
        return cls(pixels, rays, np.where(usable, weights, 0.0), tuple(cameras))

    def disagreement(self, cameras: Sequence[Camera]) -> float:
        """Robust mean of the squared distance, pixels, of the detections from their common points re-projected."""
        moved = [
            self.rays[:, :, i] if camera is self.cameras[i] else directions(self.pixels[:, :, i], camera)
            for i, camera in enumerate(cameras)
        ]
        points = nearest_points(np.stack(moved, axis=2), np.stack([c.centre_m for c in cameras]), self.weights)
        off = [project(points, camera)[0] - self.pixels[:, :, i] for i, camera in enumerate(cameras)]
        squared = (np.stack(off, axis=2) ** 2).sum(-1)
        known = np.isfinite(squared) & (self.weights > 0)
        # The worst twentieth, look-alikes and covered keypoints, says nothing of poses.
        counted = np.sort(squared[known])
        return float(counted[: int(0.95 * len(counted))].mean()) if len(counted) else np.inf

    def cancelling(self, number: int, motion: CameraMotion) -> float:
        """How far a motion's move and turn shift points each alone, to how far they do together."""
        camera, points = self.cameras[number], self.points_without(number)
        points = points[np.isfinite(points).all(-1)]
        none = np.zeros(3)
        parts = motion, replace(motion, turned_rad=none), replace(motion, centre_m=none)
        old = project(points, camera)[0]
        together, *alone = (
            float(np.linalg.norm(project(points, moved(camera, part))[0] - old, axis=-1).mean()) for part in parts
        )
        return sum(alone) / max(together, 1e-9)

    def points_without(self, number: int) -> np.ndarray:
        """World points by all cameras but one, shape (F, K, 3); NaN where that one or all but one of them are blind."""
        others = [i for i in range(len(self.cameras)) if i != number]
        centres = np.stack([self.cameras[i].centre_m for i in others])
        points = nearest_points(self.rays[:, :, others], centres, self.weights[:, :, others])
        return np.where(self.weights[:, :, number, None] > 0, points, np.nan)


def _fit(seen: _Seen, number: int, keypoints: Sequence[int] | None = None) -> PoseFit | None:
    """The pose of one camera on the others' points, of all keypoints or some; None if they do not determine it."""
    chosen = slice(None) if keypoints is None else list(keypoints)
    points, pixels = seen.points_without(number)[:, chosen], seen.pixels[:, chosen, number]
    frames = np.broadcast_to(np.arange(len(points))[:, None], points.shape[:2])
    known = np.isfinite(points).all(-1)
    if known.sum() < MIN_FRAMES:
        return None
    trust = seen.weights[:, chosen, number][known]
    return fit_pose(seen.cameras[number], points[known], pixels[known], trust, frames[known])


def _unexplained(seen: _Seen, number: int) -> tuple[float, int]:
    """Share of a keypoint's squared distance that a pose fitted on the others leaves: the worst, and of which."""
    points, worst = seen.points_without(number), (0.0, 0)
    for k in range(points.shape[1]):
        fit = _fit(seen, number, [other for other in range(points.shape[1]) if other != k])
        known = np.isfinite(points[:, k]).all(-1)
        if fit is None or known.sum() < BLOCKS:
            continue
        old, new = (
            np.median(np.linalg.norm(project(points[known, k], camera)[0] - seen.pixels[known, k, number], axis=-1))
            for camera in (seen.cameras[number], fit.camera)
        )
        worst = max(worst, (float((new / max(old, 1e-9)) ** 2), k))
    return worst


def _with(cameras: Sequence[Camera], number: int, camera: Camera) -> list[Camera]:
    return [*cameras[:number], camera, *cameras[number + 1 :]]


def _require_same_views(window: Sequence[FrameFeatures], cameras: Sequence[Camera]) -> None:
    names = tuple(camera.name for camera in cameras)
    for features in window:
        if features.camera_names != names:
            raise GeometryError(
                f"frame {features.cell_id}/{features.sequence:08d} has views {', '.join(features.camera_names)}; "
                f"expected those of the calibrated cameras, {', '.join(names)}"
            )
