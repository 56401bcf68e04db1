"""Hand-made moments: what a keypoint model might say of a frame."""

import numpy as np

from actors.insertion import KEYPOINTS
from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame

VIEWS = 4


def seen_at(
    positions_m: np.ndarray,
    *,
    residual_px: float | np.ndarray = 0.0,
    confidence: float | np.ndarray = 0.95,
    model_version: int = 1,
    frame: MultiViewFrame | None = None,
) -> FrameFeatures:
    """Features with the keypoints at ``positions_m``; residual and confidence of all, of each, or of each view."""
    shape = (VIEWS, len(KEYPOINTS))
    return FrameFeatures(
        cell_id=frame.cell_id if frame else "cell0",
        sequence=frame.sequence if frame else 0,
        captured_at_ns=frame.captured_at_ns if frame else 0,
        model_version=model_version,
        keypoint_names=KEYPOINTS,
        camera_names=tuple(f"cam{i}" for i in range(VIEWS)),
        positions_m=np.array(positions_m, np.float64),
        covariance_m2=np.tile(1e-6 * np.eye(3), (len(KEYPOINTS), 1, 1)),
        pixels=np.zeros((*shape, 2)),
        confidence=np.broadcast_to(confidence, shape),
        residual_px=np.broadcast_to(residual_px, shape),
    )
