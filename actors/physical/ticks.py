"""The control rate by the wall clock, where the robot does not wait: each command has a period and must be in time."""

import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from actors.cell import CONTROL_PERIOD_S


class Ticks:
    """A grid of control periods::

        ticks.begin()
        while ...:
            ...                 # look and think; the command before still holds
            ticks.command()     # goes out now
            ticks.wait()        # until the period is over

    So commands go out at the control rate however long looking and thinking take, up to a period. One that takes longer
    has missed its deadline: it is counted, and the grid begins anew with it.

    Args:
        clock: seconds, increasing.
        sleep: waits for some seconds.

    Attributes:
        periods: all so far.
        missed: commands that came after their period was over.
        worst_late_s: by how much, at most.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._due_s: float | None = None
        self.periods = self.missed = 0
        self.worst_late_s = 0.0

    def begin(self) -> None:
        """An episode begins: nothing is due before its first command."""
        self._due_s = None

    def command(self) -> None:
        """A command goes out; its period is the one under way."""
        self.periods += 1
        now_s = self._clock()
        if self._due_s is None:
            self._due_s = now_s + CONTROL_PERIOD_S
            return
        self._due_s += CONTROL_PERIOD_S
        if now_s >= self._due_s:
            self.missed += 1
            self.worst_late_s = max(self.worst_late_s, now_s - self._due_s)
            self._due_s = now_s + CONTROL_PERIOD_S

    def wait(self) -> None:
        """Until the period of the command is over."""
        if self._due_s is not None and (left_s := self._due_s - self._clock()) > 0:
            self._sleep(left_s)


@runtime_checkable
class RealTime(Protocol):
    """A cell that does not wait for its commands.

    Attributes:
        ticks: its control periods.
    """

    ticks: Ticks


def missed_deadlines(cell: object) -> int:
    """How many commands of a cell were late so far; 0 of one that waits for them."""
    return cell.ticks.missed if isinstance(cell, RealTime) else 0
