"""The control rate by the wall clock: a simulated cell is quicker than the person who drives it."""

import time
from collections.abc import Callable

from actors.cell import CONTROL_PERIOD_S


class Pace:
    """Makes a step take a control period::

        pace.begin()
        ...                 # one step
        pace.rest()         # what is left of the period; nothing where the step took longer

    Args:
        clock: seconds, increasing.
        sleep: waits for some seconds.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.clock = clock
        self._sleep = sleep
        self._began_s = clock()

    def begin(self) -> None:
        """A step begins."""
        self._began_s = self.clock()

    def rest(self) -> None:
        """Wait until the control period is over."""
        left_s = self._began_s + CONTROL_PERIOD_S - self.clock()
        if left_s > 0:
            self._sleep(left_s)
