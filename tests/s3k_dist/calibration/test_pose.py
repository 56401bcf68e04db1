"""Rigid motions from points: exact without noise, and a line is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from s3k_dist.calibration.pose import Pose, board_pose, fit_points
from s3k_dist.drift.views import project
from s3k_dist.errors import CalibrationError
from tests.s3k_dist.calibration.sightings import BOARD
from tests.scenes import look_at

vectors = hnp.arrays(float, 3, elements=st.floats(-2, 2))
TETRAHEDRON = np.array([[0, 0, 0], [0.3, 0, 0], [0, 0.4, 0], [0, 0, 0.2]])


@settings(max_examples=25, deadline=None)
@given(turn=vectors, move=vectors, count=st.integers(3, 4))
def test_points_that_were_moved_give_the_motion(turn: np.ndarray, move: np.ndarray, count: int) -> None:
    motion = Pose.of_vector(turn, move)
    found, left_m = fit_points(TETRAHEDRON[:count], motion.apply(TETRAHEDRON[:count]))
    np.testing.assert_allclose(found.rotation, motion.rotation, atol=1e-9)
    np.testing.assert_allclose(found.translation_m, motion.translation_m, atol=1e-9)
    assert left_m.max() < 1e-9


@settings(max_examples=25, deadline=None)
@given(turn=vectors, move=vectors)
def test_there_and_back_is_nowhere(turn: np.ndarray, move: np.ndarray) -> None:
    motion = Pose.of_vector(turn, move)
    back = motion.inverse() @ motion
    np.testing.assert_allclose(back.rotation, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(back.translation_m, np.zeros(3), atol=1e-12)


@pytest.mark.parametrize(
    ("points", "says"),
    [(TETRAHEDRON[:2], "2 points"), (np.outer(np.arange(4.0), [1, 2, 3]), "on a line"), (np.ones((3, 3)), "on a line")],
)
def test_points_on_a_line_tell_no_motion(points: np.ndarray, says: str) -> None:
    with pytest.raises(CalibrationError, match=says):
        fit_points(points, points)


@settings(max_examples=25, deadline=None)
@given(turn=hnp.arrays(float, 3, elements=st.floats(-0.6, 0.6)))
def test_a_boards_pose_follows_from_its_exact_corners(turn: np.ndarray) -> None:
    camera = look_at(0.4, 0.8, distortion=(-0.1, 0.05, 0.001, -0.001, 0.01))
    facing = Pose.of(camera).inverse() @ Pose.of_vector(np.array([np.pi, 0, 0]), np.array([-0.1, 0.1, 1.0]))
    pose = facing @ Pose.of_vector(turn, np.zeros(3))
    pixels, _ = project(pose.apply(BOARD.corners_m), camera)
    found = board_pose(BOARD.corners_m, pixels, camera)
    assert found is not None
    expected = Pose.of(camera) @ pose
    np.testing.assert_allclose(found.rotation, expected.rotation, atol=1e-6)
    np.testing.assert_allclose(found.translation_m, expected.translation_m, atol=1e-6)
