"""When views agree: all of them, or all but one that is blocked."""

import numpy as np
import pytest

from s3k_dist.features.types import FrameFeatures


def features(residual_px: np.ndarray, confidence: np.ndarray | None = None) -> FrameFeatures:
    views, keypoints = residual_px.shape
    return FrameFeatures(
        cell_id="cell0",
        sequence=0,
        captured_at_ns=0,
        model_version=1,
        keypoint_names=tuple(f"k{i}" for i in range(keypoints)),
        camera_names=tuple(f"cam{i}" for i in range(views)),
        positions_m=np.zeros((keypoints, 3)),
        covariance_m2=np.zeros((keypoints, 3, 3)),
        pixels=np.zeros((views, keypoints, 2)),
        confidence=np.full((views, keypoints), 0.9) if confidence is None else confidence,
        residual_px=residual_px,
    )


def test_all_views_agree() -> None:
    assert features(np.ones((4, 3))).consistent(1.5, 0.5).all()


def test_a_view_that_disagrees_on_one_keypoint_is_heard() -> None:
    residual = np.ones((4, 3))
    residual[2, 1] = 15.0
    assert features(residual).consistent(1.5, 0.5).tolist() == [True, False, True]


@pytest.mark.parametrize("views", [4, 5])
def test_one_view_that_agrees_on_nothing_is_blocked(views: int) -> None:
    residual = np.ones((views, 3))
    residual[-1] = 9.0
    assert features(residual).consistent(1.5, 0.5).all()


def test_of_three_views_none_is_passed_over() -> None:
    residual = np.ones((3, 3))
    residual[0] = 9.0
    assert not features(residual).consistent(1.5, 0.5).any()


def test_two_blocked_views_are_too_many() -> None:
    residual = np.ones((4, 3))
    residual[:2] = 9.0
    assert not features(residual).consistent(1.5, 0.5).any()


def test_a_dull_heatmap_is_no_agreement() -> None:
    confidence = np.full((4, 3), 0.9)
    confidence[0, 0] = 0.3
    assert features(np.ones((4, 3)), confidence).consistent(1.5, 0.5).tolist() == [False, True, True]
