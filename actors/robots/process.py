"""A robot's service as a child process: it ends with whoever began it, also if that one is killed."""

import logging
import re
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from s3k_dist.errors import RobotError

logger = logging.getLogger(__name__)

START_S, END_S = 60.0, 5.0
LAST_LINES = 5
SERVED = re.compile(r" at (\S+:\d+);")


class RobotProcess:
    """Begins a robot's process and waits until it serves.

    The process says ``... at HOST:PORT; ...`` once it serves, and brings its robot to rest and ends when its standard
    input is closed.

    Args:
        command: what is run.
        told: a line that it reads first.
        timeout_s: for it to serve.

    Attributes:
        address: where it serves.
        pid: of the process.

    Raises:
        RobotError: it did not serve in time; says what it said last.
    """

    def __init__(self, command: Sequence[str], told: str = "", timeout_s: float = START_S) -> None:
        # A session of its own: Ctrl-C in a terminal is for the cell, which brings the robot to rest before it ends it.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self.address = ""
        self._said = deque[str](maxlen=LAST_LINES)
        self._serves = threading.Event()
        # Read for ever: a process whose output nobody reads stops once the pipe is full.
        self._reader = threading.Thread(target=self._read, name="robot-output", daemon=True)
        self._reader.start()
        self._tell(f"{told}\n")
        self._serves.wait(timeout_s)
        if not self.address:
            self.close()
            said = "; ".join(self._said) or "nothing"
            raise RobotError(f"the robot's process did not serve within {timeout_s:.0f} s; it said: {said}")

    @property
    def alive(self) -> bool:
        """Whether it has not ended; one that is paused has not."""
        return self._process.poll() is None

    def close(self) -> None:
        """Let it bring the robot to rest and end; calling it twice does nothing."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            logger.debug("the robot's process had ended already")
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(END_S)
        self._reader.join(END_S)
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError:
            self._serves.wait(END_S)  # it says why it ended

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append(line.strip())
            if not self.address and (found := SERVED.search(line)):
                self.address = found[1]
                self._serves.set()
            elif self.address:
                logger.info("robot process %d: %s", self.pid, line.strip())
        self._serves.set()
