"""What the models say of one frame. NumPy only: clients need no torch."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Embedding:
    """One vector for a whole frame.

    Attributes:
        kind: of the model that made it, as in its manifest: "vae", "pixels-frozen".
        model_version: of that model, in its own registry; another version is another vector space.
        values: float32, shape (D,).
    """

    kind: str
    model_version: int
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class FrameFeatures:
    """The keypoints of one frame, and its embedding where an encoder serves; V views, K keypoints.

    Attributes:
        cell_id: the cell, echoed from the frame.
        sequence: the frame's number, echoed.
        captured_at_ns: the frame's trigger time, echoed, nanoseconds since the Unix epoch.
        model_version: version of the keypoint model that made them.
        keypoint_names: K names.
        camera_names: V names.
        positions_m: world frame, shape (K, 3), metres (Eq. 2).
        covariance_m2: world frame, shape (K, 3, 3), square metres.
        pixels: mean of each heatmap, shape (V, K, 2), pixels.
        confidence: of each detection, its weight in Eq. 2, shape (V, K), in (0, 1].
        residual_px: detection to re-projected position, shape (V, K), pixels.
        embedding: of the whole frame; None where no encoder serves.
    """

    cell_id: str
    sequence: int
    captured_at_ns: int
    model_version: int
    keypoint_names: tuple[str, ...]
    camera_names: tuple[str, ...]
    positions_m: np.ndarray
    covariance_m2: np.ndarray
    pixels: np.ndarray
    confidence: np.ndarray
    residual_px: np.ndarray
    embedding: Embedding | None = None

    def consistent(self, max_residual_px: float, min_confidence: float) -> np.ndarray:
        """Which keypoints the views agree on and see sharply: bool, shape (K,).

        Of four views and more, one that agrees on no keypoint at all is passed over: an arm is in its way. One that
        agrees on some is not blocked, and what it says of the others counts.
        """
        agree = (self.residual_px <= max_residual_px) & (self.confidence >= min_confidence)
        blocked = ~agree.any(axis=1)
        if len(self.camera_names) >= 4 and blocked.sum() == 1:
            agree = agree[~blocked]
        return np.asarray(agree.all(axis=0) & np.isfinite(self.positions_m).all(axis=-1))
