"""Prioritised replay that never forgets a demonstration (DDPGfD, Vecerik et al. 2017; Schaul et al. 2016)."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from learners.ddpg.demonstrations import as_demonstration, digest
from learners.ddpg.draw import draw_slots
from learners.ddpg.observation_statistics import ObservationStatistics
from learners.ddpg.sum_tree import SumTree
from learners.ddpg.transitions import column_shapes, replay_bytes, require_memory
from learners.ddpg.windows import Columns, WindowAssembler
from s3k_dist.episodes import EpisodeChunk, EpisodeChunkError
from s3k_dist.errors import ConfigError, StorageError

STATE_FORMAT = 2


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
    """Transitions in preallocated arrays: slots [0, D) keep demonstrations for good, [D, D + capacity) are a ring.

    Not thread-safe: one thread, the learner's, owns it.

    Attributes:
        spilled: transitions that a person chose and for which no demonstration slot was left; they are in the ring.
        statistics: moments of every observation that was ever stored, forgotten ones included.
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
        self.capacity = capacity
        self.demonstration_capacity = demonstration_capacity
        self.priority_exponent = priority_exponent
        self.importance_exponent = importance_exponent
        self.observation_size = observation_size
        self.action_size = action_size
        self.refused: Counter[str] = Counter()
        self.agent_size = 0
        self.demonstration_size = 0
        self.added = 0
        self.spilled = 0
        self._next_ring_slot = 0
        self._max_priority = 1.0
        self._random = np.random.default_rng(seed)
        self._demonstrations: dict[str, None] = {}  # digests, in the order they were stored
        self.statistics = ObservationStatistics(observation_size)
        self._windows = WindowAssembler(n_step, gamma, max_open_episodes)
        slots = capacity + demonstration_capacity
        self.bytes_needed = replay_bytes(slots, observation_size, action_size)
        require_memory(slots, self.bytes_needed)
        shapes = column_shapes(observation_size, action_size)
        self._columns: Columns = {name: np.zeros((slots, *shape), dtype) for name, (shape, dtype) in shapes.items()}
        self._tree = SumTree(slots)

    def __len__(self) -> int:
        """Transitions that can be drawn."""
        return self.demonstration_size + self.agent_size

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
        first, after = self.demonstration_size, self.demonstration_size + len(chunk)
        if after > self.demonstration_capacity:
            raise ConfigError(
                f"demonstration {chunk.episode_id!r} has {len(chunk)} steps, "
                f"{self.demonstration_capacity - first} slots are left: raise demonstration_capacity above {after}"
            )
        whole = WindowAssembler(self._windows.n_step, self._windows.gamma, max_open=1)
        columns = whole.extend(chunk)[0]
        del columns["intervened"]  # a demonstration is one, whoever drove
        self._write(np.arange(first, after), columns)
        self.demonstration_size = after
        self._demonstrations[key] = None
        return len(chunk)

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
            ConfigError: the replay is empty.
        """
        if len(self) == 0:
            raise ConfigError("cannot sample from an empty replay")
        slots, weights = draw_slots(
            self._tree,
            self._random,
            batches=batches,
            rows=batch_size,
            demonstrations=self.demonstration_size,
            ring_start=self.demonstration_capacity,
            stored=len(self),
            demonstration_fraction=demonstration_fraction,
            exactly=exactly,
            importance_exponent=self.importance_exponent,
        )
        flat = slots.reshape(-1)
        columns = {name: array[flat] for name, array in self._columns.items()}
        columns["is_demo"] = flat < self.demonstration_capacity
        columns["weights"] = weights.reshape(-1).astype(np.float32)
        return ReplaySample(columns, flat)

    def update_priorities(self, slots: np.ndarray, priorities: np.ndarray) -> None:
        """Give drawn rows new priorities, positive, before the exponent; one that is not finite becomes the largest."""
        priorities = np.where(np.isfinite(priorities), priorities, self._max_priority).astype(np.float64)
        self._max_priority = max(self._max_priority, float(priorities.max(initial=0.0)))
        self._tree.set(slots, priorities**self.priority_exponent)

    def get_state(self) -> Columns:
        """Everything, as plain arrays: rows in use, masses, random state, open episodes. Exact."""
        used = self._used_slots()
        meta = {
            "format": STATE_FORMAT,
            "layout": self._layout(),
            "agent_size": self.agent_size,
            "demonstration_size": self.demonstration_size,
            "added": self.added,
            "next_ring_slot": self._next_ring_slot,
            "max_priority": self._max_priority,
            "demonstrations": list(self._demonstrations),
            "observations": self.statistics.count,
            "random": self._random.bit_generator.state,
            "refused": dict(self.refused),
            "spilled": self.spilled,
        }
        state = {f"column_{name}": array[used] for name, array in self._columns.items()}
        state["mass"] = self._tree.mass(used).copy()
        state["observation_mean"] = self.statistics.mean.copy()
        state["observation_squares"] = self.statistics.squares.copy()
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
            demonstrations, agents = int(meta["demonstration_size"]), int(meta["agent_size"])
            count = demonstrations + agents
            rows = {name: state[f"column_{name}"] for name in self._columns}
            mass = state["mass"]
            expected = {name: (count, *column.shape[1:]) for name, column in self._columns.items()}
            if {name: array.shape for name, array in rows.items()} != expected or mass.shape != (count,):
                raise StorageError("saved replay is damaged: its columns are not those of its layout")
            added, next_ring_slot = int(meta["added"]), int(meta["next_ring_slot"])
            max_priority, refused = float(meta["max_priority"]), Counter(meta["refused"])
            spilled = int(meta.get("spilled", 0))  # not there before people could intervene
            known = dict.fromkeys(str(key) for key in meta["demonstrations"])
            statistics = ObservationStatistics(self.observation_size)
            statistics.count = int(meta["observations"])
            statistics.mean, statistics.squares = state["observation_mean"].copy(), state["observation_squares"].copy()
            if not statistics.mean.shape == statistics.squares.shape == (self.observation_size,):
                raise StorageError("saved replay is damaged: its observation statistics do not fit its observations")
            random = np.random.default_rng()
            random.bit_generator.state = meta["random"]
            self._windows.set_state(state)
        except (KeyError, ValueError, TypeError) as error:
            raise StorageError(f"saved replay is damaged: {error}") from error
        self.demonstration_size, self.agent_size = demonstrations, agents
        self.added, self._next_ring_slot = added, next_ring_slot
        self._max_priority, self.refused, self.spilled = max_priority, refused, spilled
        self._random = random
        self._demonstrations, self.statistics = known, statistics
        used = self._used_slots()
        for name, array in rows.items():
            self._columns[name][used] = array
        self._tree = SumTree(self.capacity + self.demonstration_capacity)
        self._tree.set(used, mass)

    def _store_by_whose_action(self, columns: Columns) -> int:
        columns = dict(columns)
        persons = np.flatnonzero(columns.pop("intervened"))
        kept = persons[: self.demonstration_capacity - self.demonstration_size]
        self.spilled += len(persons) - len(kept)
        if len(kept):
            first, after = self.demonstration_size, self.demonstration_size + len(kept)
            self._write(np.arange(first, after), {name: array[kept] for name, array in columns.items()})
            self.demonstration_size = after
            columns = {name: np.delete(array, kept, axis=0) for name, array in columns.items()}
        return len(kept) + (self._store_in_ring(columns) if len(columns["reward"]) else 0)

    def _store_in_ring(self, columns: Columns) -> int:
        count = len(columns["reward"])
        kept = min(count, self.capacity)
        start = self._next_ring_slot + count - kept
        ring = (start + np.arange(kept)) % self.capacity
        self._write(
            self.demonstration_capacity + ring, {name: array[count - kept :] for name, array in columns.items()}
        )
        self._next_ring_slot = (self._next_ring_slot + count) % self.capacity
        self.agent_size = min(self.agent_size + count, self.capacity)
        self.added += count
        return count

    def _write(self, slots: np.ndarray, columns: Columns) -> None:
        for name, array in columns.items():
            self._columns[name][slots] = array
        self.statistics.add(columns["obs"])
        # New rows get the largest priority seen, so that each is drawn at least once soon (Schaul et al. 2016).
        self._tree.set(slots, self._max_priority**self.priority_exponent)

    def _used_slots(self) -> np.ndarray:
        ring = np.arange(self.agent_size) + self.demonstration_capacity
        return np.concatenate((np.arange(self.demonstration_size), ring))

    def _layout(self) -> dict[str, Any]:
        return {
            "observation_size": self.observation_size,
            "action_size": self.action_size,
            "capacity": self.capacity,
            "demonstration_capacity": self.demonstration_capacity,
            "n_step": self._windows.n_step,
            "gamma": self._windows.gamma,
        }
