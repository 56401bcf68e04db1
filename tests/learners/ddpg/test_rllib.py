"""An ordinary RLlib algorithm for other people: their spaces, their connectors, evaluation, Ray Tune."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from ray import tune
from ray.rllib.connectors.env_to_module import FlattenObservations

from learners.ddpg.algorithm import DDPG
from learners.ddpg.config import DDPGConfig

pytestmark = [
    pytest.mark.usefixtures("small_ray"),
    # RLlib registers every environment under one name with Gymnasium.
    pytest.mark.filterwarnings("ignore:.*Overriding environment"),
]

SMALL = {"hidden_sizes": (16,), "train_batch_size_per_learner": 16, "learning_starts": 20, "random_steps": 10}


class Draughtsman(gym.Env):
    """Takes actions of the space it is given and complains about any other; six steps, then it is truncated."""

    def __init__(self, config: Any) -> None:
        self.action_space = config["action_space"]
        self.observation_space = gym.spaces.Box(-1.0, 1.0, (3,), self.action_space.dtype)
        self.steps = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(3, self.observation_space.dtype), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        assert np.shape(action) == self.action_space.shape
        assert (action >= self.action_space.low - 1e-6).all()
        assert (action <= self.action_space.high + 1e-6).all()
        self.steps += 1
        share = (action - self.action_space.low) / (self.action_space.high - self.action_space.low)
        return np.full(3, np.mean(share), self.observation_space.dtype), 1.0, False, self.steps >= 6, {}


class Drawer(gym.ObservationWrapper):
    """Observations as a Dict, as many environments have them."""

    def __init__(self, config: Any) -> None:
        super().__init__(Draughtsman(config))
        self.observation_space = gym.spaces.Dict(
            {"pen": gym.spaces.Box(-1.0, 1.0, (2, 1), np.float32), "ink": gym.spaces.Box(-1.0, 1.0, (1,), np.float32)}
        )

    def observation(self, observation: np.ndarray) -> dict[str, np.ndarray]:
        return {"pen": observation[:2, None], "ink": observation[2:]}


SPACES = {
    "matrix": gym.spaces.Box(np.float32(-2.0), np.float32(5.0), (2, 3), np.float32),
    "scalar": gym.spaces.Box(0.0, 3.0, (), np.float32),
    "double": gym.spaces.Box(-1.0, 1.0, (2,), np.float64),
    "uneven": gym.spaces.Box(np.array([-1, 0], np.float32), np.array([0, 100], np.float32), dtype=np.float32),
}


def config(space: str = "matrix", env: type[gym.Env] = Draughtsman) -> DDPGConfig:
    return (
        DDPGConfig()
        .environment(env, env_config={"action_space": SPACES[space]})
        .training(**SMALL)  # type: ignore[typeddict-item]
        .debugging(seed=0, log_level="ERROR")
    )


def train(algorithm: DDPG, updates: int) -> None:
    for _ in range(200):
        algorithm.training_step()
        if algorithm.updates >= updates:
            return
    raise AssertionError(f"{algorithm.updates} updates after {algorithm.env_steps} steps")


@pytest.mark.parametrize("space", SPACES)
def test_any_bounded_box_is_acted_in_and_stored_flat(space: str) -> None:
    algorithm = config(space).training(exploration_noise="ornstein_uhlenbeck", exploration_sigma=0.5).build_algo()
    try:
        train(algorithm, updates=20)
        stored = algorithm.replay.get_state()
    finally:
        algorithm.stop()
    size = int(np.prod(SPACES[space].shape))
    actions, seen = stored["column_actions"], stored["column_next_obs"][:, 0]
    assert actions.shape[1:] == (size,)
    assert np.abs(actions).max() <= 1.0
    # Where the environment stood tells that it met the stored action, scaled from [-1, 1] to its own bounds.
    np.testing.assert_allclose(seen, (actions.mean(axis=1) + 1.0) / 2.0, atol=1e-5)
    assert not stored["column_terminated"].any()  # every episode was truncated


def test_dict_observations_come_through_rllib_s_connector_and_are_normalised() -> None:
    algorithm = (
        config(env=Drawer)
        .env_runners(
            env_to_module_connector=lambda env, spaces, device: FlattenObservations(), num_envs_per_env_runner=2
        )
        .training(normalize_observations=True)
        .build_algo()
    )
    try:
        train(algorithm, updates=20)
        normalizer = algorithm.env_runner.module.actor.normalizer
        stored = algorithm.replay.get_state()["column_obs"]
        mean, _ = algorithm.replay.statistics.moments()
        assert stored.shape[1] == 3
        np.testing.assert_allclose(mean, stored.mean(axis=0), rtol=1e-4)
        np.testing.assert_array_equal(normalizer.mean.numpy(), mean)
    finally:
        algorithm.stop()


def test_evaluation_acts_without_noise_and_follows_a_roll_back(tmp_path: Path) -> None:
    algorithm = (
        config()
        .training(normalize_observations=True, exploration_sigma=2.0)
        .evaluation(evaluation_interval=1, evaluation_duration=1, evaluation_num_env_runners=0)
        .build_algo()
    )
    try:
        train(algorithm, updates=20)
        algorithm.save_to_path(str(tmp_path / "older"))
        older = algorithm.policy_weights.arrays
        result = algorithm.train()
        assert result["evaluation"]["env_runners"]["episode_return_mean"] == 6.0
        train(algorithm, updates=algorithm.updates + 20)
        algorithm.evaluate()
        algorithm.restore_from_path(str(tmp_path / "older"))
        algorithm.evaluate()
        for runner in (algorithm.eval_env_runner, algorithm.env_runner):
            state = runner.module.state_dict()
            for name, array in older.items():
                np.testing.assert_array_equal(state[f"actor.{name}"].numpy(), array, err_msg=name)
    finally:
        algorithm.stop()


@pytest.mark.filterwarnings("ignore")  # Tune's own
def test_ray_tune_searches_over_its_settings_and_keeps_a_checkpoint(tmp_path: Path) -> None:
    searched = config().training(exploration_sigma=tune.grid_search([0.1, [[0, 0.5], [100, 0.1]]]))  # type: ignore[typeddict-item]
    tuner = tune.Tuner(
        DDPG,
        param_space=searched,
        run_config=tune.RunConfig(
            storage_path=str(tmp_path),
            stop={"num_env_steps_sampled_lifetime": 40},
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=True),
            verbose=0,
        ),
    )
    results = tuner.fit()
    assert results.num_errors == 0
    assert len(results) == 2
    best = results.get_best_result("env_runners/episode_return_mean", mode="max")
    assert best.metrics["env_runners"]["episode_return_mean"] == 6.0
    algorithm = DDPG.from_checkpoint(best.checkpoint.path)
    try:
        assert algorithm.env_steps >= 40
        assert len(algorithm.replay) > 30
        train(algorithm, algorithm.updates + 1)
    finally:
        algorithm.stop()
