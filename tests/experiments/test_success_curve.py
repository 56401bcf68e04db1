"""Rolling success over environment steps."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from experiments.success_curve import band, steps_to, success_curve

EPISODES = st.lists(st.tuples(st.integers(1, 60), st.booleans(), st.booleans()), max_size=120)


def lines_of(episodes: list[tuple[int, bool, bool]]) -> list[dict[str, Any]]:
    return [
        {"stage": "train", "steps": steps, "truly_inserted": truly, "claimed": claimed}
        for steps, truly, claimed in episodes
    ]


@given(EPISODES)
def test_every_point_is_the_share_of_the_episodes_that_ended_in_its_window(
    episodes: list[tuple[int, bool, bool]],
) -> None:
    curve = success_curve(lines_of(episodes), window_steps=200, every_steps=50)
    ends = np.cumsum([steps for steps, _, _ in episodes])
    for at, true, claimed, false, ended in zip(
        curve.steps, curve.true, curve.claimed, curve.false, curve.episodes, strict=True
    ):
        within = [e for e, end in zip(episodes, ends, strict=True) if at - 200 < end <= at]
        before = [e for e, end in zip(episodes, ends, strict=True) if end <= at]
        assert ended == len(before)
        assert false == sum(c and not t for _, t, c in before)
        if within:
            assert np.isclose(true, np.mean([t for _, t, _ in within]))
            assert np.isclose(claimed, np.mean([c for _, _, c in within]))
        else:
            assert np.isnan(true)


def test_episodes_that_are_not_training_do_not_count() -> None:
    held_out = [{"stage": "evaluate", "steps": 500, "truly_inserted": True, "claimed": True}]
    curve = success_curve(held_out + lines_of([(100, False, True)] * 5), window_steps=1000, every_steps=250)
    np.testing.assert_array_equal(curve.steps, [250, 500])
    np.testing.assert_array_equal(curve.true, [0, 0])
    np.testing.assert_array_equal(curve.false, [2, 5])


def test_a_level_is_reached_where_success_stays_above_it() -> None:
    fails, succeeds = [(50, False, False)] * 20, [(50, True, True)] * 40
    curve = success_curve(lines_of(fails + succeeds), window_steps=500, every_steps=250)
    assert steps_to(curve, 0.95) == 1500
    assert steps_to(success_curve(lines_of(fails), 500, 250), 0.95) is None
    relapse = success_curve(lines_of(fails + succeeds + fails), 500, 250)
    assert steps_to(relapse, 0.95) is None
    assert steps_to(success_curve([]), 0.95) is None


def test_a_band_reaches_as_far_as_the_shortest_run() -> None:
    good = success_curve(lines_of([(50, True, True)] * 20), 500, 250)
    bad = success_curve(lines_of([(50, False, True)] * 40), 500, 250)
    steps, low, middle, high = band([good, bad, good])
    np.testing.assert_array_equal(steps, [250, 500, 750, 1000])
    np.testing.assert_array_equal(low, 0)
    np.testing.assert_array_equal(middle, 1)
    np.testing.assert_array_equal(high, 1)
