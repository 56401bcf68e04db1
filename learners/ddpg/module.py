"""Actor, critics and their slow copies as an RLlib module; actions lie in [-1, 1], connectors scale them."""

import math
from copy import deepcopy
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from jaxtyping import Float
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis import InferenceOnlyAPI, TargetNetworkAPI
from ray.rllib.core.rl_module.torch.torch_rl_module import TorchRLModule
from torch import Tensor, nn

from learners.ddpg.networks import Actor, ActorShape, Critic, ObservationNormalizer
from s3k_dist.errors import ConfigError

ACTOR_PREFIX = "actor."


class DDPGModule(TorchRLModule, InferenceOnlyAPI, TargetNetworkAPI):
    """Deterministic tanh actor with one or two critics; the inference-only form has the actor alone."""

    def setup(self) -> None:
        """Build the networks from the spaces and ``model_config``.

        Raises:
            ConfigError: a space is none that this algorithm can act in.
        """
        require_boxes(self.observation_space, self.action_space)
        config = self.model_config
        self.shape = ActorShape(
            observation_size=self.observation_space.shape[0],
            action_size=math.prod(self.action_space.shape),
            hidden_sizes=tuple(config["hidden_sizes"]),
            normalize_observations=config["normalize_observations"],
        )
        self.env_steps = 0
        self.actor = Actor(self.shape)
        if not self.inference_only:
            count = 2 if config["twin_critic"] else 1
            self.critics = nn.ModuleList(Critic(self.shape, config["layer_norm"]) for _ in range(count))

    def train(self, mode: bool = True) -> "DDPGModule":
        """Switch to training mode. RLlib does so at every gradient step; walking the tree each time would cost 5%."""
        return self if self.training == mode else super().train(mode)

    def get_non_inference_attributes(self) -> list[str]:
        """What an inference-only copy lacks."""
        return ["critics", "target_actor", "target_critics"]

    def _forward_inference(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        with torch.no_grad():
            action = self.actor(batch[Columns.OBS].to(torch.float32))
            return {Columns.ACTIONS: action.reshape(-1, *self.action_space.shape)}

    def _forward_exploration(self, batch: dict[str, Any], t: int | None = None, **kwargs: Any) -> dict[str, Any]:
        # Noise is added behind the module by ``ExploreActions``, which knows the episodes and reads the time here.
        self.env_steps = t or 0
        return self._forward_inference(batch)

    def _forward_train(self, batch: dict[str, Any], *, with_actor: bool = True, **kwargs: Any) -> dict[str, Any]:
        observation = self.actor.normalizer(batch["obs"])
        out = {"values": torch.stack([critic(observation, batch["actions"]) for critic in self.critics])}
        out.update(self.forward_target(batch))
        if with_actor:
            action = self.actor(batch["obs"])
            # Differentiating with respect to a leaf leaves the critic's own parameters out of the backward pass.
            leaf = action.detach().requires_grad_()
            policy_value = self.critics[0](observation, leaf)
            (action_gradient,) = torch.autograd.grad(policy_value.sum(), leaf)
            out.update(action=action, policy_value=policy_value.detach(), action_gradient=action_gradient)
        return out

    def make_target_networks(self) -> None:
        """Copy the networks; the copies follow by averaging only."""
        self.target_actor = deepcopy(self.actor).requires_grad_(False)
        # Not a copy: the slow networks must see observations as the others do.
        self.target_actor.normalizer = self.actor.normalizer
        self.target_critics = deepcopy(self.critics).requires_grad_(False)

    def set_observation_moments(self, mean: np.ndarray, deviation: np.ndarray) -> None:
        """Normalise observations with these from now on, shape (observation_size,) each; all networks at once."""
        if isinstance(self.actor.normalizer, ObservationNormalizer):
            self.actor.normalizer.set_statistics(torch.from_numpy(mean.copy()), torch.from_numpy(deviation.copy()))

    def get_target_network_pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        """(network, its slow copy), for actor and critics."""
        return [(self.actor, self.target_actor), (self.critics, self.target_critics)]

    def forward_target(self, batch: dict[str, Any]) -> dict[str, Float[Tensor, "B"]]:
        """Slow value of the slow actor's action; the lower of two critics (TD3).

        Returns:
            "next_value" after one step, and where the batch has "next_obs_n", "next_value_n" after n.
        """
        names = ["next_value", "next_value_n"] if "next_obs_n" in batch else ["next_value"]
        with torch.no_grad():
            observation = torch.cat([batch[name.replace("value", "obs")] for name in names])
            action = self.target_actor(observation)
            if (sigma := self.model_config["target_noise"]) > 0.0:
                noise = (sigma * torch.randn_like(action)).clamp(-2.5 * sigma, 2.5 * sigma)
                action = (action + noise).clamp(-1.0, 1.0)
            observation = self.actor.normalizer(observation)
            values = torch.stack([critic(observation, action) for critic in self.target_critics])
            return dict(zip(names, values.amin(dim=0).chunk(len(names)), strict=True))


def require_boxes(observation_space: gym.Space, action_space: gym.Space) -> None:
    """Say at once what this algorithm cannot act on.

    Raises:
        ConfigError: the observation space is not a Box of one dimension, or the action space is not a bounded Box of
            real numbers.
    """
    if not isinstance(observation_space, gym.spaces.Box) or len(observation_space.shape) != 1:
        raise ConfigError(
            f"DDPG supports a flat Box as observation space, shape (n,), got {observation_space}; flatten others with "
            "gymnasium.wrappers.FlattenObservation or RLlib's FlattenObservations connector"
        )
    if not isinstance(action_space, gym.spaces.Box):
        raise ConfigError(
            f"DDPG supports a Box as action space, got {action_space}; discrete actions need an algorithm such as DQN"
        )
    if action_space.dtype not in (np.float32, np.float64):
        raise ConfigError(
            f"DDPG supports action spaces of float32 or float64, got {action_space}; RLlib does not scale those of "
            f"{action_space.dtype}: declare a float Box and convert in gymnasium.wrappers.TransformAction"
        )
    with np.errstate(over="ignore"):
        if not np.isfinite(action_space.high - action_space.low).all():
            raise ConfigError(
                f"DDPG scales actions from [-1, 1] to the bounds of their Box, got an unbounded {action_space}; give "
                "it bounds with gymnasium.wrappers.TransformAction(env, func, action_space)"
            )
