"""It learns: from an environment, and from demonstrations without throwing away what it cloned."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from learners.ddpg.algorithm import DDPG
from learners.ddpg.config import DDPGConfig
from learners.ddpg.networks import ActorShape
from learners.ddpg.policy import Policy
from s3k_dist.episodes import EpisodeChunk
from s3k_dist.errors import ConfigError

pytestmark = [
    pytest.mark.usefixtures("small_ray"),
]

SMALL = {"hidden_sizes": (64, 64), "train_batch_size_per_learner": 128}
MAX_STEP_M = 0.15
IMPROVED = 0.1  # of the success rate


class Reach(gym.Env):
    """A point goes to a goal in the plane; reward 1 on arrival, else 0; 25 steps."""

    observation_space = gym.spaces.Box(-5.0, 5.0, (4,), np.float32)
    action_space = gym.spaces.Box(-MAX_STEP_M, MAX_STEP_M, (2,), np.float32)

    def __init__(self, config: Any = None) -> None:
        self.point = self.goal = np.zeros(2)
        self.steps = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.point, self.goal = self.np_random.uniform(-1.0, 1.0, (2, 2))
        self.steps = 0
        return self._observation(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.point = self.point + np.clip(action, -MAX_STEP_M, MAX_STEP_M)
        self.steps += 1
        arrived = bool(np.linalg.norm(self.point - self.goal) < 0.1)
        late = self.steps >= 25 and not arrived
        return self._observation(), float(arrived), arrived, late, {"success": arrived}

    def _observation(self) -> np.ndarray:
        return np.concatenate((self.point, self.goal)).astype(np.float32)


def demonstrate(number: int) -> EpisodeChunk:
    """A slow and shaky, but successful way to the goal: half speed, noise."""
    random = np.random.default_rng(number)
    world = Reach()
    observation, _ = world.reset(seed=10_000 + number)
    observations, actions, rewards, done, success = [observation], [], [], False, False
    while not done:
        action = np.clip((world.goal - world.point) / MAX_STEP_M, -1.0, 1.0)
        action = np.clip(action * 0.5 / max(np.abs(action).max(), 0.5) + random.normal(0.0, 0.2, 2), -1.0, 1.0)
        observation, reward, success, late, _ = world.step(action * MAX_STEP_M)
        done = success or late
        observations.append(observation)
        actions.append(action)
        rewards.append(reward)
    return EpisodeChunk(
        episode_id=f"demonstration-{number}",
        cell_id="expert",
        observations=np.array(observations, np.float32),
        actions=np.array(actions, np.float32),
        rewards=np.array(rewards, np.float32),
        terminated=success,
        truncated=not success,
        start_step=0,
        policy_version=-1,
        model_versions=np.zeros(len(rewards), np.int64),
        success=success,
    )


def success_rate(algorithm: DDPG, episodes: int = 100) -> float:
    """Share of goals reached without exploration."""
    policy = Policy(ActorShape(4, 2, SMALL["hidden_sizes"]))  # type: ignore[arg-type]
    policy.load(algorithm.policy_weights)
    world, successes = Reach(), 0
    for number in range(episodes):
        observation, _ = world.reset(seed=number)
        done = success = False
        while not done:
            observation, _, success, late, _ = world.step(policy.act(observation) * MAX_STEP_M)
            done = success or late
        successes += success
    return successes / episodes


def test_a_cloned_policy_is_kept_and_improved() -> None:
    config = (
        DDPGConfig()
        .environment(Reach)
        .training(
            **SMALL,
            gamma=0.95,
            demonstrations=[demonstrate(number) for number in range(10)],
            pretrain_updates=2500,
            learning_starts=200,
        )
        .debugging(seed=0, log_level="ERROR")
    )
    algorithm: DDPG = config.build_algo()
    try:
        while algorithm.pretrain_updates < 2500:
            algorithm.training_step()
        assert algorithm.env_steps == 0
        rates = [success_rate(algorithm)]
        for env_steps in (1000, 1500, 2000, 2500):
            while algorithm.env_steps < env_steps:
                algorithm.training_step()
            rates.append(success_rate(algorithm))
            if env_steps >= 1500 and rates[-1] > rates[0] + IMPROVED:
                break
        progress = algorithm.train()["ddpg"]
    finally:
        algorithm.stop()
    assert rates[0] > 0.3, f"cloning did not work: {rates}"
    assert min(rates) > rates[0] - 0.2, f"the cloned policy was thrown away: {rates}"
    assert rates[-1] > rates[0] + IMPROVED, f"the cloned policy was not improved: {rates}"
    assert progress["replay_demonstration_size"] > 50
    assert 0.0 < progress["success_rate"] <= 1.0


def test_pendulum_is_swung_up() -> None:
    config = DDPGConfig().environment("Pendulum-v1").training(**SMALL, gamma=0.98).debugging(seed=0, log_level="ERROR")
    algorithm: DDPG = config.build_algo()
    try:
        while algorithm.env_steps < 1000:
            algorithm.training_step()
        flailing = algorithm.outcomes.means()["episode_return_mean"]
        last = flailing
        # Within 4500 steps; an episode has 200.
        while algorithm.env_steps < 4500 and last <= -450:
            algorithm.training_step()
            last = np.mean(list(algorithm.outcomes.get_state()["windows"]["episode_return_mean"])[-5:])
    finally:
        algorithm.stop()
    # Random torque earns about -1200; a pendulum that is swung up and held, -150.
    assert flailing < -800
    assert last > -450


def test_env_runners_in_other_processes_sample_and_take_weights() -> None:
    config = (
        DDPGConfig()
        .environment(Reach)
        .env_runners(num_env_runners=1)
        .training(**SMALL, learning_starts=50)
        .debugging(seed=0, log_level="ERROR")
    )
    algorithm: DDPG = config.build_algo()
    try:
        for _ in range(2000):
            algorithm.training_step()
            if algorithm.updates >= 100:
                break
        assert algorithm.env_steps >= 150
        assert algorithm.updates >= 100
        assert algorithm.replay.refused == {}
    finally:
        algorithm.stop()


@pytest.mark.parametrize("env", ["CartPole-v1"])
def test_an_environment_it_cannot_act_in_is_refused_by_name(env: str) -> None:
    with pytest.raises(ConfigError, match="Box as action space"):
        DDPGConfig().environment(env).debugging(log_level="ERROR").build_algo()
