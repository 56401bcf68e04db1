"""The Robotiq 2F-85 gripper: its registers, and the line protocol under which a UR controller offers them.

Registers count from 0 (open) to 255 (closed); the maker gives a stroke of 85 mm and forces of 20 to 235 N.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable

from s3k_dist.errors import RobotError

logger = logging.getLogger(__name__)

STROKE_M = 0.085
FORCE_N = (20.0, 235.0)
CLOSED = 255
PORT = 63352  # of the maker's program on a UR controller
LOOK_S = 0.1


def position_of(opening_m: float) -> int:
    """The register of an opening, metres; beyond the stroke is its end."""
    return round(CLOSED * (1 - min(1.0, max(0.0, opening_m / STROKE_M))))


def opening_of(position: int) -> float:
    """The opening, metres, of a register."""
    return STROKE_M * (1 - position / CLOSED)


def force_of(force_n: float) -> int:
    """The register of a force, newtons; below the weakest is the weakest."""
    low, high = FORCE_N
    return round(CLOSED * min(1.0, max(0.0, (force_n - low) / (high - low))))


class RobotiqSocket:
    """A gripper behind a UR controller. Safe to use from several threads.

    Attributes:
        opening_m: of the fingers, at most ``LOOK_S`` old while the gripper answers.

    Args:
        host: of the controller.
        port: of the gripper's program there.
        deadline_s: for an answer.
        travel_s: for the fingers to come to rest.

    Raises:
        RobotError: nothing listens there, or the gripper cannot be activated.
    """

    def __init__(self, host: str, port: int = PORT, deadline_s: float = 0.5, travel_s: float = 5.0) -> None:
        self.name = f"Robotiq gripper at {host}:{port}"
        self._address, self._deadline_s, self._travel_s = (host, port), deadline_s, travel_s
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        if self._get("STA") != 3:  # 3: activated
            self._set(ACT=0)
            self._set(ACT=1)
            self._until("STA", lambda state: state == 3, "is not activated")
        self._set(GTO=1)
        self.opening_m = opening_of(self._get("POS"))
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="robotiq", daemon=True)
        self._thread.start()

    def grip(self, opening_m: float, force_n: float) -> float:
        """Open or close; returns the opening at which the fingers came to rest.

        Raises:
            RobotError: it does not answer, or its fingers still move after ``travel_s``.
        """
        self._set(POS=position_of(opening_m), SPE=CLOSED, FOR=force_of(force_n))
        asked = position_of(opening_m)
        self._until("PRE", lambda echo: echo == asked, "did not take the position")
        # 0: moving; 1 and 2: stopped by an object; 3: there.
        self._until("OBJ", lambda contact: contact != 0, "still moves")
        self.opening_m = opening_of(self._get("POS"))
        return self.opening_m

    def close(self) -> None:
        """Hang up; the fingers stay as they are. Calling it twice does nothing."""
        self._closing.set()
        self._thread.join(2 * self._deadline_s)
        with self._lock:
            self._hang_up()

    def _watch(self) -> None:
        while not self._closing.wait(LOOK_S):
            try:
                self.opening_m = opening_of(self._get("POS"))
            except RobotError as error:
                logger.warning("%s", error)

    def _until(self, register: str, done: Callable[[int], bool], otherwise: str) -> None:
        end = time.monotonic() + self._travel_s
        while not done(self._get(register)):
            if time.monotonic() > end:
                raise RobotError(f"{self.name} {otherwise} after {self._travel_s:.0f} s")
            time.sleep(LOOK_S)

    def _set(self, **registers: int) -> None:
        said = self._ask("SET " + " ".join(f"{name} {value}" for name, value in registers.items()))
        if said != "ack":
            raise RobotError(f"{self.name} refuses {registers}: {said!r}")

    def _get(self, register: str) -> int:
        said = self._ask(f"GET {register}").split()
        if len(said) != 2 or said[0] != register or not said[1].isdecimal():
            raise RobotError(f"{self.name} says {' '.join(said)!r} of {register}")
        return int(said[1])

    def _ask(self, line: str) -> str:
        with self._lock:
            try:
                if self._socket is None:
                    self._socket = socket.create_connection(self._address, timeout=self._deadline_s)
                self._socket.sendall(line.encode() + b"\n")
                return _line(self._socket)
            except (OSError, ValueError) as error:
                # A late answer would be taken for that to the next question: the next one connects anew.
                self._hang_up()
                raise RobotError(f"{self.name} does not answer: {error}") from error

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _line(connection: socket.socket) -> str:
    """An answer; ``ack`` comes without an end of line from some versions."""
    said = b""
    while not said.endswith(b"\n") and said != b"ack":
        got = connection.recv(64)
        if not got:
            raise OSError("it hung up")
        said += got
    return said.decode("ascii").strip()
