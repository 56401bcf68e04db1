"""Time in a simulated cell."""

import time


class SimulatedClock:
    """Starts at the host's time and moves by control periods, so that a frame's age and order mean what they say."""

    def __init__(self) -> None:
        self._now_ns = time.time_ns()

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return self._now_ns

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now_ns += round(seconds * 1e9)
