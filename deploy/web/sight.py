"""What the versions of a keypoint model see on a frame, with how sure they are of it."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from deploy.ellipses import ellipse_90, pixels_of, projected_covariance
from s3k_dist.errors import StorageError
from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame
from s3k_dist.geometry.projection import Cameras
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.weights import WeightsRegistry

DETECTORS_KEPT, FEATURES_KEPT = 4, 64
LONGEST_PX = 1e5  # half axis of an ellipse that says no more than "anywhere"


class Sight:
    """One frame and one version at a time, so that the pages leave the cores to the run; nothing is computed twice.

    Args:
        root: folder of the registry; there may be none yet.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._detectors: OrderedDict[int, KeypointDetector] = OrderedDict()
        self._features: OrderedDict[tuple[int, str], FrameFeatures] = OrderedDict()
        self._lock = threading.Lock()

    def serving(self) -> int | None:
        """The promoted version; None if there is none, or nobody can tell."""
        try:
            return WeightsRegistry(self._root).current()
        except StorageError:
            return None

    def features(self, frame: MultiViewFrame, version: int) -> FrameFeatures:
        """What a version sees on a frame.

        Raises:
            StorageError: there is no such version, or it is damaged.
            FrameError: the frame is none that it reads.
        """
        key = version, frame.frame_id
        with self._lock:
            if key not in self._features:
                self._features[key] = self._detector(version).extract(frame)
            self._features.move_to_end(key)
            while len(self._features) > FEATURES_KEPT:
                self._features.popitem(last=False)
            return self._features[key]

    def _detector(self, version: int) -> KeypointDetector:
        if version not in self._detectors:
            self._detectors[version] = KeypointDetector.load(WeightsRegistry(self._root), version)
        self._detectors.move_to_end(version)
        while len(self._detectors) > DETECTORS_KEPT:
            self._detectors.popitem(last=False)
        return self._detectors[version]


def drawn_features(features: FrameFeatures, frame: MultiViewFrame) -> dict[str, dict[str, dict[str, Any]]]:
    """What to draw into each view, by camera and keypoint.

    Returns:
        ``detected``: where this view sees it, pixels; ``confidence`` of that; ``pixel``: where the views together place
        it; ``ellipse``: half axes in pixels and turn in degrees, which should hold it in 90 of 100 cases. The last two
        are left out where no point follows.
    """
    cameras = Cameras.stack(frame.cameras)
    placed, spread = pixels_of(features.positions_m, cameras), projected_covariance(features, cameras)
    drawn: dict[str, dict[str, dict[str, Any]]] = {}
    for view, camera in enumerate(features.camera_names):
        of_view: dict[str, dict[str, Any]] = {}
        for k, name in enumerate(features.keypoint_names):
            mark: dict[str, Any] = {"confidence": _number(features.confidence[view, k])}
            if np.isfinite(features.pixels[view, k]).all():
                mark["detected"] = [_number(value) for value in features.pixels[view, k]]
            if np.isfinite(placed[view, k]).all() and np.isfinite(spread[view, k]).all():
                ellipse = ellipse_90(spread[view, k])
                if ellipse[0] < LONGEST_PX:
                    mark["pixel"] = [_number(value) for value in placed[view, k]]
                    mark["ellipse"] = [_number(value) for value in ellipse]
            of_view[name] = mark
        drawn[camera] = of_view
    return drawn


def _number(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None
