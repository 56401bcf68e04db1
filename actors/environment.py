"""The insertion task as a Gymnasium environment, for any RL library::

import gymnasium, actors.environment
env = gymnasium.make("s3k/CableInsertion-v0", service="127.0.0.1:50051")
"""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from actors.cell import SimulatedCell
from actors.insertion import ACTION_SIZE, InsertionConfig, InsertionTask, TaskStep
from actors.observation import OBSERVATION_LIMIT, FeatureSource, observed_through
from s3k_dist.errors import ConfigError
from s3k_dist.features.client import FeatureClient
from s3k_dist.frames import MultiViewFrame

ENVIRONMENT_ID = "s3k/CableInsertion-v0"


class InsertionEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """One cell, one feature source, one task.

    Actions are twists as shares of the cell's limits, in [-1, 1], shape (6,). ``info`` holds ``distance_m``,
    ``claimed`` and, where the cell knows it, the truth (``true_depth``): recorded beside every claim, never observed.

    Args:
        features: where keypoints come from, and embeddings where the task observes them; or give ``service``.
        service: address of a feature service.
        make_cell: makes the robot cell, which the environment owns; default the simulated one. Not the cell itself:
            Gymnasium copies the arguments of an environment, to make it again.
        task: thresholds, rewards, and what is observed: ``InsertionConfig(observation="vae")``.

    Raises:
        ConfigError: neither ``features`` nor ``service`` was given, or a cell that is not simulated is to show its
            ``state``. `reset` raises it where the service does not send the embedding that the task observes.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012  # Gymnasium's own interface

    def __init__(
        self,
        features: FeatureSource | None = None,
        service: str | None = None,
        make_cell: Callable[[], SimulatedCell] | None = None,
        task: InsertionConfig | None = None,
        render_mode: str | None = None,
    ) -> None:
        self._client: FeatureClient | None = None
        if features is None:
            if service is None:
                raise ConfigError(
                    "the insertion task sees through a keypoint model: expected service='host:port' or features=..."
                )
            features = self._client = FeatureClient(service)
        config = task or InsertionConfig()
        self._cell = (make_cell or _default_cell)()
        self._features = observed_through(features, self._cell, config.observation)
        self._task = InsertionTask(config, self._cell.cameras[0].width_px)
        self.render_mode = render_mode
        self.observation_space = gymnasium.spaces.Box(
            -OBSERVATION_LIMIT, OBSERVATION_LIMIT, (config.observation_size,), np.float32
        )
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (ACTION_SIZE,), np.float32)
        self._seen: MultiViewFrame | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """A new start; the same seed gives the same scene."""
        super().reset(seed=seed)
        seen = self._cell.reset(int(self.np_random.integers(2**31)))
        self._seen = seen.frame
        step = self._task.begin(seen.gripper, self._features.extract(seen.frame))
        return step.observation, self._info(step)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Drive the gripper for one control period (0.25 s)."""
        self._cell.command(np.asarray(action, np.float64) * self._cell.twist_limit)
        seen = self._cell.observe()
        self._seen = seen.frame
        step = self._task.advance(seen.gripper, self._features.extract(seen.frame))
        return step.observation, step.reward, step.terminated, step.truncated, self._info(step)

    def render(self) -> np.ndarray | None:
        """All views side by side, RGB uint8, shape (height, views * width, 3)."""
        if self.render_mode is None or self._seen is None:
            return None
        return np.hstack([view.image for view in self._seen.views])

    def close(self) -> None:
        """Stop the cell, and hang up if the environment made the call itself."""
        self._cell.stop()
        if self._client is not None:
            self._client.close()

    def _info(self, step: TaskStep) -> dict[str, Any]:
        info: dict[str, Any] = {"distance_m": step.distance_m, "claimed": step.claimed}
        if isinstance(self._cell, SimulatedCell):
            info["true_depth"] = self._cell.truth().depth
        return info


def _default_cell() -> SimulatedCell:
    from actors.sim.cell import CableCell, CableCellSpec

    return CableCell(CableCellSpec())


if ENVIRONMENT_ID not in gymnasium.registry:
    gymnasium.register(ENVIRONMENT_ID, entry_point="actors.environment:InsertionEnv")
