"""Actor, critics and their slow copies as an RLlib module; actions lie in [-1, 1], connectors scale them."""

from copy import deepcopy
from typing import Any

import gymnasium as gym
import torch
from jaxtyping import Float
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis import InferenceOnlyAPI, TargetNetworkAPI
from ray.rllib.core.rl_module.torch.torch_rl_module import TorchRLModule
from torch import Tensor, nn

from learners.ddpg.networks import Actor, ActorShape, Critic
from s3k_dist.errors import ConfigError

ACTOR_PREFIX = "actor."


class DDPGModule(TorchRLModule, InferenceOnlyAPI, TargetNetworkAPI):
    """Deterministic tanh actor with one or two critics; the inference-only form has the actor alone."""

    def setup(self) -> None:
        """Build the networks from the spaces and ``model_config``.

        Raises:
            ConfigError: a space is not a flat Box, or the action space is unbounded.
        """
        require_flat_boxes(self.observation_space, self.action_space)
        config = self.model_config
        self.shape = ActorShape(
            observation_size=self.observation_space.shape[0],
            action_size=self.action_space.shape[0],
            hidden_sizes=tuple(config["hidden_sizes"]),
        )
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
            return {Columns.ACTIONS: self.actor(batch[Columns.OBS])}

    def _forward_exploration(self, batch: dict[str, Any], t: int | None = None, **kwargs: Any) -> dict[str, Any]:
        with torch.no_grad():
            action = self.actor(batch[Columns.OBS])
            if t is not None and t < self.model_config["random_steps"]:
                return {Columns.ACTIONS: torch.rand_like(action) * 2.0 - 1.0}
            noise = self.model_config["exploration_sigma"] * torch.randn_like(action)
            return {Columns.ACTIONS: (action + noise).clamp(-1.0, 1.0)}

    def _forward_train(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        observation = batch["obs"]
        next_value, next_value_n = self.forward_target(batch)
        action = self.actor(observation)
        # Differentiating with respect to a leaf leaves the critic's own parameters out of the backward pass.
        leaf = action.detach().requires_grad_()
        policy_value = self.critics[0](observation, leaf)
        (action_gradient,) = torch.autograd.grad(policy_value.sum(), leaf)
        return {
            "values": torch.stack([critic(observation, batch["actions"]) for critic in self.critics]),
            "next_value": next_value,
            "next_value_n": next_value_n,
            "action": action,
            "policy_value": policy_value.detach(),
            "action_gradient": action_gradient,
        }

    def make_target_networks(self) -> None:
        """Copy the networks; the copies follow by averaging only."""
        self.target_actor = deepcopy(self.actor).requires_grad_(False)
        self.target_critics = deepcopy(self.critics).requires_grad_(False)

    def get_target_network_pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        """(network, its slow copy), for actor and critics."""
        return [(self.actor, self.target_actor), (self.critics, self.target_critics)]

    def forward_target(self, batch: dict[str, Any]) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"]]:
        """Slow value of the slow actor's action after one step and after n; the lower of two critics (TD3)."""
        with torch.no_grad():
            observation = torch.cat((batch["next_obs"], batch["next_obs_n"]))
            action = self.target_actor(observation)
            if (sigma := self.model_config["target_noise"]) > 0.0:
                noise = (sigma * torch.randn_like(action)).clamp(-2.5 * sigma, 2.5 * sigma)
                action = (action + noise).clamp(-1.0, 1.0)
            values = torch.stack([critic(observation, action) for critic in self.target_critics])
            one_step, n_step = values.amin(dim=0).chunk(2)
            return one_step, n_step


def require_flat_boxes(observation_space: gym.Space, action_space: gym.Space) -> None:
    """Say at once what this algorithm cannot act on.

    Raises:
        ConfigError: a space is not a Box of one dimension, or the action space has no bounds to scale to.
    """
    for name, space in (("observation", observation_space), ("action", action_space)):
        if not isinstance(space, gym.spaces.Box) or len(space.shape) != 1:
            raise ConfigError(
                f"DDPG supports a flat Box as {name} space, shape (n,), got {space}; "
                "flatten observations with an env-to-module connector; discrete actions need another algorithm"
            )
    if not action_space.is_bounded():
        raise ConfigError(
            f"DDPG scales actions from [-1, 1] to the bounds of their Box, got an unbounded {action_space}"
        )
