"""How the last episodes went, put together from their chunks."""

from collections import OrderedDict, deque

from s3k_dist.episodes import EpisodeChunk

MAX_RUNNING_EPISODES = 1024


class EpisodeOutcomes:
    """Means over the last finished episodes. RLlib's own windows are emptied at each report; these are not."""

    def __init__(self, window: int) -> None:
        """Start with none; ``window`` is how many episodes count."""
        self._returns: deque[float] = deque(maxlen=window)
        self._lengths: deque[float] = deque(maxlen=window)
        self._successes: deque[float] = deque(maxlen=window)
        self._lags: deque[float] = deque(maxlen=window)
        self._running: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self.episodes = 0

    def record(self, chunk: EpisodeChunk, newest_version: int) -> None:
        """Count a stored chunk; ``newest_version`` is that of the policy now."""
        total, length = self._running.pop(chunk.episode_id, (0.0, 0))
        total, length = total + float(chunk.rewards.sum()), length + len(chunk)
        if chunk.policy_version >= 0:
            self._lags.append(max(newest_version - chunk.policy_version, 0))
        if not chunk.is_done:
            self._running[chunk.episode_id] = (total, length)
            if len(self._running) > MAX_RUNNING_EPISODES:
                self._running.popitem(last=False)
            return
        self.episodes += 1
        self._returns.append(total)
        self._lengths.append(length)
        if chunk.success is not None:
            self._successes.append(float(chunk.success))

    def means(self) -> dict[str, float]:
        """Mean return, length in steps, success rate and policy lag in versions; what never occurred is left out."""
        windows = {
            "episode_return_mean": self._returns,
            "episode_len_mean": self._lengths,
            "success_rate": self._successes,
            "policy_lag_mean": self._lags,
        }
        return {name: sum(window) / len(window) for name, window in windows.items() if window}
