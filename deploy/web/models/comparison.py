"""Two versions of the keypoint model on the same frames: a few that are held out, and the newest of each cell."""

from typing import Any

import numpy as np
import torch

from deploy.web.label.project import LabelProject
from deploy.web.label.queue import evenly
from deploy.web.sight import Sight, drawn_features
from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame
from s3k_dist.geometry.projection import Cameras
from s3k_dist.geometry.triangulation import triangulate_labels
from s3k_dist.labels.store import MIN_VIEWS, Label

HELD_OUT, NEWEST = 8, 4
MM = 1000.0


class Comparison:
    """Says what a version sees, and how far off the label that is.

    Args:
        project: frames and labels.
        sight: of the models.
    """

    def __init__(self, project: LabelProject, sight: Sight) -> None:
        self._project = project
        self._sight = sight

    def frames(self) -> dict[str, Any]:
        """Names of the frames to compare on, and the keypoints.

        Raises:
            StorageError: the stream cannot be listed, or the label file is damaged.
        """
        reader = self._project.reader
        reader.refresh()
        labels = self._project.labels()
        held_out = [label.frame for label in labels.finished("held_out") if reader.index_of(label.frame) is not None]
        newest = [reader.id_of(int(reader.of_cell(cell)[-1])) for cell in reader.cells()]
        return {
            "keypoints": self._project.keypoints(labels),
            "held_out": evenly(held_out, HELD_OUT),
            "newest": newest[:NEWEST],
        }

    def seen(self, version: int, frame_id: str) -> dict[str, Any]:
        """What a version sees on a frame.

        Returns:
            ``views``: as the Label page has them; ``marks``: of `drawn_features`; ``errors``: by keypoint, ``px`` from
            the clicks on average, ``mm`` from the label's point; ``truth``: the clicks, by camera.

        Raises:
            StorageError: there is no such version or frame.
            FrameError: the frame is none that the version reads.
        """
        frame = self._project.frame(frame_id)
        features = self._sight.features(frame, version)
        label = next((each for each in self._project.labels().labels if each.frame == frame_id), None)
        return {
            "frame": frame_id,
            "version": version,
            "views": [
                {"camera": camera.name, "width": camera.width_px, "height": camera.height_px}
                for camera in frame.cameras
            ],
            "marks": drawn_features(features, frame),
            "errors": {} if label is None else errors_by_label(features, frame, label),
            "truth": {} if label is None else label.clicks,
        }


def errors_by_label(features: FrameFeatures, frame: MultiViewFrame, label: Label) -> dict[str, dict[str, float]]:
    """By keypoint: ``px``, mean distance of detection and click; ``mm``, of the points in space; as far as known."""
    found: dict[str, dict[str, float]] = {}
    for k, name in enumerate(features.keypoint_names):
        clicked = [name in label.clicks.get(camera, {}) for camera in features.camera_names]
        clicks = np.array([label.clicks.get(camera, {}).get(name, (0.0, 0.0)) for camera in features.camera_names])
        error: dict[str, float] = {}
        if any(clicked):
            error["px"] = float(np.linalg.norm(features.pixels[clicked, k] - clicks[clicked], axis=-1).mean())
        point = _point(label, name, clicks, clicked, frame)
        if point is not None:
            error["mm"] = MM * float(np.linalg.norm(features.positions_m[k] - point))
        finite = {unit: round(value, 3) for unit, value in error.items() if np.isfinite(value)}
        if finite:
            found[name] = finite
    return found


def _point(
    label: Label, name: str, clicks: np.ndarray, clicked: list[bool], frame: MultiViewFrame
) -> np.ndarray | None:
    """Where the label puts a keypoint, world frame, metres; None if it has too few clicks to say."""
    if name in label.points_m:
        return np.array(label.points_m[name])
    if sum(clicked) < MIN_VIEWS:
        return None
    pixels, cameras = torch.from_numpy(clicks)[:, None], Cameras.stack(frame.cameras)
    return triangulate_labels(pixels, torch.tensor(clicked)[:, None], cameras)[0].numpy()
