"""Registration with the robot's base: exact without noise, poses that tell too little are called bad."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from s3k_dist.calibration.pose import Pose
from s3k_dist.calibration.registration import from_touches, hand_eye
from s3k_dist.calibration.verdict import Level
from s3k_dist.errors import CalibrationError

SIZE_M = (0.1, 0.08)
vectors = hnp.arrays(float, 3, elements=st.floats(-1.5, 1.5))
HELD = Pose.of_vector(np.array([1, 0.2, -0.3]), np.array([0.02, 0.01, 0.1]))
PLACE = Pose.of_vector(np.array([0.1, -0.2, 2.5]), np.array([0.5, 0.2, -0.1]))


def recorded(
    base_from_world: Pose, held: Pose, seed: int, *, turn_deg: float = 40.0, noise_m: float = 0.0, count: int = 12
) -> tuple[dict[str, Pose], dict[str, Pose]]:
    """What a robot says and what cameras see, by set."""
    rng = np.random.default_rng(seed)
    tools, boards = {}, {}
    for number in range(count):
        turn = np.radians(rng.uniform(-turn_deg, turn_deg, 3)) + np.array([0, 3.0, 0])
        tool = Pose.of_vector(turn, rng.uniform(-0.2, 0.2, 3) + np.array([0.5, 0, 0.3]))
        boards[str(number)] = base_from_world.inverse() @ tool @ held
        tools[str(number)] = Pose.of_vector(rng.normal(0, noise_m, 3), rng.normal(0, noise_m, 3)) @ tool
    return tools, boards


@settings(max_examples=20, deadline=None)
@given(turn=vectors, move=vectors, held_turn=vectors, held_move=vectors)
def test_exact_poses_give_the_exact_base(
    turn: np.ndarray, move: np.ndarray, held_turn: np.ndarray, held_move: np.ndarray
) -> None:
    place, held = Pose.of_vector(turn, move), Pose.of_vector(held_turn, 0.1 * held_move)
    found = hand_eye(*recorded(place, held, 0), SIZE_M)
    np.testing.assert_allclose(found.base_from_world.rotation, place.rotation, atol=1e-7)
    np.testing.assert_allclose(found.base_from_world.translation_m, place.translation_m, atol=1e-7)
    assert found.level is Level.GOOD


def test_a_robot_that_errs_gives_the_base_as_exactly_as_it_says() -> None:
    found = hand_eye(*recorded(PLACE, HELD, 1, noise_m=2e-4), SIZE_M)
    middle = np.array([0.5, 0.0, 0.3])
    off_mm = 1e3 * np.linalg.norm((found.base_from_world @ PLACE.inverse()).apply(middle) - middle)
    assert found.level is Level.GOOD
    assert 0 < found.rms_mm < 1
    assert off_mm < 4 * found.expected_mm


def test_a_wrist_that_hardly_turned_is_bad_however_small_the_residual() -> None:
    found = hand_eye(*recorded(PLACE, HELD, 2, turn_deg=2.0, noise_m=1e-4), SIZE_M)
    assert found.rms_mm < 0.5
    assert found.level is Level.BAD
    assert "Turn the wrist by 30 degrees or more about two axes" in str(found.findings[0])


def test_a_pose_of_another_moment_is_left_out() -> None:
    tools, boards = recorded(PLACE, HELD, 3, noise_m=1e-4)
    tools["4"] = tools["5"]
    found = hand_eye(tools, boards, SIZE_M)
    assert set(found.left_out) == {"4"}
    assert found.level is Level.GOOD


def test_too_few_poses_are_refused() -> None:
    with pytest.raises(CalibrationError, match="2 sets have the robot's pose and show the board"):
        hand_eye(*recorded(PLACE, HELD, 4, count=2), SIZE_M)


POINTS = np.array([[0.2, 0.1, 0], [0.5, 0.1, 0.02], [0.5, -0.2, 0], [0.2, -0.2, 0.1], [0.35, 0, 0]])


def test_touched_points_give_the_base() -> None:
    found = from_touches(PLACE.apply(POINTS), POINTS)
    np.testing.assert_allclose(found.base_from_world.translation_m, PLACE.translation_m, atol=1e-9)
    assert found.level is Level.GOOD


def test_touched_points_close_to_each_other_or_of_another_size_are_bad() -> None:
    near = POINTS[0] + 0.02 * (POINTS - POINTS[0])
    assert "span the workspace" in " ".join(map(str, from_touches(PLACE.apply(near), near).findings))
    found = from_touches(PLACE.apply(POINTS), 1.03 * POINTS)
    assert found.level is Level.BAD
    assert any("Measure the printed squares" in str(finding) for finding in found.findings)
