"""Prioritised replay that never forgets a demonstration (DDPGfD, Vecerik et al. 2017; Schaul et al. 2016)."""

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from learners.ddpg.demonstrations import as_demonstration, digest
from learners.ddpg.draw import draw_slots
from learners.ddpg.observation_statistics import ObservationStatistics
from learners.ddpg.rows import Replaced, ReplayRows
from learners.ddpg.transitions import replay_bytes, require_memory
from learners.ddpg.windows import Columns, WindowAssembler
from s3k_dist.episodes import EpisodeChunk, EpisodeChunkError, episode_key
from s3k_dist.errors import ConfigError, StorageError

STATE_FORMAT = 3
NOT_LEARNED = ("episode", "step")  # columns that a batch does not need


@dataclass(frozen=True, eq=False)
class ReplaySample:
    """Rows drawn for some batches, one batch after the other.

    Attributes:
        columns: arrays by name, each with batches * batch_size rows: the stored columns, "is_demo" (bool) and the
            importance weights "weights" (float32, at most 1 within each batch).
        slots: which slot each row came from, shape (batches * batch_size,).
    """

    columns: Columns
    slots: np.ndarray


class DemonstrationReplay:
    """Transitions of episodes: the agent's own first in, first out; demonstrations for good.

    Not thread-safe: one thread, the learner's, owns it.

    Attributes:
        spilled: transitions that a person chose and for which no demonstration slot was left; they are in the ring.
        rows: where they lie.
    """

    def __init__(
        self,
        *,
        observation_size: int,
        action_size: int,
        capacity: int,
        demonstration_capacity: int,
        n_step: int,
        gamma: float,
        priority_exponent: float,
        importance_exponent: float,
        max_open_episodes: int = 256,
        seed: int | None = None,
    ) -> None:
        """Allocate, after checking that the machine has the memory.

        Args:
            observation_size: length of a flat observation.
            action_size: length of a flat action.
            capacity: transitions of the agent to keep, first in first out.
            demonstration_capacity: transitions of demonstrations to keep.
            n_step: length of the n-step window.
            gamma: discount of one step.
            priority_exponent: alpha; 0 draws uniformly, 1 in proportion to priority.
            importance_exponent: beta; 1 corrects the bias of drawing by priority in full.
            max_open_episodes: unfinished episodes to remember.
            seed: of the draws.

        Raises:
            PreflightError: the arrays need more memory than is available; says which capacity would fit.
        """
        self.importance_exponent = importance_exponent
        self.observation_size = observation_size
        self.action_size = action_size
        self.refused: Counter[str] = Counter()
        self.spilled = 0
        self._random = np.random.default_rng(seed)
        self._demonstrations: dict[str, None] = {}  # digests, in the order they were stored
        self._windows = WindowAssembler(n_step, gamma, max_open_episodes)
        slots = capacity + demonstration_capacity
        self.bytes_needed = replay_bytes(slots, observation_size, action_size)
        require_memory(slots, self.bytes_needed)
        self.rows = ReplayRows(observation_size, action_size, capacity, demonstration_capacity, priority_exponent)

    def __len__(self) -> int:
        """Transitions that are stored."""
        return self.rows.demonstration_size + self.rows.agent_size

    @property
    def demonstration_size(self) -> int:
        """Transitions of demonstrations."""
        return self.rows.demonstration_size

    @property
    def agent_size(self) -> int:
        """Transitions of the agent's own."""
        return self.rows.agent_size

    @property
    def drawable(self) -> int:
        """Transitions that can be drawn: those of models that are allowed."""
        return self.rows.drawable

    @property
    def statistics(self) -> ObservationStatistics:
        """Moments of every observation that was ever stored, forgotten ones included."""
        return self.rows.statistics

    @property
    def open_episodes(self) -> int:
        """Episodes begun and not finished."""
        return len(self._windows.open)

    def add(self, chunk: EpisodeChunk) -> int:
        """Store what a chunk of an agent's episode completes; return how many transitions that is.

        A transition whose action a person chose is a demonstration from then on, while slots for those are left.

        Raises:
            EpisodeChunkError: the chunk cannot be true; counted in ``refused`` by reason, nothing of it is stored.
        """
        try:
            chunk.check(self.observation_size, self.action_size)
            completed = self._windows.extend(chunk)
        except EpisodeChunkError as error:
            self.refused[error.reason] += 1
            raise
        stored = 0
        for columns in completed:
            stored += self._store_by_whose_action(columns)
        return stored

    def add_demonstration(self, chunk: EpisodeChunk) -> int:
        """Store a whole demonstration, to be kept for good; return how many transitions were stored.

        One that is stored already is not stored again: whoever is not sure that it arrived may send it once more.

        Raises:
            EpisodeChunkError: the chunk cannot be true, or does not start at step 0; nothing of it is stored.
            ConfigError: no slots are left for it; nothing of it is stored.
        """
        try:
            chunk.check(self.observation_size, self.action_size)
            chunk = as_demonstration(chunk)
        except EpisodeChunkError as error:
            self.refused[error.reason] += 1
            raise
        key = digest(chunk)
        if key in self._demonstrations:
            return 0
        if len(chunk) > self.rows.room_for_demonstrations:
            raise ConfigError(
                f"demonstration {chunk.episode_id!r} has {len(chunk)} steps, {self.rows.room_for_demonstrations} slots "
                f"are left: raise demonstration_capacity above {self.demonstration_size + len(chunk)}"
            )
        columns = self._whole(chunk)
        del columns["intervened"]  # a demonstration is one, whoever drove
        self.rows.append_demonstrations(columns)
        self._demonstrations[key] = None
        return len(chunk)

    def refresh(self, chunk: EpisodeChunk) -> Replaced:
        """Give the stored transitions of an episode the features of another model, and what follows from them.

        Args:
            chunk: the episode from its first step, as that model sees it. Where it ends earlier than it did, since its
                keypoints now say so, the transitions behind that end are withdrawn.

        Raises:
            EpisodeChunkError: the chunk cannot be true, does not start at step 0, or has other actions than the stored
                episode; nothing has changed then.
        """
        try:
            chunk.check(self.observation_size, self.action_size)
            columns = self._whole(as_demonstration(chunk))
            del columns["intervened"]
            return self.rows.replace(episode_key(chunk.episode_id), columns)
        except EpisodeChunkError as error:
            self.refused[error.reason] += 1
            raise
        except ValueError as error:
            self.refused["refresh"] += 1
            raise EpisodeChunkError("refresh", f"episode {chunk.episode_id!r} computed anew: {error}") from error

    def allow(self, versions: Collection[int] | None) -> None:
        """Draw transitions of these models only, from now on; 0, no model, is always allowed. None allows all."""
        self.rows.allow(versions)

    def stale(self, version: int) -> np.ndarray:
        """Keys (`episode_key`) of the episodes with transitions of another model than ``version``: demonstrations
        first, then the newest."""
        return self.rows.stale(version)

    def episodes(self) -> np.ndarray:
        """Keys of all episodes with stored transitions."""
        return np.unique(self.rows.columns["episode"][self.rows.used_slots()])

    def sample(
        self, batches: int, batch_size: int, demonstration_fraction: float = 0.0, *, exactly: bool = False
    ) -> ReplaySample:
        """Draw rows by priority, stratified within each batch.

        Args:
            batches: how many batches.
            batch_size: rows of each.
            demonstration_fraction: at least this share of each batch comes from demonstrations, if there are any.
            exactly: this share and no more, as soon as there are rows of the agent's own.

        Raises:
            ConfigError: there is nothing to draw.
        """
        drawable = self.drawable
        if drawable == 0:
            raise ConfigError(
                f"nothing to draw: the replay is empty, or all of its {len(self)} transitions wait for other features"
            )
        slots, weights = draw_slots(
            self.rows.tree,
            self._random,
            batches=batches,
            rows=batch_size,
            demonstrations=self.rows.demonstration_size,
            ring_start=self.rows.demonstration_capacity,
            stored=drawable,
            demonstration_fraction=demonstration_fraction,
            exactly=exactly,
            importance_exponent=self.importance_exponent,
        )
        flat = slots.reshape(-1)
        columns = {name: array[flat] for name, array in self.rows.columns.items() if name not in NOT_LEARNED}
        columns["is_demo"] = flat < self.rows.demonstration_capacity
        columns["weights"] = weights.reshape(-1).astype(np.float32)
        return ReplaySample(columns, flat)

    def update_priorities(self, slots: np.ndarray, priorities: np.ndarray) -> None:
        """Give drawn rows new priorities, positive, before the exponent; one that is not finite becomes the largest."""
        self.rows.set_priorities(slots, priorities)

    def get_state(self) -> Columns:
        """Everything, as plain arrays: rows in use, masses, random state, open episodes. Exact."""
        state, meta = self.rows.get_state()
        meta |= {
            "format": STATE_FORMAT,
            "layout": self._layout(),
            "demonstrations": list(self._demonstrations),
            "random": self._random.bit_generator.state,
            "refused": dict(self.refused),
            "spilled": self.spilled,
        }
        state.update(self._windows.get_state())
        state["meta"] = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
        return state

    def set_state(self, state: Columns) -> None:
        """Become what ``get_state`` described.

        Raises:
            StorageError: the state is damaged or was made under other sizes, n_step or gamma; nothing has changed then.
        """
        try:
            meta: dict[str, Any] = json.loads(bytes(state["meta"]))
            if meta["format"] != STATE_FORMAT:
                raise StorageError(f"saved replay has format {meta['format']}, this version reads {STATE_FORMAT}")
            if meta["layout"] != self._layout():
                raise StorageError(f"saved replay has layout {meta['layout']}, this one has {self._layout()}")
            refused, spilled = Counter(meta["refused"]), int(meta["spilled"])
            known = dict.fromkeys(str(key) for key in meta["demonstrations"])
            random = np.random.default_rng()
            random.bit_generator.state = meta["random"]
            windows = WindowAssembler(self._windows.n_step, self._windows.gamma, self._windows.max_open)
            windows.set_state(state)
            self.rows.set_state(state, meta)
        except (KeyError, ValueError, TypeError) as error:
            raise StorageError(f"saved replay is damaged: {error}") from error
        self.refused, self.spilled = refused, spilled
        self._random, self._windows, self._demonstrations = random, windows, known

    def _whole(self, chunk: EpisodeChunk) -> Columns:
        """All transitions of an episode that is complete."""
        return WindowAssembler(self._windows.n_step, self._windows.gamma, max_open=1).extend(chunk)[0]

    def _store_by_whose_action(self, columns: Columns) -> int:
        columns = dict(columns)
        persons = np.flatnonzero(columns.pop("intervened"))
        kept = persons[: self.rows.room_for_demonstrations]
        self.spilled += len(persons) - len(kept)
        if len(kept):
            self.rows.append_demonstrations({name: array[kept] for name, array in columns.items()})
            columns = {name: np.delete(array, kept, axis=0) for name, array in columns.items()}
        return len(kept) + (self.rows.append_to_ring(columns) if len(columns["reward"]) else 0)

    def _layout(self) -> dict[str, Any]:
        return {
            "observation_size": self.observation_size,
            "action_size": self.action_size,
            "capacity": self.rows.capacity,
            "demonstration_capacity": self.rows.demonstration_capacity,
            "n_step": self._windows.n_step,
            "gamma": self._windows.gamma,
        }
