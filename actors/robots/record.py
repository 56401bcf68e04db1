"""What was asked of a robot, and by whom, in the audit log; twists as one line for each time that somebody drives."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from s3k_dist.access.audit import AuditLog
from s3k_dist.errors import StorageError

logger = logging.getLogger(__name__)

IDLE_S = 5.0  # without a command: who drove has let go
AWAY_S = 60.0  # without a look at the robot: who comes back connects anew
LOOK_S, END_S = 1.0, 2.0


@dataclass
class _Drive:
    began_s: float
    last_s: float
    commands: int = 0
    fastest: float = 0.0


class RobotRecord:
    """Of one robot's server; safe to use from several threads.

    Args:
        audit: where it goes; None keeps none.
        robot: name of the robot.
        clock: seconds, of no particular beginning.
    """

    def __init__(self, audit: AuditLog | None, robot: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._audit = audit
        self._robot = robot
        self._clock = clock
        self._lock = threading.Lock()
        self._drives: dict[str, _Drive] = {}
        self._seen: dict[str, float] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._look, name="robot-record", daemon=True)
        if audit is not None:
            self._thread.start()

    def asked(self, who: str, action: str, **facts: Any) -> None:
        """Note what is about to be done.

        Raises:
            StorageError: it cannot be noted; then it is not to be done either.
        """
        if self._audit is not None:
            self._audit.write(who, f"robot.{action}", robot=self._robot, **facts)

    def done(self, who: str, action: str, **facts: Any) -> None:
        """Note what was done already: a stop waits for no disk, and is none the less for one that is full."""
        try:
            self.asked(who, action, **facts)
        except StorageError as error:
            logger.error("%s: %s %s", error, who, action)

    def watches(self, who: str) -> None:
        """Somebody looks at the robot: noted when they come."""
        now = self._clock()
        with self._lock:
            last = self._seen.get(who)
            self._seen[who] = now
        if last is None or now - last > AWAY_S:
            self.done(who, "connect")

    def twist(self, who: str, twist: np.ndarray) -> None:
        """Somebody drives: noted when they begin, and with how they did when they have let go.

        Raises:
            StorageError: the beginning cannot be noted.
        """
        now = self._clock()
        with self._lock:
            drive = self._drives.get(who)
        if drive is None:
            self.asked(who, "drive.begin")
            drive = _Drive(now, now)
        with self._lock:
            drive = self._drives.setdefault(who, drive)
            drive.last_s = now
            drive.commands += 1
            drive.fastest = max(drive.fastest, float(np.linalg.norm(twist[:3])))

    def end_drives(self, idle_s: float = IDLE_S) -> None:
        """Note the drives that have ended: those without a command for ``idle_s`` seconds."""
        now = self._clock()
        with self._lock:
            over = [who for who, drive in self._drives.items() if now - drive.last_s >= idle_s]
            ended = [(who, self._drives.pop(who)) for who in over]
        for who, drive in ended:
            seconds, fastest = round(drive.last_s - drive.began_s, 2), round(drive.fastest, 4)
            self.done(who, "drive.end", commands=drive.commands, seconds=seconds, fastest_m_s=fastest)

    def close(self) -> None:
        """Note what is under way."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(END_S)
        self.end_drives(0.0)

    def _look(self) -> None:
        while not self._ending.wait(LOOK_S):
            self.end_drives()
