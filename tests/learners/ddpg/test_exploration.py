"""Noise has the statistics its name promises, begins anew with every episode, and follows its schedule."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ray.rllib.core.columns import Columns

from learners.ddpg.exploration import OU_THETA, NoiseKind, exploration_noise
from learners.ddpg.exploration_connector import ExploreActions
from learners.ddpg.schedule import check_schedule, schedule_value
from s3k_dist.errors import ConfigError

SIGMA = 0.2
EPISODES, STEPS, SIZE = 2000, 40, 3


def episodes_of(kind: NoiseKind) -> np.ndarray:
    """Noise of many episodes, shape (EPISODES, STEPS, SIZE)."""
    noise = exploration_noise(kind, SIZE, np.random.default_rng(0))
    drawn = []
    for _ in range(EPISODES):
        noise.begin_episode()
        drawn.append([noise.sample(SIGMA) for _ in range(STEPS)])
    return np.array(drawn)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_gaussian_noise_is_as_strong_as_told_and_knows_no_past() -> None:
    drawn = episodes_of("gaussian")
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn.std(axis=(0, 2)), SIGMA, rtol=0.05)
    assert abs(correlation(drawn[:, 1:], drawn[:, :-1])) < 0.01


def test_ornstein_uhlenbeck_noise_follows_its_equation() -> None:
    drawn = episodes_of("ornstein_uhlenbeck")
    decay = 1.0 - OU_THETA
    # From x = 0 the variance after t steps is sigma^2 (1 + decay^2 + ... + decay^(2 (t - 1))).
    expected = SIGMA * np.sqrt(np.cumsum(decay ** (2.0 * np.arange(STEPS))))
    np.testing.assert_allclose(drawn.std(axis=(0, 2)), expected, rtol=0.05)
    assert correlation(drawn[:, -1], drawn[:, -2]) == pytest.approx(decay, abs=0.02)
    # What is left of one episode in the next one: nothing.
    assert abs(correlation(drawn[1:, 0], drawn[:-1, -1])) < 0.04
    assert abs(drawn.mean()) < 0.01


def test_the_strength_of_correlated_noise_acts_at_once() -> None:
    noise = exploration_noise("ornstein_uhlenbeck", SIZE, np.random.default_rng(0))
    for _ in range(10):
        noise.sample(1.0)
    assert not noise.sample(0.0).any()


def test_an_unknown_kind_says_which_there_are() -> None:
    with pytest.raises(ConfigError, match="available are gaussian, ornstein_uhlenbeck"):
        exploration_noise("pink", SIZE, np.random.default_rng(0))  # type: ignore[arg-type]


def test_a_schedule_is_linear_between_its_points_and_constant_after_them() -> None:
    points = [[0, 0.3], [100, 0.1], [200, 0.2]]
    expected = {0: 0.3, 50: 0.2, 100: 0.1, 150: 0.15, 200: 0.2, 10_000: 0.2}
    assert {steps: pytest.approx(schedule_value(points, steps)) for steps in expected} == expected
    assert schedule_value(0.1, 12345) == 0.1


@pytest.mark.parametrize(
    "schedule",
    [
        -0.1,
        float("nan"),
        [],
        [[1, 0.1]],
        [[0, 0.1], [0, 0.2]],
        [[0, 0.1], [5, -1.0]],
        [[0, 0.1, 3]],
        "0.1",
        None,
        [0, 1],
    ],
)
def test_a_schedule_that_says_nothing_definite_is_refused(schedule: Any) -> None:
    with pytest.raises(ConfigError, match=r"sigma must be a number from 0 or \[\[0, value\]"):
        check_schedule("sigma", schedule)


def explore(
    connector: ExploreActions, actions: dict[str, np.ndarray], env_steps: int, **options: Any
) -> dict[str, Any]:
    """One call as RLlib's env runner makes it, one action for each episode; returns the actions by episode."""
    fresh = options.pop("fresh", ())
    episodes = [SimpleNamespace(id_=name, is_reset=name not in fresh) for name in actions]
    batch = {Columns.ACTIONS: {(name,): [action] for name, action in actions.items()}}
    module = SimpleNamespace(env_steps=env_steps)
    explored = connector(rl_module=module, batch=batch, episodes=episodes, **{"explore": True, **options})
    return {name[0]: items[0] for name, items in explored[Columns.ACTIONS].items()}


def make_connector(**changes: Any) -> ExploreActions:
    torch.manual_seed(0)
    settings: dict[str, Any] = {"noise": "ornstein_uhlenbeck", "sigma": 0.05, "random_steps": 0}
    return ExploreActions(**{**settings, **changes})


def test_without_exploration_actions_pass_untouched() -> None:
    action = np.array([0.1, -0.2], np.float32)
    assert explore(make_connector(random_steps=100), {"a": action}, 0, explore=False)["a"] is action


def test_random_steps_come_first_then_the_actor_with_noise() -> None:
    connector = make_connector(random_steps=1000)
    still = np.zeros((2, 3), np.float32)
    early = np.array([explore(connector, {"a": still}, step)["a"] for step in range(1000)])
    late = np.array([explore(connector, {"a": still}, 1000 + step)["a"] for step in range(1000)])
    assert early.shape == (1000, 2, 3)
    np.testing.assert_allclose(early.std(axis=0), 1 / np.sqrt(3), rtol=0.1)  # uniform in [-1, 1]
    assert np.abs(late).max() < 0.5


def test_every_episode_has_noise_of_its_own_that_begins_at_its_first_observation() -> None:
    connector = make_connector(sigma=[[0, 0.1], [1000, 0.0]])
    still = np.zeros(200, np.float32)
    before = explore(connector, {"a": still, "b": still}, 0)
    after = explore(connector, {"a": still, "b": still}, 0)
    for name in ("a", "b"):
        assert correlation(after[name], before[name]) > 0.4
    assert abs(correlation(before["a"], before["b"])) < 0.3
    # "a" is over; the environment resets, which takes a call whose action goes nowhere; then "c" begins.
    explore(connector, {"c": still, "b": still}, 0, fresh={"c"})
    first = explore(connector, {"c": still, "b": still}, 0)["c"]
    assert first.std() == pytest.approx(0.1, rel=0.2)
    assert abs(correlation(first, after["a"])) < 0.3
    assert not explore(connector, {"c": still}, 1000)["c"].any()


def test_explored_actions_stay_in_range() -> None:
    full = np.ones(100, np.float32)
    assert np.abs(explore(make_connector(sigma=3.0), {"a": full}, 0)["a"]).max() == 1.0
