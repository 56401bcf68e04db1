"""Things timed by turns: whatever else the machine does, it does to all of them."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

SHORTEST_S = 0.02  # of one measurement: quicker work is repeated
LONGEST_S = 60.0  # of all rounds, but for the first few: slow work is measured less often
FIRST_ROUNDS = 3


@dataclass(frozen=True)
class Timing:
    """How long one thing took, round by round.

    Attributes:
        ms: milliseconds in each round.
    """

    ms: tuple[float, ...]

    @property
    def least(self) -> float:
        """Milliseconds when nothing else disturbed it."""
        return min(self.ms)

    @property
    def median(self) -> float:
        """Milliseconds as it usually is."""
        return statistics.median(self.ms)

    def __str__(self) -> str:
        return f"{self.least:.1f} / {self.median:.1f}"


def interleaved(
    work: Mapping[str, Callable[[], object]], rounds: int, device: torch.device, repeats: int | None = None
) -> dict[str, Timing]:
    """Every piece of work in each round, after two warm-ups.

    Args:
        work: by name.
        rounds: how often, if that is not too long.
        device: waited for before the clock is read.
        repeats: of a piece within a measurement; as many as it takes to be measured well if None.
    """
    counts = {}
    for name, run in work.items():
        run()
        once_s = _timed(run, 1, device)
        counts[name] = repeats or max(1, round(SHORTEST_S / max(once_s, 1e-6)))
    ms: dict[str, list[float]] = {name: [] for name in work}
    began = time.monotonic()
    for done in range(rounds):
        if done >= FIRST_ROUNDS and time.monotonic() - began > LONGEST_S:
            break
        for name, run in work.items():
            ms[name].append(1e3 * _timed(run, counts[name], device) / counts[name])
    return {name: Timing(tuple(values)) for name, values in ms.items()}


def ratio(above: Timing, *below: Timing) -> float:
    """``above`` over the sum of the others, each round by itself; the median of the rounds."""
    return statistics.median(top / sum(parts) for top, *parts in zip(above.ms, *(b.ms for b in below), strict=True))


def _timed(run: Callable[[], object], repeats: int, device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
