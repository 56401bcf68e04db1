"""DDPG as a single-file loop over Gymnasium, the shape that CleanRL has, on Stable-Baselines3's replay buffer.

Everything is in sight: act, store, sample, two losses, averaging. What it costs is PyTorch's and Gymnasium's own time.
"""

from copy import deepcopy

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from stable_baselines3.common.buffers import ReplayBuffer
from torch import Tensor, nn

LEARNING_RATE, TAU, SIGMA = 3e-4, 0.005, 0.1
ACTOR_EVERY = 2


class SingleFileDDPG:
    """One critic, 1-step targets, Gaussian noise, the actor at every second step."""

    def __init__(
        self, env: gym.Env, *, hidden: int, batch: int, gamma: float, learning_starts: int, capacity: int, seed: int
    ) -> None:
        self._env, self._batch, self._gamma, self._learning_starts = env, batch, gamma, learning_starts
        torch.manual_seed(seed)
        np.random.seed(seed)  # what Stable-Baselines3's buffer draws from
        env.action_space.seed(seed)
        space = env.action_space
        assert isinstance(space, gym.spaces.Box)
        assert env.observation_space.shape is not None
        observations, actions = env.observation_space.shape[0], space.shape[0]
        self._actor = _perceptron(observations, hidden, actions, nn.Tanh())
        self._critic = _perceptron(observations + actions, hidden, 1)
        self._slow_actor, self._slow_critic = deepcopy(self._actor), deepcopy(self._critic)
        self._scale = torch.from_numpy((space.high - space.low) / 2.0)
        self._middle = torch.from_numpy((space.high + space.low) / 2.0)
        self._low, self._high = space.low, space.high
        self._actor_optimizer = torch.optim.Adam(self._actor.parameters(), lr=LEARNING_RATE)
        self._critic_optimizer = torch.optim.Adam(self._critic.parameters(), lr=LEARNING_RATE)
        self._replay = ReplayBuffer(
            capacity, env.observation_space, space, device="cpu", handle_timeout_termination=False
        )
        self._observation, _ = env.reset(seed=seed)
        self.env_steps = self.updates = 0

    def run(self, env_steps: int) -> None:
        """Act so many steps, with one update after each once there is enough to learn from."""
        for _ in range(env_steps):
            self._step()
            if self.env_steps > self._learning_starts:
                self.update()

    def update(self) -> None:
        """One gradient step."""
        data = self._replay.sample(self._batch)
        with torch.no_grad():
            next_action = self._act(self._slow_actor, data.next_observations)
            next_value = self._value(self._slow_critic, data.next_observations, next_action)
            target = data.rewards.flatten() + (1.0 - data.dones.flatten()) * self._gamma * next_value
        critic_loss = F.mse_loss(self._value(self._critic, data.observations, data.actions), target)
        self._critic_optimizer.zero_grad()
        critic_loss.backward()
        self._critic_optimizer.step()
        self.updates += 1
        if self.updates % ACTOR_EVERY:
            return
        action = self._act(self._actor, data.observations)
        actor_loss = -self._value(self._critic, data.observations, action).mean()
        self._actor_optimizer.zero_grad()
        actor_loss.backward()
        self._actor_optimizer.step()
        for network, slow in ((self._actor, self._slow_actor), (self._critic, self._slow_critic)):
            for parameter, slow_parameter in zip(network.parameters(), slow.parameters(), strict=True):
                slow_parameter.data.copy_(TAU * parameter.data + (1.0 - TAU) * slow_parameter.data)

    def _step(self) -> None:
        if self.env_steps < self._learning_starts:
            action = self._env.action_space.sample()
        else:
            with torch.no_grad():
                action = self._act(self._actor, torch.from_numpy(self._observation)[None])
                action = (action + SIGMA * self._scale * torch.randn_like(action))[0].numpy()
            action = action.clip(self._low, self._high)
        following, reward, terminated, truncated, _ = self._env.step(action)
        self._replay.add(self._observation, following, action, np.array([reward]), np.array([terminated]), [{}])
        self._observation = self._env.reset()[0] if terminated or truncated else following
        self.env_steps += 1

    def _act(self, actor: nn.Module, observation: Tensor) -> Tensor:
        action: Tensor = actor(observation) * self._scale + self._middle
        return action

    def _value(self, critic: nn.Module, observation: Tensor, action: Tensor) -> Tensor:
        value: Tensor = critic(torch.cat((observation, action), dim=1)).flatten()
        return value


def _perceptron(inputs: int, hidden: int, outputs: int, *last: nn.Module) -> nn.Sequential:
    layers = (nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
    return nn.Sequential(*layers, *last)
