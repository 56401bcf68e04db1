"""Ctrl-C: the first ends cleanly, the second at once."""

import os
import signal
import sys
from types import FrameType

INTERRUPTED = 130


def stop_on_signals(kept: str) -> None:
    """The first Ctrl-C (or SIGTERM) raises KeyboardInterrupt and says what is kept, the second ends the process."""

    def first(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, second)
        signal.signal(signal.SIGTERM, second)
        print(f"\nstopping; {kept}", file=sys.stderr)  # noqa: T201
        raise KeyboardInterrupt

    def second(number: int, frame: FrameType | None) -> None:
        _end_children()
        os.write(2, b"\nstopped at once\n")
        os._exit(INTERRUPTED)

    signal.signal(signal.SIGINT, first)
    signal.signal(signal.SIGTERM, first)


def _end_children() -> None:
    """Nothing that this process started outlives it."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
