"""How the last episodes went, put together from their chunks."""

from collections import OrderedDict, deque
from typing import Any

import numpy as np

from s3k_dist.episodes import EpisodeChunk

MAX_RUNNING_EPISODES = 1024


class EpisodeOutcomes:
    """Means over the last finished episodes. RLlib's own windows are emptied at each report; these are not."""

    def __init__(self, window: int) -> None:
        """Start with none; ``window`` is how many episodes count."""
        names = ("episode_return_mean", "episode_len_mean", "success_rate", "policy_lag_mean")
        self._windows: dict[str, deque[float]] = {name: deque(maxlen=window) for name in names}
        # Steps, and those that a person drove, of the same episodes.
        self._lengths: deque[int] = deque(maxlen=window)
        self._driven: deque[int] = deque(maxlen=window)
        self._running: OrderedDict[str, tuple[float, int, int]] = OrderedDict()
        self.episodes = 0

    def record(self, chunk: EpisodeChunk, newest_version: int) -> None:
        """Count a stored chunk; ``newest_version`` is that of the policy now."""
        total, length, driven = self._running.pop(chunk.episode_id, (0.0, 0, 0))
        total, length = total + float(chunk.rewards.sum()), length + len(chunk)
        driven += int(np.count_nonzero(chunk.intervened))
        if chunk.policy_version >= 0:
            self._windows["policy_lag_mean"].append(max(newest_version - chunk.policy_version, 0))
        if not chunk.is_done:
            self._running[chunk.episode_id] = (total, length, driven)
            if len(self._running) > MAX_RUNNING_EPISODES:
                self._running.popitem(last=False)
            return
        self.episodes += 1
        self._windows["episode_return_mean"].append(total)
        self._windows["episode_len_mean"].append(length)
        self._lengths.append(length)
        self._driven.append(driven)
        if chunk.success is not None:
            self._windows["success_rate"].append(float(chunk.success))

    def means(self) -> dict[str, float]:
        """Mean return, length in steps, success rate, policy lag in versions, share of the steps that a person drove.

        What never occurred is left out.
        """
        means = {name: sum(window) / len(window) for name, window in self._windows.items() if window}
        if sum(self._lengths):
            means["intervention_rate"] = sum(self._driven) / sum(self._lengths)
        return means

    def get_state(self) -> dict[str, Any]:
        """Windows, episodes under way and their count, as plain JSON values."""
        windows = {name: list(window) for name, window in self._windows.items()}
        steps = {"lengths": list(self._lengths), "driven": list(self._driven)}
        return {"windows": windows, "running": list(self._running.items()), "episodes": self.episodes, **steps}

    def set_state(self, state: dict[str, Any]) -> None:
        """Become what ``get_state`` described.

        Raises:
            KeyError, ValueError, TypeError: the state is damaged; nothing has changed then.
        """
        windows = {
            name: deque((float(value) for value in state["windows"][name]), maxlen=window.maxlen)
            for name, window in self._windows.items()
        }
        # States from before people could intervene lack what was driven.
        running = OrderedDict(
            (str(name), (float(total), int(length), int(rest[0]) if rest else 0))
            for name, (total, length, *rest) in state["running"]
        )
        window = self._lengths.maxlen
        lengths = deque((int(value) for value in state.get("lengths", ())), maxlen=window)
        driven = deque((int(value) for value in state.get("driven", ())), maxlen=window)
        self.episodes = int(state["episodes"])
        self._windows, self._running = windows, running
        self._lengths, self._driven = lengths, driven
