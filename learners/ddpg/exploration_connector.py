"""Exploration in RLlib's environments: behind the module, where episodes are known, and before actions are scaled."""

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.core.columns import Columns

from learners.ddpg.exploration import ExplorationNoise, NoiseKind, exploration_noise
from learners.ddpg.schedule import Schedule, schedule_value


class ExploreActions(ConnectorV2):
    """Uniform actions at first, then the actor's with noise, where RLlib asks to explore; actions in [-1, 1].

    What is stored in the episodes is the action with its noise. An episode under way is no part of a checkpoint, nor is
    the state of its noise: both begin anew when a run is resumed.
    """

    def __init__(
        self,
        input_observation_space: gym.Space | None = None,
        input_action_space: gym.Space | None = None,
        *,
        noise: NoiseKind,
        sigma: Schedule,
        random_steps: int,
        **kwargs: Any,
    ) -> None:
        """Start with no episode.

        Args:
            input_observation_space: RLlib's.
            input_action_space: RLlib's.
            noise: kind of noise.
            sigma: its strength, in units of the normalised action.
            random_steps: environment steps with uniform actions, over all environments.
            kwargs: RLlib's.
        """
        super().__init__(input_observation_space, input_action_space, **kwargs)
        self._kind = noise
        self._sigma = sigma
        self._random_steps = random_steps
        self._random = _TorchNumbers()
        self._noise: dict[str, ExplorationNoise] = {}

    def __call__(
        self,
        *,
        rl_module: Any,
        batch: dict[str, Any],
        episodes: list[Any],
        explore: bool | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Replace ``batch["actions"]`` by those to explore with."""
        if not explore:
            return batch
        env_steps = rl_module.env_steps
        sigma = schedule_value(self._sigma, env_steps)
        # An episode that was just created has no observation yet, and the action on it goes nowhere: no noise is kept.
        running = {episode.id_ for episode in episodes if episode.is_reset}
        self._noise = {episode_id: noise for episode_id, noise in self._noise.items() if episode_id in running}

        def explored(action: Any, episode_id: str, agent_id: Any, module_id: Any) -> np.ndarray:
            action = np.asarray(action, np.float32)
            if env_steps < self._random_steps:
                return self._random.uniform(action.shape)
            noise = self._noise.get(episode_id) or exploration_noise(self._kind, action.size, self._random)
            if episode_id in running:
                self._noise[episode_id] = noise
            return np.clip(action + noise.sample(sigma).reshape(action.shape), -1.0, 1.0)

        self.foreach_batch_item_change_in_place(batch, Columns.ACTIONS, explored)
        return batch


class _TorchNumbers:
    """Torch's generator: RLlib seeds it in every runner, and the checkpoint of a learner beside it holds its state."""

    def normal(self, *, scale: float = 1.0, size: int | tuple[int, ...]) -> np.ndarray:
        """Normal numbers of mean 0."""
        return scale * torch.randn(size).numpy()

    def uniform(self, size: tuple[int, ...]) -> np.ndarray:
        """Numbers in [-1, 1), float32."""
        return 2.0 * torch.rand(size).numpy() - 1.0
