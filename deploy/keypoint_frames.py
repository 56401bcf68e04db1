"""Frames of an evaluation for its page: every view with heatmaps, marks, and ellipses of confidence."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from deploy.ellipses import ellipse_90, pixels_of, projected_covariance
from deploy.report.pictures import LOSSLESS_PX, Shot, heatmap_picture, marks_within, picture_uri
from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame, stack_images
from s3k_dist.geometry.projection import Cameras
from s3k_dist.keypoints.detector import KeypointDetector

CLOSE_UP_PX = 16  # at 128 px


@dataclass(frozen=True)
class Ellipse:
    """Where 90% of the re-projections of one keypoint should fall in one view; pixels and degrees."""

    keypoint: int
    x: float
    y: float
    along: float
    across: float
    turn_deg: float


@dataclass(frozen=True)
class CloseUp:
    """One keypoint in one view: a square window in pixels, and how far off it is there."""

    keypoint: int
    left: float
    top: float
    side: float
    detected_off_px: float
    reprojected_off_px: float


@dataclass(frozen=True)
class EvaluatedView:
    """One view of a frame."""

    camera: str
    shot: Shot
    ellipses: list[Ellipse]
    close_ups: list[CloseUp]


@dataclass(frozen=True)
class EvaluatedFrame:
    """All views of a frame, and the 3-D error of each keypoint in millimetres."""

    title: str
    frame_id: str
    error_mm: list[float]
    views: list[EvaluatedView]

    @property
    def mean_mm(self) -> float:
        """Over the keypoints."""
        return float(np.mean(self.error_mm))


def evaluated_frames(
    detector: KeypointDetector, titles: Sequence[str], frames: Sequence[MultiViewFrame], truth_m: np.ndarray
) -> list[EvaluatedFrame]:
    """Detect the keypoints of frames, and make all that is to be drawn.

    Args:
        detector: the model.
        titles: one for each frame.
        frames: of one layout.
        truth_m: true keypoints, world frame, metres, shape (frames, K, 3).
    """
    features = detector.detect(frames)
    size = detector.config.heatmap_size
    heatmaps = detector.heatmaps(torch.from_numpy(stack_images(frames))).exp().unflatten(-1, (size, size)).numpy()
    drawn = []
    for title, frame, seen, truth, heat in zip(titles, frames, features, truth_m, heatmaps, strict=True):
        error_mm = (1e3 * np.linalg.norm(seen.positions_m - truth, axis=-1)).tolist()
        drawn.append(EvaluatedFrame(title, frame.frame_id, error_mm, _views(frame, seen, truth, heat)))
    return drawn


def _views(frame: MultiViewFrame, seen: FrameFeatures, truth_m: np.ndarray, heat: np.ndarray) -> list[EvaluatedView]:
    cameras = Cameras.stack(frame.cameras)
    reprojected, true = (pixels_of(points, cameras) for points in (seen.positions_m, truth_m))
    spread = projected_covariance(seen, cameras)
    views = []
    for index, view in enumerate(frame.views):
        rows, columns = view.image.shape[:2]
        window = (-0.5, -0.5, columns - 0.5, rows - 0.5)
        marks = [marks_within(pixels[index], window) for pixels in (seen.pixels, reprojected, true)]
        picture = picture_uri(view.image, lossless=max(rows, columns) <= LOSSLESS_PX)
        shot = Shot(picture, heatmap_picture(heat[index]), columns, rows, *marks)
        ellipses = [_ellipse(mark.keypoint, mark.x, mark.y, spread[index, mark.keypoint]) for mark in marks[1]]
        close_ups = [
            _close_up(mark.keypoint, true[index], seen.pixels[index], reprojected[index], CLOSE_UP_PX * columns / 128)
            for mark in marks[2]
        ]
        views.append(EvaluatedView(view.camera.name, shot, ellipses, close_ups))
    return views


def _ellipse(keypoint: int, x: float, y: float, covariance_px2: np.ndarray) -> Ellipse:
    along, across, turn = ellipse_90(covariance_px2)
    return Ellipse(keypoint, x, y, round(along, 2), round(across, 2), round(turn, 1))


def _close_up(
    keypoint: int, true: np.ndarray, detected: np.ndarray, reprojected: np.ndarray, side_px: float
) -> CloseUp:
    """Around the truth; as wide as it takes to show where the views together place the keypoint, up to four times."""
    off = [float(np.linalg.norm(pixels[keypoint] - true[keypoint])) for pixels in (detected, reprojected)]
    side = min(max(side_px, 2.5 * off[1]), 4 * side_px)
    left, top = (true[keypoint] - side / 2).tolist()
    return CloseUp(keypoint, round(left, 2), round(top, 2), round(side, 2), *off)
