"""The floor: the gradient step alone in plain PyTorch, on tensors that are ready. No replay, priorities or metrics."""

from copy import deepcopy

import torch
from torch import Tensor

from learners.ddpg.networks import Actor, ActorShape, Critic

GAMMA, LAMBDA_N, TAU, L2 = 0.98, 0.5, 0.005, 1e-5
TARGET_NOISE, NOISE_CLIP = 0.2, 0.5


class _Networks:
    """Twin critics and an actor with their slow copies, one fused Adam each."""

    def __init__(self, shape: ActorShape, *, layer_norm: bool, actor_lr: float, l2: float) -> None:
        self.actor = Actor(shape)
        self.critics = torch.nn.ModuleList(Critic(shape, layer_norm) for _ in range(2))
        self.slow_actor = deepcopy(self.actor).requires_grad_(False)
        self.slow_critics = deepcopy(self.critics).requires_grad_(False)
        self.actor_optimizer = torch.optim.Adam(self.actor.parameters(), lr=actor_lr, weight_decay=l2, fused=True)
        self.critic_optimizer = torch.optim.Adam(self.critics.parameters(), lr=1e-3, weight_decay=l2, fused=True)
        self._fast = [*self.actor.parameters(), *self.critics.parameters()]
        self._slow = [*self.slow_actor.parameters(), *self.slow_critics.parameters()]

    def slow_value(self, observation: Tensor, action: Tensor) -> Tensor:
        """The lower of the two."""
        return torch.minimum(*(critic(observation, action) for critic in self.slow_critics))

    def step_critics(self, loss: Tensor) -> None:
        """One step of theirs."""
        self.critic_optimizer.zero_grad()
        loss.backward()
        self.critic_optimizer.step()

    def step_actor(self, observation: Tensor) -> None:
        """One step up the first critic, whose own gradient is not computed."""
        self.critics.requires_grad_(False)
        loss = -self.critics[0](observation, self.actor(observation)).mean()
        self.actor_optimizer.zero_grad()
        loss.backward()
        self.actor_optimizer.step()
        self.critics.requires_grad_(True)

    def average(self) -> None:
        """Move the slow copies."""
        with torch.no_grad():
            torch._foreach_lerp_(self._slow, self._fast, TAU)


class BareOurs(_Networks):
    """Our loss: twin critics with LayerNorm, 1-step and n-step targets; no cloning."""

    def __init__(self, shape: ActorShape) -> None:
        super().__init__(shape, layer_norm=True, actor_lr=3e-4, l2=L2)

    def update(self, batch: dict[str, Tensor]) -> None:
        """One gradient step."""
        with torch.no_grad():
            observation = torch.cat((batch["next_obs"], batch["next_obs_n"]))
            value, value_n = self.slow_value(observation, self.slow_actor(observation)).chunk(2)
            target = batch["reward"] + GAMMA * (1.0 - batch["terminated"]) * value
            target_n = batch["reward_n"] + batch["discount_n"] * (1.0 - batch["terminated_n"]) * value_n
        values = torch.stack([critic(batch["obs"], batch["actions"]) for critic in self.critics])
        squared = (values - target).square() + LAMBDA_N * (values - target_n).square()
        self.step_critics((batch["weights"] * squared).mean(dim=-1).sum())
        self.step_actor(batch["obs"])
        self.average()


class BareTD3(_Networks):
    """TD3: 1-step targets with noise, the actor at every second step."""

    def __init__(self, shape: ActorShape) -> None:
        super().__init__(shape, layer_norm=False, actor_lr=1e-3, l2=0.0)
        self._steps = 0

    def update(self, batch: dict[str, Tensor]) -> None:
        """One gradient step."""
        self._steps += 1
        with torch.no_grad():
            noise = (TARGET_NOISE * torch.randn_like(batch["actions"])).clamp(-NOISE_CLIP, NOISE_CLIP)
            action = (self.slow_actor(batch["next_obs"]) + noise).clamp(-1.0, 1.0)
            value = self.slow_value(batch["next_obs"], action)
            target = batch["reward"] + GAMMA * (1.0 - batch["terminated"]) * value
        values = torch.stack([critic(batch["obs"], batch["actions"]) for critic in self.critics])
        self.step_critics((values - target).square().mean(dim=-1).sum())
        if self._steps % 2 == 0:
            self.step_actor(batch["obs"])
            self.average()


def random_batches(count: int, rows: int, observation_size: int, action_size: int) -> list[dict[str, Tensor]]:
    """Tensors of the replay's shapes; what they hold takes no time."""
    batches = []
    for _ in range(count):
        batch = {name: torch.randn(rows, observation_size) for name in ("obs", "next_obs", "next_obs_n")}
        batch |= {name: torch.randn(rows) for name in ("reward", "reward_n")}
        batch |= {name: torch.zeros(rows) for name in ("terminated", "terminated_n")}
        batch |= {"actions": 2.0 * torch.rand(rows, action_size) - 1.0, "weights": torch.ones(rows)}
        batch["discount_n"] = torch.full((rows,), GAMMA**5)
        batches.append(batch)
    return batches
