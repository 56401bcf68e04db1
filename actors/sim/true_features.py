"""Features without a camera: the simulator's true keypoints, with noise where wanted.

For what asks about the robot alone, such as expert, levels and algorithms; with ``CableCellSpec(rendered=False)`` an
episode costs its physics.
"""

import numpy as np

from actors.cell import SimulatedCell
from actors.insertion import KEYPOINTS
from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame


class TrueFeatures:
    """A ``FeatureSource`` that knows where everything is.

    Args:
        cell: whose frames it is asked about, each right after it was taken.
        noise_m: standard deviation of each coordinate of each keypoint, drawn anew for every frame, metres.
        seed: of the noise.
    """

    def __init__(self, cell: SimulatedCell, noise_m: float = 0.0, seed: int = 0) -> None:
        self._cell = cell
        self._noise_m = noise_m
        self._rng = np.random.default_rng(seed)

    def extract(self, frame: MultiViewFrame) -> FrameFeatures:
        """True keypoints off by the noise; every view agrees and is sure, and the covariance is the noise's own."""
        true_m = self._cell.truth().keypoints_m
        views = len(frame.views)
        return FrameFeatures(
            cell_id=frame.cell_id,
            sequence=frame.sequence,
            captured_at_ns=frame.captured_at_ns,
            model_version=0,
            keypoint_names=KEYPOINTS,
            camera_names=tuple(camera.name for camera in frame.cameras),
            positions_m=true_m + self._noise_m * self._rng.normal(size=true_m.shape),
            covariance_m2=np.tile(self._noise_m**2 * np.eye(3), (len(KEYPOINTS), 1, 1)),
            pixels=np.zeros((views, len(KEYPOINTS), 2)),
            confidence=np.ones((views, len(KEYPOINTS))),
            residual_px=np.zeros((views, len(KEYPOINTS))),
        )
