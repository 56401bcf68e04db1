"""How sure a model is of a keypoint, as one camera sees it: the covariance of the point, projected into the view."""

import numpy as np
import torch

from s3k_dist.features.types import FrameFeatures
from s3k_dist.geometry.projection import Cameras, project

CHI2_90_OF_TWO = 4.605  # the 90% quantile of the chi-squared distribution with two degrees of freedom
STEP_M = 1e-5


def pixels_of(points_m: np.ndarray, cameras: Cameras) -> np.ndarray:
    """Where points of the world are in each view, shape (views, K, 2); (K, 3), metres, in."""
    return project(torch.from_numpy(points_m).double(), cameras)[0].numpy()


def projected_covariance(seen: FrameFeatures, cameras: Cameras) -> np.ndarray:
    """Of each keypoint in each view, to first order, square pixels, shape (views, K, 2, 2)."""
    columns = [
        (pixels_of(seen.positions_m + step, cameras) - pixels_of(seen.positions_m - step, cameras)) / (2 * STEP_M)
        for step in STEP_M * np.eye(3)
    ]
    jacobian = np.stack(columns, axis=-1)
    spread: np.ndarray = jacobian @ seen.covariance_m2 @ jacobian.swapaxes(-1, -2)
    return spread


def ellipse_90(covariance_px2: np.ndarray) -> tuple[float, float, float]:
    """Half axes in pixels, the longer one first, and how far that is turned from the u axis, degrees.

    Args:
        covariance_px2: of one keypoint in one view, shape (2, 2).
    """
    variances, axes = np.linalg.eigh(covariance_px2)
    across, along = np.sqrt(CHI2_90_OF_TWO * np.maximum(variances, 0))
    return float(along), float(across), float(np.degrees(np.arctan2(axes[1, 1], axes[0, 1])))
