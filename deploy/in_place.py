"""A cell and a learner in one process, turn by turn: for searches and experiments that need no camera."""

import numpy as np

from deploy.config import RunConfig
from deploy.policy import actor_shape
from learners.ddpg.algorithm import DDPG
from learners.ddpg.policy import Policy
from learners.ddpg.schedule import schedule_value
from s3k_dist.episodes import EpisodeChunk


class LearnsInPlace:
    """Implements ``ActingPolicy``: the learner's own actor, which learns from every few steps before it goes on acting.

    Args:
        algorithm: the learner, fed by cells.
        config: of the run that it belongs to.
        seed: of the exploration.

    Attributes:
        exploring: with noise, and what it does is learned from; False judges it.
    """

    def __init__(self, algorithm: DDPG, config: RunConfig, seed: int) -> None:
        self.exploring = True
        self._algorithm = algorithm
        self._sigma = config.policy.exploration_sigma
        self._policy = Policy(actor_shape(config), seed, config.policy.exploration_noise)

    @property
    def version(self) -> int:
        """Of the weights in use."""
        return self._policy.version

    def refresh(self) -> None:
        """Take the learner's newest weights."""
        newest = self._algorithm.env_runner.newest_weights
        if newest.version != self._policy.version:
            self._policy.load(newest)

    def begin_episode(self) -> None:
        """Noise begins anew."""
        self._policy.begin_episode()

    def act(self, observation: np.ndarray) -> np.ndarray:
        """With noise while it explores."""
        sigma = schedule_value(self._sigma, self._algorithm.env_steps)
        return self._policy.act(observation, explore=self.exploring, sigma=sigma)

    def submit(self, chunk: EpisodeChunk) -> None:
        """Learn from it at once, unless it is judged by it."""
        if self.exploring:
            self._algorithm.env_runner.inbox.push(chunk)
            self._algorithm.training_step()
