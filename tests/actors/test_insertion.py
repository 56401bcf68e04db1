"""The task on hand-made features: what is claimed, what ends an episode, what pays, what is observed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.cell import GripperState
from actors.insertion import (
    BASE,
    KEYPOINTS,
    SOCKET,
    TIP,
    InsertionConfig,
    InsertionTask,
    TaskStep,
    sum_of_distances_m,
)
from actors.observation import FINE_M, KEYPOINT_OBSERVATION_SIZE, OBSERVATION_LIMIT
from s3k_dist.features.types import FrameFeatures
from tests.actors.moments import VIEWS, seen_at

CONFIG = InsertionConfig()
OPENING_M = np.array([0.01, -0.02, 0.03])
INSERTED_M = OPENING_M + np.array([[0, 0, 0], [0, 0, 0.010], [0, 0, 0]])  # the distances sum to 2 cm
ABOVE_M = OPENING_M + np.array([[0, 0, 0.02], [0, 0, 0.05], [0, 0, 0]])
BAD_VALUES = st.sampled_from([np.nan, np.inf, -np.inf])


def gripper(position_m: np.ndarray | None = None) -> GripperState:
    return GripperState(np.zeros(3) if position_m is None else position_m, *np.zeros((3, 3)))


def play(*moments: FrameFeatures, config: InsertionConfig = CONFIG, image_px: int = 128) -> list[TaskStep]:
    task = InsertionTask(config, image_px)
    return [task.begin(gripper(), moments[0]), *(task.advance(gripper(), moment) for moment in moments[1:])]


def test_the_sum_is_over_all_three_pairs() -> None:
    assert sum_of_distances_m(np.array([[0.0, 0, 0], [0.003, 0, 0], [0, 0.004, 0]])) == pytest.approx(0.012)


def test_a_claim_needs_two_consecutive_steps() -> None:
    inserted, above = seen_at(INSERTED_M), seen_at(ABOVE_M)
    steps = play(above, inserted, above, inserted, inserted)
    assert [step.claimed for step in steps] == [False, False, False, False, True]
    assert steps[-1].terminated
    assert not steps[-1].truncated
    assert steps[-1].reward > CONFIG.success_reward - 0.1


def test_the_first_moment_counts_towards_no_claim() -> None:
    assert [step.claimed for step in play(*[seen_at(INSERTED_M)] * 3)] == [False, False, True]


@pytest.mark.parametrize("keypoint", [TIP, BASE, SOCKET])
@pytest.mark.parametrize("flaw", ["residual", "confidence", "not finite"])
def test_an_untrusted_keypoint_never_claims(keypoint: int, flaw: str) -> None:
    residual, confidence = np.zeros((VIEWS, 3)), np.full((VIEWS, 3), 0.95)
    positions = INSERTED_M.copy()
    if flaw == "residual":
        residual[:, keypoint] = CONFIG.max_residual_px + 0.01
    elif flaw == "confidence":
        confidence[:, keypoint] = CONFIG.min_confidence - 0.01
    else:
        positions[keypoint, 1] = np.nan
    doubted = seen_at(positions, residual_px=residual, confidence=confidence)
    steps = play(seen_at(ABOVE_M), *[doubted] * (CONFIG.lost_steps - 1))
    assert not any(step.claimed or step.terminated for step in steps)
    assert steps[-1].consistent.tolist() == [index != keypoint for index in range(3)]


def test_a_doubted_step_breaks_a_claim() -> None:
    inserted, doubted = seen_at(INSERTED_M), seen_at(INSERTED_M, residual_px=9.0)
    steps = play(seen_at(ABOVE_M), inserted, doubted, inserted, inserted)
    assert [step.claimed for step in steps] == [False, False, False, False, True]


def test_the_residual_scales_with_the_image() -> None:
    sharp = [seen_at(INSERTED_M, residual_px=2.0)] * 3
    assert not play(*sharp, image_px=128)[-1].claimed
    assert play(*sharp, image_px=256)[-1].claimed


def test_far_away_ends_in_failure() -> None:
    away = ABOVE_M + np.array([[0.2, 0, 0], [0.2, 0, 0], [0, 0, 0]])
    last = play(seen_at(ABOVE_M), seen_at(away))[-1]
    assert last.terminated
    assert not last.claimed
    assert last.reward < CONFIG.failure_reward


def test_lost_ends_in_failure_after_consecutive_doubted_steps() -> None:
    good, doubted = seen_at(ABOVE_M), seen_at(ABOVE_M, confidence=0.1)
    steps = play(good, *[doubted] * (CONFIG.lost_steps - 1), good, *[doubted] * CONFIG.lost_steps)
    assert [step.terminated for step in steps] == [False] * (len(steps) - 1) + [True]
    assert steps[-1].reward == CONFIG.failure_reward


def test_time_up_is_a_truncation() -> None:
    steps = play(*[seen_at(ABOVE_M)] * 41)
    assert [step.truncated for step in steps] == [False] * 40 + [True]
    assert not any(step.terminated for step in steps)
    assert steps[-1].reward == 0


def test_a_claim_at_the_last_moment_is_an_end_and_no_truncation() -> None:
    last = play(*[seen_at(ABOVE_M)] * 39, *[seen_at(INSERTED_M)] * 2)[-1]
    assert (last.claimed, last.terminated, last.truncated) == (True, True, False)


def test_progress_pays_between_trusted_moments_only() -> None:
    nearer = OPENING_M + (ABOVE_M - OPENING_M) * 0.8
    before, after = sum_of_distances_m(ABOVE_M), sum_of_distances_m(nearer)
    dream = seen_at(INSERTED_M, residual_px=50.0)
    rewards = [step.reward for step in play(seen_at(ABOVE_M), dream, seen_at(nearer), seen_at(ABOVE_M))]
    expected = CONFIG.progress_reward * (before - after)
    assert rewards == pytest.approx([0, 0, expected, -expected])


def test_no_progress_is_paid_before_a_first_trusted_moment() -> None:
    rewards = [step.reward for step in play(seen_at(ABOVE_M, residual_px=50.0), seen_at(ABOVE_M / 2))]
    assert rewards == [0, 0]


def test_what_is_not_seen_is_held_and_the_plug_follows_the_hand() -> None:
    task = InsertionTask(CONFIG, 128)
    task.begin(gripper(), seen_at(ABOVE_M))
    blind = seen_at(np.full((3, 3), 7.0), residual_px=99.0)
    moved = np.array([0.004, 0.0, -0.002])
    for share in (0.5, 1.0):
        step = task.advance(gripper(share * moved), blind)
    tip_to_socket = step.observation[12:15] * FINE_M
    np.testing.assert_allclose(tip_to_socket, ABOVE_M[TIP] - ABOVE_M[SOCKET] + moved, atol=1e-7)
    np.testing.assert_allclose(step.observation[15:18] * FINE_M, ABOVE_M[TIP] - ABOVE_M[BASE], atol=1e-7)
    assert step.observation[21:].tolist() == [0, 0, 0]


@given(
    st.lists(st.one_of(BAD_VALUES, st.floats(-1e6, 1e6)), min_size=9, max_size=9),
    st.lists(st.one_of(BAD_VALUES, st.floats(0, 1e3)), min_size=12, max_size=12),
)
@settings(max_examples=80, deadline=None)
def test_an_observation_is_finite_and_bounded_whatever_is_served(
    positions: list[float], residuals: list[float]
) -> None:
    odd = seen_at(np.reshape(positions, (3, 3)), residual_px=np.reshape(residuals, (VIEWS, len(KEYPOINTS))))
    for moments in ([odd, odd, seen_at(ABOVE_M), odd], [seen_at(ABOVE_M), odd, odd]):
        for step in play(*moments):
            assert step.observation.shape == (KEYPOINT_OBSERVATION_SIZE,)
            assert step.observation.dtype == np.float32
            assert np.isfinite(step.observation).all()
            assert np.abs(step.observation).max() <= OBSERVATION_LIMIT
            assert np.isfinite(step.reward)


def test_an_episode_knows_nothing_of_the_one_before() -> None:
    task = InsertionTask(CONFIG, 128)
    task.begin(gripper(), seen_at(ABOVE_M))
    task.advance(gripper(), seen_at(INSERTED_M))
    task.begin(gripper(), seen_at(INSERTED_M, residual_px=9.0))
    step = task.advance(gripper(), seen_at(INSERTED_M))
    assert not step.claimed
    assert step.reward == 0


def test_a_first_guess_that_nothing_supports_does_not_end_an_episode() -> None:
    astray = ABOVE_M + np.array([[1.0, 0, 0], [0, 0, 0], [0, 0, 0]])
    steps = play(seen_at(astray, residual_px=9.0), seen_at(astray, residual_px=9.0), seen_at(ABOVE_M))
    assert not any(step.terminated for step in steps)
    assert play(seen_at(ABOVE_M), seen_at(astray))[-1].terminated
