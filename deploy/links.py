"""What topology hands a cell: a policy whose weights come from the DDPG learner, and where its steps go."""

from collections import deque
from typing import Any

import numpy as np
import ray

from learners.ddpg.exploration import NoiseKind
from learners.ddpg.networks import ActorShape
from learners.ddpg.policy import Policy, PolicyWeights
from learners.ddpg.schedule import Schedule, schedule_value
from s3k_dist.episodes import EpisodeChunk

MAX_PENDING = 64


class LearnerLink:
    """Implements ``ActingPolicy``: acts with the newest weights that have arrived, pushes steps without waiting.

    Every push is answered with newer weights if there are any, so a cell needs one call and no poll. A learner that
    does not answer costs the cell nothing: the oldest unanswered pushes are forgotten.

    Args:
        learner: handle of a ``PolicyProcess``.
        weights: to start with.
        shape: of the actor.
        noise: kind of the exploration noise.
        sigma: its strength, over the environment steps of all cells.
        seed: of the same.
    """

    def __init__(
        self,
        learner: Any,
        weights: PolicyWeights,
        shape: ActorShape,
        *,
        sigma: Schedule,
        seed: int,
        noise: NoiseKind = "gaussian",
    ) -> None:
        self._learner = learner
        self._policy = Policy(shape, seed, noise)
        self._sigma = sigma
        self._load(weights)
        self._pending: deque[Any] = deque(maxlen=MAX_PENDING)

    @property
    def version(self) -> int:
        """Of the weights in use."""
        return self._policy.version

    def refresh(self) -> None:
        """Take the weights that came back with answered pushes."""
        if not self._pending:
            return
        answered, waiting = ray.wait(list(self._pending), num_returns=len(self._pending), timeout=0)
        self._pending = deque(waiting, maxlen=MAX_PENDING)
        for answer in answered:
            weights = ray.get(answer, timeout=1.0)
            if weights is not None:
                self._load(weights)

    def begin_episode(self) -> None:
        """Start the exploration noise anew."""
        self._policy.begin_episode()

    def act(self, observation: np.ndarray) -> np.ndarray:
        """An action with exploration noise."""
        return self._policy.act(observation, explore=True, sigma=self._sigma_now)

    def submit(self, chunk: EpisodeChunk) -> None:
        """Push steps; returns at once."""
        self._pending.append(self._learner.push.remote(chunk, self._policy.version))

    def _load(self, weights: PolicyWeights) -> None:
        self._policy.load(weights)
        # A cell knows its own steps alone; the learner's weights tell those of all cells.
        self._sigma_now = schedule_value(self._sigma, weights.env_steps)


class FixedPolicy:
    """Implements ``ActingPolicy`` for evaluation: one version, no noise, nothing learned from."""

    def __init__(self, weights: PolicyWeights, shape: ActorShape) -> None:
        self._policy = Policy(shape)
        self._policy.load(weights)
        self.version = weights.version

    def refresh(self) -> None:
        """Nothing newer is wanted."""

    def begin_episode(self) -> None:
        """Nothing to begin: there is no noise."""

    def act(self, observation: np.ndarray) -> np.ndarray:
        """The policy's own action."""
        return self._policy.act(observation)

    def submit(self, chunk: EpisodeChunk) -> None:
        """Held-out episodes are not learned from."""
