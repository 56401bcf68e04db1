"""From episode chunks to transitions: 1-step and n-step, across chunk borders, never across episodes."""

import json
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from s3k_dist.episodes import EpisodeChunk, EpisodeChunkError, episode_key

Columns = dict[str, np.ndarray]

REMEMBERED_EPISODES = 1024


@dataclass(frozen=True, eq=False)
class Tail:
    """The last steps of an unfinished episode, whose n-step windows are still open; k < n steps.

    Attributes:
        observations: shape (k + 1, observation_size).
        actions: shape (k, action_size).
        rewards: shape (k,).
        model_versions: shape (k,).
        intervened: bool, shape (k,).
        next_step: index within the episode of the step that must come next.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    model_versions: np.ndarray
    intervened: np.ndarray
    next_step: int


class WindowAssembler:
    """Turns chunks into transitions as soon as their n-step windows are complete.

    A lost chunk, or an episode pushed out by too many others that never finished, ends the known part of its episode
    like a truncation: what was seen is stored and bootstraps from the last observation.
    """

    def __init__(self, n_step: int, gamma: float, max_open: int) -> None:
        """Start with no episode.

        Args:
            n_step: steps of a window.
            gamma: discount of one step.
            max_open: unfinished episodes to remember.
        """
        self.n_step = n_step
        self.gamma = gamma
        self.max_open = max_open
        self.open: OrderedDict[str, Tail] = OrderedDict()
        self.finished: OrderedDict[str, None] = OrderedDict()

    def extend(self, chunk: EpisodeChunk) -> list[Columns]:
        """Take a checked chunk; return the transitions it completes.

        Beside the columns that the replay stores there is "intervened", bool: a person chose the transition's own
        action. Who chose the later ones in its n-step window does not count: like any stored window, it tells what
        followed from that action under whoever acted then.

        Raises:
            EpisodeChunkError: the chunk repeats or contradicts an earlier one; nothing has changed then.
        """
        self._check_continuity(chunk)
        completed: list[Columns] = []
        tail = self.open.pop(chunk.episode_id, None)
        if tail is not None and chunk.start_step > tail.next_step:
            completed.append(self._windows(chunk.episode_id, tail, len(tail.rewards), terminated=False))
            tail = None
        joined = _join(tail, chunk)
        steps = len(joined.rewards)
        if chunk.is_done:
            completed.append(self._windows(chunk.episode_id, joined, steps, chunk.terminated))
            self._remember_finished(chunk.episode_id)
        else:
            known = max(steps - self.n_step + 1, 0)
            completed.append(self._windows(chunk.episode_id, joined, known, terminated=False))
            self.open[chunk.episode_id] = Tail(
                observations=joined.observations[known:].copy(),
                actions=joined.actions[known:].copy(),
                rewards=joined.rewards[known:].copy(),
                model_versions=joined.model_versions[known:].copy(),
                intervened=joined.intervened[known:].copy(),
                next_step=joined.next_step,
            )
            if len(self.open) > self.max_open:
                name, oldest = self.open.popitem(last=False)
                completed.append(self._windows(name, oldest, len(oldest.rewards), terminated=False))
        return [columns for columns in completed if len(columns["reward"])]

    def get_state(self) -> Columns:
        """Open and finished episodes as plain arrays."""
        tails = list(self.open.values())
        meta = {
            "open": [[name, len(tail.rewards), tail.next_step] for name, tail in self.open.items()],
            "finished": list(self.finished),
        }
        state = {"open_meta": np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)}
        for name in ("observations", "actions", "rewards", "model_versions", "intervened"):
            rows = [getattr(tail, name) for tail in tails]
            state[f"open_{name}"] = np.concatenate(rows) if rows else np.zeros(0, np.float32)
        return state

    def set_state(self, state: Columns) -> None:
        """Become what ``get_state`` described.

        Raises:
            KeyError, ValueError: the state is damaged; nothing has changed then.
        """
        meta = json.loads(bytes(state["open_meta"]))
        tails: OrderedDict[str, Tail] = OrderedDict()
        step = row = 0
        # A state from before there were interventions has none.
        intervened = state.get("open_intervened", np.zeros(len(state["open_rewards"]), dtype=bool))
        for name, steps, next_step in meta["open"]:
            tails[name] = Tail(
                observations=state["open_observations"][row : row + steps + 1],
                actions=state["open_actions"][step : step + steps],
                rewards=state["open_rewards"][step : step + steps],
                model_versions=state["open_model_versions"][step : step + steps],
                intervened=intervened[step : step + steps].astype(bool),
                next_step=int(next_step),
            )
            step, row = step + steps, row + steps + 1
        self.open = tails
        self.finished = OrderedDict.fromkeys(meta["finished"])

    def _check_continuity(self, chunk: EpisodeChunk) -> None:
        where = f"chunk at step {chunk.start_step} of episode {chunk.episode_id!r}"
        if chunk.episode_id in self.finished:
            raise EpisodeChunkError("finished", f"{where}: that episode has ended already")
        tail = self.open.get(chunk.episode_id)
        if tail is None:
            return
        if chunk.start_step < tail.next_step:
            raise EpisodeChunkError("duplicate", f"{where}: step {tail.next_step} is due, this one came before")
        if chunk.start_step == tail.next_step and not np.array_equal(
            np.asarray(chunk.observations[0], dtype=np.float32), tail.observations[-1]
        ):
            raise EpisodeChunkError(
                "discontinuous", f"{where}: its first observation is not the last one of the chunk before"
            )

    def _windows(self, episode_id: str, steps: Tail, count: int, terminated: bool) -> Columns:
        """Transitions of the first ``count`` steps; the episode's known part ends after the last step."""
        known = len(steps.rewards)
        start = np.arange(count)
        length = np.minimum(self.n_step, known - start)
        padded = np.concatenate((steps.rewards.astype(np.float64), np.zeros(self.n_step)))
        reward_n = np.zeros(count)
        for step in range(self.n_step):  # one term at a time, so that how an episode is cut never changes a bit
            reward_n += self.gamma**step * padded[step : step + count]
        return {
            "obs": steps.observations[:count],
            "actions": steps.actions[:count],
            "reward": steps.rewards[:count],
            "next_obs": steps.observations[1 : count + 1],
            "terminated": (terminated & (start == known - 1)).astype(np.float32),
            "reward_n": reward_n.astype(np.float32),
            "next_obs_n": steps.observations[start + length],
            "terminated_n": (terminated & (start + length == known)).astype(np.float32),
            "discount_n": (self.gamma**length).astype(np.float32),
            "model_version": steps.model_versions[:count],
            "episode": np.full(count, episode_key(episode_id)),
            "step": (steps.next_step - known + start).astype(np.int32),
            "intervened": steps.intervened[:count],
        }

    def _remember_finished(self, episode_id: str) -> None:
        self.finished[episode_id] = None
        if len(self.finished) > REMEMBERED_EPISODES:
            self.finished.popitem(last=False)


def _join(tail: Tail | None, chunk: EpisodeChunk) -> Tail:
    """The open steps and the new ones, in the types that the replay stores."""
    observations = np.asarray(chunk.observations, dtype=np.float32)
    actions = np.clip(np.asarray(chunk.actions, dtype=np.float32), -1.0, 1.0)
    rewards = np.asarray(chunk.rewards, dtype=np.float32)
    model_versions = np.asarray(chunk.model_versions, dtype=np.int64)
    intervened = np.asarray(chunk.intervened, dtype=bool)
    if tail is not None:
        observations = np.concatenate((tail.observations[:-1], observations))
        actions = np.concatenate((tail.actions, actions))
        rewards = np.concatenate((tail.rewards, rewards))
        model_versions = np.concatenate((tail.model_versions, model_versions))
        intervened = np.concatenate((tail.intervened, intervened))
    return Tail(observations, actions, rewards, model_versions, intervened, chunk.start_step + len(chunk))
