"""Who competes: the same networks, batch, discount and one update for each environment step."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym

from learners.ddpg.config import DDPGConfig

HIDDEN, BATCH = 256, 256
REPLAY_CAPACITY = 100_000
# What makes ours the algorithm that the peers ship: nothing else differs between these and the defaults.
AS_TD3: Mapping[str, Any] = {
    "layer_norm": False,
    "lambda_n": 0.0,
    "l2": 0.0,
    "actor_lr": 1e-3,
    "actor_delay": 2,
    "target_noise": 0.2,
}
AS_DDPG: Mapping[str, Any] = {
    "layer_norm": False,
    "lambda_n": 0.0,
    "l2": 0.0,
    "actor_lr": 1e-3,
    "twin_critic": False,
}
AS_LOOP: Mapping[str, Any] = {**AS_DDPG, "actor_lr": 3e-4, "critic_lr": 3e-4, "actor_delay": 2}


@dataclass(frozen=True)
class Task:
    """What is to be learned.

    Attributes:
        make: an environment.
        gamma: discount.
        learning_starts: environment steps before the first update.
        seed: of networks, exploration and environment.
        demonstrations: whole episodes for whom can learn from them.
        pretrain_updates: on those, before the first step.
    """

    make: Callable[[], gym.Env]
    gamma: float
    learning_starts: int
    seed: int = 0
    demonstrations: Sequence[Any] | None = None
    pretrain_updates: int = 0


class Contestant(Protocol):
    """An algorithm on an environment."""

    def step(self, env_steps: int) -> None:
        """Act so many environment steps, and learn from them."""

    def update(self, updates: int) -> None:
        """Take so many gradient steps on what is stored, and no environment step."""

    def close(self) -> None:
        """Let go of everything."""


class Ours:
    """learners/ddpg as an RLlib algorithm that steps its own environment."""

    updates_a_call = 8  # as many as RLlib's env runner acts steps at a time

    def __init__(self, task: Task, **settings: Any) -> None:
        demonstrated = task.demonstrations is not None
        config = DDPGConfig().environment(_registered(task))
        config.training(
            gamma=task.gamma,
            hidden_sizes=(HIDDEN, HIDDEN),
            train_batch_size_per_learner=BATCH,
            replay_capacity=REPLAY_CAPACITY,
            learning_starts=0 if demonstrated else task.learning_starts,
            random_steps=task.learning_starts,
            demonstrations=task.demonstrations,
            pretrain_updates=task.pretrain_updates,
            **settings,
        )
        self.algorithm = config.debugging(seed=task.seed, log_level="ERROR").build_algo()
        while self.algorithm.pretrain_updates < task.pretrain_updates:
            self.algorithm.training_step()

    def step(self, env_steps: int) -> None:
        """As many as are wanted, or up to a rollout of eight more."""
        wanted = self.algorithm.env_steps + env_steps
        while self.algorithm.env_steps < wanted:
            self.algorithm.training_step()

    def update(self, updates: int) -> None:
        """In calls of eight."""
        for _ in range(updates // self.updates_a_call):
            self.algorithm._learn(self.updates_a_call)

    def close(self) -> None:
        """Stop the algorithm."""
        self.algorithm.stop()


class StableBaselines:
    """Stable-Baselines3's TD3 or DDPG, with its own defaults for what is not shared."""

    def __init__(self, task: Task, algorithm: str) -> None:
        import numpy as np
        import stable_baselines3
        from stable_baselines3.common.noise import NormalActionNoise

        env = task.make()
        assert env.action_space.shape is not None
        actions = env.action_space.shape[0]
        self._model = getattr(stable_baselines3, algorithm)(
            "MlpPolicy",
            env,
            policy_kwargs={"net_arch": [HIDDEN, HIDDEN]},
            batch_size=BATCH,
            buffer_size=REPLAY_CAPACITY,
            gamma=task.gamma,
            learning_starts=task.learning_starts,
            train_freq=1,
            gradient_steps=1,
            action_noise=NormalActionNoise(np.zeros(actions), 0.1 * np.ones(actions)),
            device="cpu",
            seed=task.seed,
        )
        self._began = False

    def step(self, env_steps: int) -> None:
        """Go on where the last call stopped."""
        self._model.learn(env_steps, reset_num_timesteps=not self._began, log_interval=1_000_000)
        self._began = True

    def update(self, updates: int) -> None:
        """In one call."""
        self._model.train(gradient_steps=updates, batch_size=BATCH)

    def close(self) -> None:
        """Close the environment."""
        self._model.get_env().close()


class SingleFile:
    """The single-file loop."""

    def __init__(self, task: Task) -> None:
        from benchmarks.rl.single_file import SingleFileDDPG

        self._env = task.make()
        self._loop = SingleFileDDPG(
            self._env,
            hidden=HIDDEN,
            batch=BATCH,
            gamma=task.gamma,
            learning_starts=task.learning_starts,
            capacity=REPLAY_CAPACITY,
            seed=task.seed,
        )

    def step(self, env_steps: int) -> None:
        """One after the other."""
        self._loop.run(env_steps)

    def update(self, updates: int) -> None:
        """One after the other."""
        for _ in range(updates):
            self._loop.update()

    def close(self) -> None:
        """Close the environment."""
        self._env.close()


class RLlibSAC:
    """RLlib's SAC with its prioritised episode replay: the nearest thing that RLlib ships."""

    def __init__(self, task: Task) -> None:
        from ray.rllib.algorithms.sac import SACConfig
        from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

        model = DefaultModelConfig(fcnet_hiddens=[HIDDEN, HIDDEN], fcnet_activation="relu")
        config = (
            SACConfig()
            .environment(_registered(task))
            .env_runners(rollout_fragment_length=1)
            .training(
                gamma=task.gamma,
                train_batch_size_per_learner=BATCH,
                num_steps_sampled_before_learning_starts=task.learning_starts,
                actor_lr=3e-4,
                critic_lr=1e-3,
                alpha_lr=3e-4,
                replay_buffer_config={
                    "type": "PrioritizedEpisodeReplayBuffer",
                    "capacity": REPLAY_CAPACITY,
                    "alpha": 0.6,
                    "beta": 0.4,
                },
            )
            .rl_module(model_config=model)
            .debugging(seed=task.seed, log_level="ERROR")
        )
        self._algorithm = config.build_algo()
        self._gamma = task.gamma

    def step(self, env_steps: int) -> None:
        """One a call, with one update."""
        for _ in range(env_steps):
            self._algorithm.training_step()

    def update(self, updates: int) -> None:
        """What a training step does after sampling the environment."""
        import numpy as np
        from ray.rllib.core import DEFAULT_MODULE_ID
        from ray.rllib.utils.metrics import TD_ERROR_KEY
        from ray.rllib.utils.replay_buffers.utils import update_priorities_in_episode_replay_buffer

        replay = self._algorithm.local_replay_buffer
        for _ in range(updates):
            episodes = replay.sample(num_items=BATCH, n_step=1, gamma=self._gamma, beta=0.4, sample_episodes=True)
            results = self._algorithm.learner_group.update(episodes=episodes)
            series = results[0][DEFAULT_MODULE_ID].pop(TD_ERROR_KEY).peek()
            errors = {DEFAULT_MODULE_ID: {TD_ERROR_KEY: np.concatenate(series, axis=0)}}
            update_priorities_in_episode_replay_buffer(replay_buffer=replay, td_errors=errors)

    def close(self) -> None:
        """Stop the algorithm."""
        self._algorithm.stop()


OURS, OURS_TD3, OURS_DDPG, OURS_LOOP = "ours", "ours as TD3", "ours as DDPG", "ours as the single file"
SB3_TD3, SB3_DDPG, LOOP, SAC = "SB3 TD3", "SB3 DDPG", "single-file DDPG", "RLlib SAC"
CONTESTANTS: Mapping[str, Callable[[Task], Contestant]] = {
    OURS: Ours,
    OURS_TD3: lambda task: Ours(task, **AS_TD3),
    OURS_DDPG: lambda task: Ours(task, **AS_DDPG),
    OURS_LOOP: lambda task: Ours(task, **AS_LOOP),
    SB3_TD3: lambda task: StableBaselines(task, "TD3"),
    SB3_DDPG: lambda task: StableBaselines(task, "DDPG"),
    LOOP: SingleFile,
    SAC: RLlibSAC,
}
NEEDS: Mapping[str, str] = dict.fromkeys((SB3_TD3, SB3_DDPG, LOOP), "stable_baselines3")


def skipped(names: Sequence[str]) -> list[str]:
    """Those of the contestants whose library is not installed."""
    return [name for name in names if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None]


def _registered(task: Task) -> str:
    """RLlib takes an environment by name."""
    from ray.tune import register_env

    name = f"benchmark-{id(task)}"
    register_env(name, lambda _: task.make())
    return name
