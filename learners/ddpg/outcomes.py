"""How the last episodes went, put together from their chunks."""

from collections import OrderedDict, deque
from typing import Any

from s3k_dist.episodes import EpisodeChunk

MAX_RUNNING_EPISODES = 1024


class EpisodeOutcomes:
    """Means over the last finished episodes. RLlib's own windows are emptied at each report; these are not."""

    def __init__(self, window: int) -> None:
        """Start with none; ``window`` is how many episodes count."""
        names = ("episode_return_mean", "episode_len_mean", "success_rate", "policy_lag_mean")
        self._windows: dict[str, deque[float]] = {name: deque(maxlen=window) for name in names}
        self._running: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self.episodes = 0

    def record(self, chunk: EpisodeChunk, newest_version: int) -> None:
        """Count a stored chunk; ``newest_version`` is that of the policy now."""
        total, length = self._running.pop(chunk.episode_id, (0.0, 0))
        total, length = total + float(chunk.rewards.sum()), length + len(chunk)
        if chunk.policy_version >= 0:
            self._windows["policy_lag_mean"].append(max(newest_version - chunk.policy_version, 0))
        if not chunk.is_done:
            self._running[chunk.episode_id] = (total, length)
            if len(self._running) > MAX_RUNNING_EPISODES:
                self._running.popitem(last=False)
            return
        self.episodes += 1
        self._windows["episode_return_mean"].append(total)
        self._windows["episode_len_mean"].append(length)
        if chunk.success is not None:
            self._windows["success_rate"].append(float(chunk.success))

    def means(self) -> dict[str, float]:
        """Mean return, length in steps, success rate and policy lag in versions; what never occurred is left out."""
        return {name: sum(window) / len(window) for name, window in self._windows.items() if window}

    def get_state(self) -> dict[str, Any]:
        """Windows, episodes under way and their count, as plain JSON values."""
        windows = {name: list(window) for name, window in self._windows.items()}
        return {"windows": windows, "running": list(self._running.items()), "episodes": self.episodes}

    def set_state(self, state: dict[str, Any]) -> None:
        """Become what ``get_state`` described.

        Raises:
            KeyError, ValueError, TypeError: the state is damaged; nothing has changed then.
        """
        windows = {
            name: deque((float(value) for value in state["windows"][name]), maxlen=window.maxlen)
            for name, window in self._windows.items()
        }
        running = OrderedDict((str(name), (float(total), int(length))) for name, (total, length) in state["running"])
        self.episodes = int(state["episodes"])
        self._windows, self._running = windows, running
