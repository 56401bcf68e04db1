"""Replay alone: insertion, sampling and memory of ours, Stable-Baselines3's and RLlib's prioritised buffer."""

import gc
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import psutil

from benchmarks.rl.contestants import SB3_TD3, skipped
from benchmarks.rl.timing import Rates, by_turns
from learners.ddpg.replay import DemonstrationReplay
from s3k_dist.episodes import EpisodeChunk

OBSERVATION_SIZE, ACTION_SIZE, BATCH = 24, 6, 256
EPISODE_STEPS = 40  # as the insertion task has; RLlib's buffer, with n_step=1, takes any length
BATCHES_A_CALL = 8  # of ours, as its learner draws them
OURS, SB3, RLLIB = "ours", "SB3", "RLlib prioritised"
FULL_SIZES, QUICK_SIZES = (100_000, 1_000_000), (20_000,)
OBSERVATIONS = gym.spaces.Box(-np.inf, np.inf, (OBSERVATION_SIZE,), np.float32)
ACTIONS = gym.spaces.Box(-1.0, 1.0, (ACTION_SIZE,), np.float32)


class Buffer(Protocol):
    """A replay buffer as its own library uses it."""

    def insert(self, episodes: int) -> None:
        """Store whole episodes."""

    def sample(self, batches: int) -> None:
        """Draw batches of 256 rows."""


class _Ours:
    def __init__(self, capacity: int) -> None:
        self._replay = DemonstrationReplay(
            observation_size=OBSERVATION_SIZE,
            action_size=ACTION_SIZE,
            capacity=capacity,
            demonstration_capacity=0,
            n_step=5,
            gamma=0.97,
            priority_exponent=0.3,
            importance_exponent=0.4,
            seed=0,
        )
        self._episode = _Episode()
        self._stored = 0

    def insert(self, episodes: int) -> None:
        for _ in range(episodes):
            episode = self._episode
            self._replay.add(
                EpisodeChunk(
                    episode_id=str(self._stored),
                    cell_id="benchmark",
                    observations=episode.observations,
                    actions=episode.actions,
                    rewards=episode.rewards,
                    terminated=True,
                    truncated=False,
                    start_step=0,
                    policy_version=0,
                    model_versions=episode.versions,
                )
            )
            self._stored += 1

    def sample(self, batches: int) -> None:
        for _ in range(batches // BATCHES_A_CALL):
            self._replay.sample(BATCHES_A_CALL, BATCH)


class _StableBaselines:
    def __init__(self, capacity: int) -> None:
        from stable_baselines3.common.buffers import ReplayBuffer

        self._replay = ReplayBuffer(capacity, OBSERVATIONS, ACTIONS, device="cpu")
        self._episode = _Episode()

    def insert(self, episodes: int) -> None:
        info: list[dict[str, Any]] = [{}]
        for _ in range(episodes):
            observations, actions, rewards = (
                self._episode.observations[:, None],
                self._episode.actions[:, None],
                self._episode.rewards[:, None],
            )
            for step in range(EPISODE_STEPS):
                done = np.array([step == EPISODE_STEPS - 1])
                self._replay.add(observations[step], observations[step + 1], actions[step], rewards[step], done, info)

    def sample(self, batches: int) -> None:
        for _ in range(batches):
            self._replay.sample(BATCH)


class _RLlib:
    def __init__(self, capacity: int) -> None:
        from ray.rllib.utils.replay_buffers.prioritized_episode_buffer import PrioritizedEpisodeReplayBuffer

        self._replay = PrioritizedEpisodeReplayBuffer(capacity=capacity, alpha=0.6)
        self._episode = _Episode()

    def insert(self, episodes: int) -> None:
        from ray.rllib.env.single_agent_episode import SingleAgentEpisode

        for _ in range(episodes):
            episode = SingleAgentEpisode(
                observations=list(self._episode.observations),
                actions=list(self._episode.actions),
                rewards=self._episode.rewards.tolist(),
                infos=[{}] * (EPISODE_STEPS + 1),
                terminated=True,
                len_lookback_buffer=0,
            )
            episode.to_numpy()
            self._replay.add(episode)

    def sample(self, batches: int) -> None:
        for _ in range(batches):
            self._replay.sample(num_items=BATCH, n_step=1, beta=0.4)


class _Episode:
    """Numbers of no meaning, the same for every episode."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self.observations = random.normal(size=(EPISODE_STEPS + 1, OBSERVATION_SIZE)).astype(np.float32)
        self.actions = random.uniform(-1.0, 1.0, (EPISODE_STEPS, ACTION_SIZE)).astype(np.float32)  # nosec B311
        self.rewards = random.normal(size=EPISODE_STEPS).astype(np.float32)
        self.versions = np.zeros(EPISODE_STEPS, np.int64)


BUFFERS: Mapping[str, Callable[[int], Buffer]] = {OURS: _Ours, SB3: _StableBaselines, RLLIB: _RLlib}


def measure_buffers(sizes: tuple[int, ...], rounds: int) -> dict[str, Any]:
    """Rates and memory by size and buffer, as plain values."""
    missing = [SB3] if skipped([SB3_TD3]) else []
    return {"sizes": {str(size): _at(size, missing, rounds) for size in sizes}, "skipped": missing, "rounds": rounds}


def _at(size: int, missing: list[str], rounds: int) -> dict[str, Any]:
    buffers: dict[str, Buffer] = {}
    bytes_each: dict[str, float] = {}
    for name, build in BUFFERS.items():
        if name in missing:
            continue
        print(f"{name}: stores {size} transitions", flush=True)
        before = _resident_bytes()
        buffers[name] = build(size)
        buffers[name].insert(size // EPISODE_STEPS)
        bytes_each[name] = (_resident_bytes() - before) / size
    # A full buffer: each insertion pushes something out, as it does for most of a training.
    episodes, batches = 25, BATCHES_A_CALL
    inserts: dict[str, Callable[[], object]] = {
        name: lambda buffer=buffer: buffer.insert(episodes)  # type: ignore[misc]
        for name, buffer in buffers.items()
    }
    samples: dict[str, Callable[[], object]] = {
        name: lambda buffer=buffer: buffer.sample(batches)  # type: ignore[misc]
        for name, buffer in buffers.items()
    }
    return {
        "insertions": _plain(by_turns(inserts, episodes * EPISODE_STEPS, rounds)),
        "samples": _plain(by_turns(samples, batches, rounds)),
        "bytes": bytes_each,
    }


def _resident_bytes() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def _plain(rates: Mapping[str, Rates]) -> dict[str, Any]:
    return {name: rate.to_json() for name, rate in rates.items()}
