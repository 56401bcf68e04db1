"""DDPG with demonstrations on an environment of mine: python docs/examples/my_environment.py [STEPS]."""

import sys

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from learners.ddpg.config import DDPGConfig


class Reach(gymnasium.Env[np.ndarray, np.ndarray]):
    """A point in the plane that is to come to a target within 30 steps; any flat Box in and out will do."""

    observation_space = Box(-2.0, 2.0, (4,), np.float32)
    action_space = Box(-1.0, 1.0, (2,), np.float32)

    def __init__(self, config: dict[str, object] | None = None) -> None:
        """RLlib hands its ``env_config`` over."""

    def reset(self, *, seed: int | None = None, options: dict[str, object] | None = None) -> tuple[np.ndarray, dict]:
        """Both of them anywhere."""
        super().reset(seed=seed)
        self._point, self._target = self.np_random.uniform(-1, 1, (2, 2)).astype(np.float32)
        self._left = 30
        return self._seen(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        """At most 0.1 a step."""
        self._point = np.clip(self._point + 0.1 * action, -1, 1)
        self._left -= 1
        distance = float(np.linalg.norm(self._point - self._target))
        return self._seen(), -distance, distance < 0.05, self._left == 0, {"success": distance < 0.05}

    def _seen(self) -> np.ndarray:
        return np.concatenate([self._point, self._target])


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    algorithm = (
        DDPGConfig().environment(Reach).training(gamma=0.95, hidden_sizes=(64, 64)).debugging(seed=0).build_algo()
    )
    while algorithm.env_steps < wanted:
        result = algorithm.train()
        print(algorithm.env_steps, result["ddpg"].get("success_rate"), flush=True)
    algorithm.stop()
