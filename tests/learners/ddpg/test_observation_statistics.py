"""Moments of a stream of observations are those of the whole, however it is cut, and fit to divide by."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from learners.ddpg.observation_statistics import ObservationStatistics


@settings(max_examples=50, deadline=None)
@given(rows=st.integers(1, 60), cuts=st.sets(st.integers(1, 59)), offset=st.floats(-1e4, 1e4), seed=st.integers(0, 99))
def test_pieces_add_up_to_the_whole(rows: int, cuts: set[int], offset: float, seed: int) -> None:
    observations = np.random.default_rng(seed).normal(offset, [0.5, 3.0], (rows, 2)).astype(np.float32)
    statistics = ObservationStatistics(2)
    for piece in np.split(observations, sorted(cut for cut in cuts if cut < rows)):
        statistics.add(piece)
    mean, deviation = statistics.moments()
    assert statistics.count == rows
    np.testing.assert_allclose(mean, observations.mean(axis=0, dtype=np.float64), rtol=1e-6, atol=1e-6)
    expected = observations.std(axis=0, dtype=np.float64)
    if rows > 1 and (expected > 0.05).all():
        np.testing.assert_allclose(deviation, expected, rtol=1e-4)


def test_a_constant_dimension_is_shifted_and_not_scaled() -> None:
    statistics = ObservationStatistics(3)
    for _ in range(50):
        statistics.add(np.array([[0.1, 1e6, 0.0]], np.float32).repeat(7, axis=0))
    mean, deviation = statistics.moments()
    np.testing.assert_array_equal(mean, np.array([0.1, 1e6, 0.0], np.float32))
    np.testing.assert_array_equal(deviation, 1.0)


def test_a_small_spread_is_a_spread() -> None:
    statistics = ObservationStatistics(1)
    millimetres = np.random.default_rng(0).normal(0.4, 0.001, (1000, 1)).astype(np.float32)
    statistics.add(millimetres)
    np.testing.assert_allclose(statistics.moments()[1], 0.001, rtol=0.1)


def test_before_the_first_observation_nothing_is_changed() -> None:
    statistics = ObservationStatistics(2)
    statistics.add(np.zeros((0, 2), np.float32))
    mean, deviation = statistics.moments()
    np.testing.assert_array_equal(mean, 0.0)
    np.testing.assert_array_equal(deviation, 1.0)
