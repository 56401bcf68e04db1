"""Contestants timed by turns, in rounds: whatever else the machine does, it does to all of them."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Rates:
    """How fast one contestant was, round by round.

    Attributes:
        cpu: times a second of this process's CPU time; what others do to the machine hardly shows in it.
        wall: times a second on the clock.
    """

    cpu: tuple[float, ...]
    wall: tuple[float, ...]

    @property
    def median(self) -> float:
        """By CPU time."""
        return statistics.median(self.cpu)

    @property
    def wall_median(self) -> float:
        """By the clock."""
        return statistics.median(self.wall)

    def over(self, other: "Rates") -> float:
        """How many times as fast as another, each round by itself; the median of the rounds."""
        return statistics.median(mine / its for mine, its in zip(self.cpu, other.cpu, strict=True))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Rates":
        """From plain values."""
        return cls(tuple(values["cpu"]), tuple(values["wall"]))


def by_turns(work: Mapping[str, Callable[[], object]], count: int, rounds: int) -> dict[str, Rates]:
    """Every piece of work in each round, after one to warm up.

    Args:
        work: by name.
        count: how many of what is counted one call does.
        rounds: that are measured.
    """
    for run in work.values():
        run()
    cpu: dict[str, list[float]] = {name: [] for name in work}
    wall: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, run in work.items():
            on_clock, on_cpu = time.perf_counter(), time.process_time()
            run()
            cpu[name].append(count / (time.process_time() - on_cpu))
            wall[name].append(count / (time.perf_counter() - on_clock))
    return {name: Rates(tuple(cpu[name]), tuple(wall[name])) for name in work}
