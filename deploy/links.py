"""What topology hands a cell: a policy whose weights come from the DDPG learner, and where its steps go.

And what it hands the keypoint learner: where the features go that it makes anew.
"""

import time
from collections import deque
from typing import Any

import numpy as np
import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError

from deploy.refresh import ReplayAwayError
from learners.ddpg.exploration import NoiseKind
from learners.ddpg.networks import ActorShape
from learners.ddpg.policy import Policy, PolicyWeights
from learners.ddpg.schedule import Schedule, schedule_value
from s3k_dist.episodes import EpisodeChunk

MAX_PENDING = 64
ASK_S, ASK_EVERY_S = 30.0, 0.25


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

    Attributes:
        misfit_steps: of this episode, on features that the weights had not learned from.
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
        self.misfit_steps = 0

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
            try:
                weights = ray.get(answer, timeout=1.0)
            except RayError:
                continue  # a learner that died is begun anew; the robot goes on with what it has
            if weights is not None:
                self._load(weights)

    def fits(self, model_version: int) -> bool:
        """Whether it has learned to act on the features of this model."""
        return self._policy.fitting is None or model_version in self._policy.fitting

    def wait_to_fit(self, model_version: int, timeout_s: float) -> bool:
        """Take newer weights until they fit features of this model, for ``timeout_s`` at most; returns whether they do.

        Between two episodes: the robot stands still.
        """
        until = time.monotonic() + timeout_s
        while not self.fits(model_version) and time.monotonic() < until:
            try:
                newest = ray.get(self._learner.newest.remote(self._policy.version), timeout=ASK_S)
            except RayError:
                return False
            if newest is not None:
                self._load(newest)
            else:
                time.sleep(ASK_EVERY_S)
        return self.fits(model_version)

    def begin_episode(self) -> None:
        """Start the exploration noise anew."""
        self._policy.begin_episode()
        self.misfit_steps = 0

    def act(self, observation: np.ndarray) -> np.ndarray:
        """An action with exploration noise."""
        return self._policy.act(observation, explore=True, sigma=self._sigma_now)

    def submit(self, chunk: EpisodeChunk) -> None:
        """Push steps; returns at once."""
        self.misfit_steps += sum(not self.fits(int(version)) for version in chunk.model_versions)
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


class RemoteReplay:
    """Implements ``Refreshable``: the stored episodes of a DDPG learner in another process.

    Args:
        learner: handle of a ``PolicyProcess``.
    """

    def __init__(self, learner: Any) -> None:
        self._learner = learner

    def features_promoted(self, version: int) -> None:
        """Features are of another model from now on."""
        _answer(self._learner.features_promoted.remote(version))

    def stale_episodes(self, version: int) -> np.ndarray:
        """Keys of the stored episodes with features of another model than ``version``, the most urgent first."""
        keys: np.ndarray = _answer(self._learner.stale_episodes.remote(version))
        return keys

    def stored_episodes(self) -> np.ndarray:
        """Keys of all stored episodes."""
        keys: np.ndarray = _answer(self._learner.stored_episodes.remote())
        return keys

    def refresh(self, chunk: EpisodeChunk) -> None:
        """A stored episode with other features; returns when the learner has it, so that no queue grows."""
        _answer(self._learner.refresh.remote(chunk))

    def put_back(self, chunk: EpisodeChunk) -> None:
        """An episode that it had learned from, and has not in its last checkpoint."""
        _answer(self._learner.put_back.remote(chunk))

    def restored_from_s(self) -> float:
        """When the checkpoint was written that it was begun from, Unix time; 0 if there was none."""
        restored_s: float = _answer(self._learner.restored_from_s.remote())
        return restored_s

    def features_refreshed(self) -> None:
        """Enough is refreshed to learn from."""
        _answer(self._learner.features_refreshed.remote())


def _answer(reference: Any) -> Any:
    try:
        return ray.get(reference, timeout=ASK_S)
    except (RayActorError, GetTimeoutError) as error:
        raise ReplayAwayError("the policy learner does not answer") from error
