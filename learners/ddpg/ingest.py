"""Where cells push episodes, and where they find the newest policy. The learner never waits for a cell.

algo = DDPGConfig().environment(observation_space=..., action_space=...).env_runners(env_runner_cls=IngestEnvRunner)...
algo.env_runner.inbox.push(chunk)          # any thread
algo.env_runner.newest_weights             # any thread
algo.training_step()                       # the learner's thread
"""

import math
import threading
from collections import Counter, deque
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.env import INPUT_ENV_SINGLE_SPACES, INPUT_ENV_SPACES
from ray.rllib.env.env_runner import EnvRunner
from ray.rllib.utils.metrics import (
    NUM_ENV_STEPS_SAMPLED,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    NUM_EPISODES,
    NUM_EPISODES_LIFETIME,
)

from learners.ddpg.policy import PolicyWeights
from s3k_dist.episodes import EpisodeChunk, EpisodeChunkError
from s3k_dist.errors import ConfigError

UNNAMED = "(unnamed)"
MAX_NAMES = 1000  # of cells that are remembered for what was refused


@dataclass
class Refusals:
    """What was turned away of one cell.

    Attributes:
        by_reason: chunks, over all time.
        in_a_row: chunks since the last one that was taken.
        last: why the last one was refused, in words.
    """

    by_reason: Counter[str] = field(default_factory=Counter)
    in_a_row: int = 0
    last: str = ""


class EpisodeInbox:
    """A bounded queue of checked chunks. Pushing never blocks; a full inbox drops its oldest chunk and counts it."""

    def __init__(self, capacity: int, observation_size: int, action_size: int) -> None:
        """Start empty.

        Args:
            capacity: chunks to hold.
            observation_size: length of a flat observation.
            action_size: length of a flat action.
        """
        self._observation_size = observation_size
        self._action_size = action_size
        self._capacity = capacity
        self._chunks: deque[EpisodeChunk] = deque()
        self._changed = threading.Condition()
        self._refused: dict[str, Refusals] = {}
        self._dropped = 0
        self._checks: list[Callable[[EpisodeChunk], None]] = []

    def require(self, check: Callable[[EpisodeChunk], None]) -> None:
        """Refuse every chunk, too, for which ``check`` raises EpisodeChunkError; it runs in the pushing thread."""
        self._checks.append(check)

    def push(self, chunk: EpisodeChunk) -> str | None:
        """Hand in a chunk from any thread. Returns None if it was taken, else the reason why not, counted by reason."""
        try:
            chunk.check(self._observation_size, self._action_size)
            for check in self._checks:
                check(chunk)
        except EpisodeChunkError as error:
            with self._changed:
                self._refuse(chunk.cell_id, error)
            return error.reason
        with self._changed:
            if chunk.cell_id in self._refused:
                self._refused[chunk.cell_id].in_a_row = 0
            if len(self._chunks) >= self._capacity:
                self._chunks.popleft()
                self._dropped += 1
            self._chunks.append(chunk)
            self._changed.notify_all()
        return None

    def drain(self) -> list[EpisodeChunk]:
        """Take out all chunks, oldest first."""
        with self._changed:
            chunks = list(self._chunks)
            self._chunks.clear()
        return chunks

    def wait(self, timeout_s: float) -> bool:
        """Wait until a chunk is there, at most ``timeout_s``; return whether one is."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._chunks), timeout_s)

    def __len__(self) -> int:
        """Chunks waiting."""
        with self._changed:
            return len(self._chunks)

    def _refuse(self, cell_id: object, error: EpisodeChunkError) -> None:
        # A name may be what is wrong, and nobody may fill the memory with names.
        name = cell_id if isinstance(cell_id, str) and error.reason != "id" else UNNAMED
        if name not in self._refused and len(self._refused) >= MAX_NAMES:
            name = UNNAMED
        refusals = self._refused.setdefault(name, Refusals())
        refusals.by_reason[error.reason] += 1
        refusals.in_a_row += 1
        refusals.last = str(error)

    @property
    def refused(self) -> dict[str, int]:
        """Chunks refused, by reason."""
        with self._changed:
            return dict(sum((refusals.by_reason for refusals in self._refused.values()), Counter[str]()))

    @property
    def refused_by_cell(self) -> dict[str, Refusals]:
        """What was refused, by the cell that sent it; a copy."""
        with self._changed:
            return deepcopy(self._refused)

    @property
    def dropped(self) -> int:
        """Chunks dropped because the inbox was full."""
        with self._changed:
            return self._dropped


class IngestEnvRunner(EnvRunner):
    """Stands where RLlib has an environment; has none. ``sample`` returns at once with what cells have pushed."""

    def __init__(self, *, config: Any, **kwargs: Any) -> None:
        """Open the inbox.

        Raises:
            ConfigError: the configuration names no spaces.
        """
        super().__init__(config=config, **kwargs)
        if self.config.observation_space is None or self.config.action_space is None:
            raise ConfigError(
                "IngestEnvRunner has no environment to ask: set .environment(observation_space=..., action_space=...)"
            )
        self.inbox = EpisodeInbox(
            self.config.inbox_capacity,
            self.config.observation_space.shape[0],
            math.prod(self.config.action_space.shape),
        )
        self.newest_weights: PolicyWeights | None = None

    def publish(self, weights: PolicyWeights) -> None:
        """Make weights the newest; readers in other threads see the old ones or the new ones, never a mix."""
        self.newest_weights = weights

    def sample(self, **kwargs: Any) -> list[EpisodeChunk]:
        """All chunks pushed since the last call."""
        chunks = self.inbox.drain()
        steps = sum(len(chunk) for chunk in chunks)
        episodes = sum(chunk.is_done for chunk in chunks)
        for key, value in ((NUM_ENV_STEPS_SAMPLED, steps), (NUM_EPISODES, episodes)):
            self.metrics.log_value(key, value, reduce="sum")
        for key, value in ((NUM_ENV_STEPS_SAMPLED_LIFETIME, steps), (NUM_EPISODES_LIFETIME, episodes)):
            self.metrics.log_value(key, value, reduce="lifetime_sum")
        return chunks

    def get_metrics(self) -> Any:
        """What happened since the last call."""
        return self.metrics.reduce()

    def get_spaces(self) -> dict[str, Any]:
        """The configured spaces, for the module and for the cells alike."""
        spaces = (self.config.observation_space, self.config.action_space)
        return {INPUT_ENV_SPACES: spaces, INPUT_ENV_SINGLE_SPACES: spaces, DEFAULT_MODULE_ID: spaces}

    def assert_healthy(self) -> None:
        """Nothing here can be unhealthy."""

    # RLlib checkpoints its env runners and syncs weights into them; this one keeps neither environment nor module.
    def get_state(self, components: Any = None, *, not_components: Any = None, **kwargs: Any) -> dict[str, Any]:
        """No state."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """No state; weights come through ``publish``, which says when they are fit to act."""

    def get_checkpointable_components(self) -> list[tuple[str, Any]]:
        """None."""
        return []

    def save_to_path(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to save."""

    def restore_from_path(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to restore."""
