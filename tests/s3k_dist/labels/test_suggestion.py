"""Which frames are worth a click: doubt by rank, and no two alike."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from s3k_dist.labels.suggestion import Doubt, appearance, doubtfulness, pick
from tests.s3k_dist.drift.windows import said
from tests.scenes import frame, ring


def test_doubt_is_that_of_the_worst_keypoint() -> None:
    residual, confidence = np.full((4, 3), 0.5), np.full((4, 3), 0.9)
    residual[:, 1] = 2.0
    confidence[:2, 2] = 0.1
    assert Doubt.of(said(0, residual_px=residual, confidence=confidence)) == Doubt(2.0, 0.5, 2)
    blind = Doubt.of(said(0, residual_px=np.nan, confidence=np.nan))
    assert (blind.confidence, blind.missing) == (0.0, 12)


def test_more_doubt_scores_higher_in_whatever_way() -> None:
    sure = Doubt(0.3, 0.95, 0)
    scores = doubtfulness([sure, Doubt(9.0, 0.95, 0), Doubt(0.3, 0.2, 0), Doubt(0.3, 0.95, 4), Doubt(9.0, 0.2, 4)])
    assert scores[0] == scores.min()
    assert scores[4] == scores.max() == 1.0
    np.testing.assert_allclose(scores[1:4], scores[1])


@given(st.integers(0, 10_000), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_the_chosen_are_doubtful_all_different_and_unlike_what_is_taken(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    scores, places = rng.random(60), [rng.normal(size=(60, 3)), 1e9 * rng.normal(size=(60, 1))]
    taken = [places[0][:2].copy(), places[1][:2].copy()]
    chosen = pick(scores, places, taken, count)
    assert len(chosen) == len(set(chosen)) == count
    assert scores[chosen].min() >= np.median(scores) - 1e-12
    assert not {0, 1} & set(chosen)  # copies of what is labelled


def test_one_of_each_kind_comes_before_two_of_one() -> None:
    kinds = np.repeat(np.eye(4), 10, axis=0) + 0.01 * np.random.default_rng(0).normal(size=(40, 4))
    chosen = pick(np.full(40, 0.9), [kinds], [np.zeros((0, 4))], 4)
    assert sorted(i // 10 for i in chosen) == [0, 1, 2, 3]


def test_copies_of_one_frame_are_suggested_once() -> None:
    assert len(pick(np.ones(9), [np.ones((9, 2))], [np.zeros((0, 2))], 5)) == 1


def test_appearance_is_what_the_images_show() -> None:
    first, second = (appearance(frame(ring(3), seed=seed)) for seed in (0, 1))
    assert first.shape == second.shape == (3 * 8 * 8 * 3,)
    np.testing.assert_array_equal(first, appearance(frame(ring(3), seed=0)))
    assert np.abs(first - second).max() > 0
    assert 0 <= first.min() <= first.max() <= 1
