"""What the project's model sees on a frame, as suggestions for a person: nothing of it is a label until accepted."""

import threading
from pathlib import Path
from typing import Any

import numpy as np

from s3k_dist.errors import FrameError, StorageError
from s3k_dist.frames import MultiViewFrame
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.labels.suggestion import LEAST_CONFIDENCE
from s3k_dist.weights import WeightsRegistry


class Predictions:
    """Follows the promoted version of a registry.

    Args:
        registry: its folder; there may be none yet.
    """

    def __init__(self, registry: Path) -> None:
        self._root = registry
        self._detector: KeypointDetector | None = None
        self._lock = threading.Lock()

    def detector(self) -> KeypointDetector | None:
        """The model that serves now; None if none does, or it cannot be read."""
        with self._lock:
            try:
                registry = WeightsRegistry(self._root) if self._root.is_dir() else None
                version = None if registry is None else registry.current()
                if registry is None or version is None:
                    self._detector = None
                elif self._detector is None or self._detector.version != version:
                    self._detector = KeypointDetector.load(registry, version)
            except StorageError:
                pass  # the one before is better than none
            return self._detector

    @property
    def version(self) -> int | None:
        """Of the model that serves now; None if none does."""
        detector = self.detector()
        return None if detector is None else detector.version

    def of(self, frame: MultiViewFrame) -> dict[str, Any]:
        """``version`` of the model, and ``views``: by camera and keypoint, ``[u_px, v_px, confidence]``.

        A detection that is no sharper than chance is left out: a person would have to undo it.
        """
        detector = self.detector()
        if detector is None:
            return {"version": None, "views": {}}
        try:
            with self._lock:
                features = detector.extract(frame)
        except FrameError:
            return {"version": detector.version, "views": {}}
        views: dict[str, dict[str, list[float]]] = {}
        for camera, pixels, confidences in zip(frame.cameras, features.pixels, features.confidence, strict=True):
            views[camera.name] = {
                name: [round(float(u), 2), round(float(v), 2), round(float(confidence), 3)]
                for name, (u, v), confidence in zip(detector.keypoint_names, pixels, confidences, strict=True)
                if np.isfinite((u, v)).all() and confidence >= LEAST_CONFIDENCE
            }
        return {"version": detector.version, "views": views}
