"""Cost of one gradient step of DDPG through RLlib, against the same mathematics in plain PyTorch in the same run.

    OMP_NUM_THREADS=1 python benchmarks/ddpg_update.py

Both take turns, so that whatever else the machine does hits both. Time is this process's CPU time on one thread.
"""

import time
from copy import deepcopy

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from learners.ddpg.config import DDPGConfig
from learners.ddpg.ingest import IngestEnvRunner
from learners.ddpg.networks import Actor, ActorShape, Critic
from s3k_dist.episodes import EpisodeChunk

OBSERVATION_SIZE, ACTION_SIZE, BATCH = 25, 6, 256
UPDATES_PER_CALL, ROUNDS = 32, 12
GAMMA, LAMBDA_N, TAU = 0.99, 0.5, 0.005


class PlainDDPG:
    """The reference: twin critics, 1-step and n-step targets, nothing around them."""

    def __init__(self, shape: ActorShape) -> None:
        self.actor, self.critics = Actor(shape), torch.nn.ModuleList((Critic(shape, True), Critic(shape, True)))
        self.slow_actor, self.slow_critics = deepcopy(self.actor), deepcopy(self.critics)
        self.actor_optimizer = torch.optim.Adam(self.actor.parameters(), lr=1e-3, weight_decay=1e-5)
        self.critic_optimizer = torch.optim.Adam(self.critics.parameters(), lr=1e-3, weight_decay=1e-5)

    def update(self, batch: dict[str, Tensor]) -> None:
        """One gradient step."""
        with torch.no_grad():
            rewards = batch["reward"], batch["reward_n"]
            ends, discounts = (batch["terminated"], batch["terminated_n"]), (GAMMA, batch["discount_n"])
            targets = []
            for observation, reward, end, discount in zip(
                (batch["next_obs"], batch["next_obs_n"]), rewards, ends, discounts, strict=True
            ):
                action = self.slow_actor(observation)
                value = torch.min(*(critic(observation, action) for critic in self.slow_critics))
                targets.append(reward + discount * (1.0 - end) * value)
        critic_loss = torch.zeros(())
        for critic in self.critics:
            value = critic(batch["obs"], batch["actions"])
            for scale, target in zip((1.0, LAMBDA_N), targets, strict=True):
                critic_loss = critic_loss + scale * (batch["weights"] * (value - target) ** 2).mean()
        self.critic_optimizer.zero_grad()
        critic_loss.backward()
        self.critic_optimizer.step()
        self.critics.requires_grad_(False)
        actor_loss = -self.critics[0](batch["obs"], self.actor(batch["obs"])).mean()
        self.actor_optimizer.zero_grad()
        actor_loss.backward()
        self.actor_optimizer.step()
        self.critics.requires_grad_(True)
        with torch.no_grad():
            for network, slow in ((self.actor, self.slow_actor), (self.critics, self.slow_critics)):
                for parameter, slow_parameter in zip(network.parameters(), slow.parameters(), strict=True):
                    slow_parameter.lerp_(parameter, TAU)


def main() -> None:
    """Print milliseconds an update for both, and their ratio."""
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    spaces = {
        "observation_space": gym.spaces.Box(-1.0, 1.0, (OBSERVATION_SIZE,), np.float32),
        "action_space": gym.spaces.Box(-1.0, 1.0, (ACTION_SIZE,), np.float32),
    }
    config = DDPGConfig().environment(**spaces).env_runners(env_runner_cls=IngestEnvRunner, num_env_runners=0)
    algorithm = config.debugging(seed=0, log_level="ERROR").build_algo()
    for episode in range(300):
        algorithm.replay.add(
            EpisodeChunk(
                episode_id=str(episode),
                cell_id="benchmark",
                observations=random.normal(size=(21, OBSERVATION_SIZE)).astype(np.float32),
                actions=random.uniform(-1, 1, (20, ACTION_SIZE)).astype(np.float32),
                rewards=random.normal(size=20).astype(np.float32),
                terminated=True,
                truncated=False,
                start_step=0,
                policy_version=-1,
                model_versions=np.zeros(20, np.int64),
            )
        )
    plain = PlainDDPG(ActorShape(OBSERVATION_SIZE, ACTION_SIZE))
    milliseconds: dict[str, list[float]] = {"rllib": [], "rllib, one update a call": [], "plain": []}

    def timed(name: str, updates: int, work: object) -> None:
        start = time.process_time()
        work()  # type: ignore[operator]
        milliseconds[name].append((time.process_time() - start) / updates * 1e3)

    def plain_updates() -> None:
        columns = algorithm.replay.sample(UPDATES_PER_CALL, BATCH).columns
        tensors = {name: torch.from_numpy(column) for name, column in columns.items()}
        for start in range(0, UPDATES_PER_CALL * BATCH, BATCH):
            plain.update({name: column[start : start + BATCH] for name, column in tensors.items()})

    for _ in range(ROUNDS):
        timed("rllib", UPDATES_PER_CALL, lambda: algorithm._learn(UPDATES_PER_CALL))
        timed("plain", UPDATES_PER_CALL, plain_updates)
        timed(
            "rllib, one update a call", UPDATES_PER_CALL, lambda: [algorithm._learn(1) for _ in range(UPDATES_PER_CALL)]
        )
    medians = {name: float(np.median(values[2:])) for name, values in milliseconds.items()}
    for name, median in medians.items():
        print(f"{name:28s} {median:6.2f} ms an update, {median / medians['plain']:.2f} x plain")
    algorithm.stop()


if __name__ == "__main__":
    main()
