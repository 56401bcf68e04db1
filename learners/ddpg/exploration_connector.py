"""Exploration in RLlib's environments: behind the module, where episodes are known, and before actions are scaled."""

from typing import Any

import gymnasium as gym
import numpy as np
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.core.columns import Columns

from learners.ddpg.exploration import ExplorationNoise, NoiseKind, exploration_noise
from learners.ddpg.schedule import Schedule, schedule_value


class ExploreActions(ConnectorV2):
    """Uniform actions at first, then the actor's with noise, where RLlib asks to explore; actions in [-1, 1].

    What is stored in the episodes is the action with its noise. Like the environment, the noise is no part of a
    checkpoint: both begin anew when a run is resumed.
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
        # RLlib seeds NumPy in each runner from the configured seed and the runner's index: a stream for each of them.
        self._random = np.random.default_rng(np.random.randint(2**31))
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
        # An episode that was just created has no observation yet, and the action on it goes nowhere.
        running = {episode.id_ for episode in episodes if episode.is_reset}
        self._noise = {episode_id: noise for episode_id, noise in self._noise.items() if episode_id in running}

        def explored(action: Any, episode_id: str, agent_id: Any, module_id: Any) -> np.ndarray:
            action = np.asarray(action, np.float32)
            if episode_id not in running:
                return action
            if env_steps < self._random_steps:
                return self._random.uniform(-1.0, 1.0, action.shape).astype(np.float32)
            if episode_id not in self._noise:
                self._noise[episode_id] = exploration_noise(self._kind, action.size, self._random)
            noise = self._noise[episode_id].sample(sigma).reshape(action.shape)
            return np.clip(action + noise, -1.0, 1.0)

        self.foreach_batch_item_change_in_place(batch, Columns.ACTIONS, explored)
        return batch
