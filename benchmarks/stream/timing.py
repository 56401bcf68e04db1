"""Things timed by turns: whatever else the machine does, it does to all of them."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

Work = Callable[[], object]


def interleaved(work: Mapping[str, Work], rounds: int, before: Work = lambda: None) -> dict[str, list[float]]:
    """Seconds of each piece of work in each round, after one warm-up.

    Args:
        work: by name.
        rounds: how often.
        before: done before each piece, untimed.
    """
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds + 1):
        for name, do in work.items():
            before()
            began_s = time.perf_counter()
            do()
            if number:
                seconds[name].append(time.perf_counter() - began_s)
    return seconds


def ratio(of: Sequence[float], over: Sequence[float]) -> float:
    """How many times as fast ``of`` is as ``over``: the median of the rounds' own ratios."""
    return statistics.median(theirs / ours for ours, theirs in zip(of, over, strict=True))
