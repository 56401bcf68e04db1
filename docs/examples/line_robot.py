"""A driver worked through: a robot whose controller takes lines of JSON over TCP, as many small ones do.

It answers {"do": "state"} with {"position": [3], "rotation": [3], "twist": [6], "force": [6], "opening": m}, and takes
{"do": "twist", "twist": [6], "for_s": s} and {"do": "grip", "opening": m, "force": N}; to both it answers {"ok": true}.
Lengths in millimetres, as its maker likes them.
"""

import json
import socket
import time
from typing import Any

import numpy as np

from actors.robots.driver import RobotReading
from actors.safety.envelope import Motion
from s3k_dist.errors import RobotError

MM = 1e-3
OUTLIVES_STEPS = 3  # of ours that may be late before the robot stops by itself


class LineRobot:
    """Implements ``RobotDriver``.

    Args:
        host: of the controller.
        port: likewise.
        home_m: tool point at home, robot base frame, metres.
        step_s: of the gate.
        patience_s: with an answer; less than the gate's with a silent robot (``state_age_s``).
    """

    has_wrench = True
    has_gripper = True

    def __init__(
        self, host: str, port: int, home_m: tuple[float, float, float], step_s: float = 0.025, patience_s: float = 0.05
    ) -> None:
        self.name = f"line robot at {host}:{port}"
        self.home_m = np.array(home_m)
        self._step_s = step_s
        try:
            self._socket = socket.create_connection((host, port), timeout=patience_s)
        except OSError as error:
            raise RobotError(f"{self.name} cannot be reached: {error}") from error
        self._lines = self._socket.makefile("rb")

    def read(self) -> RobotReading:
        """Its state; here it is asked for. A controller that streams its state would be listened to by a thread."""
        said = self._ask({"do": "state"})
        twist, position, force = (np.array(said[name], float) for name in ("twist", "position", "force"))
        twist[:3] *= MM
        return RobotReading(
            captured_at_ns=time.time_ns(),
            position_m=MM * position,
            rotation_rad=np.array(said["rotation"], float),
            twist=twist,
            wrench=force,
            opening_m=MM * float(said["opening"]),
        )

    def follow(self, motion: Motion) -> None:
        """Its watchdog is set to a few of our steps: if this process dies, the robot stops by itself."""
        twist = motion.twist
        twist[:3] /= MM
        self._ask({"do": "twist", "twist": twist.tolist(), "for_s": OUTLIVES_STEPS * self._step_s})

    def grip(self, opening_m: float, force_n: float) -> float:
        """Its answer comes at once; the opening is in the next readings."""
        self._ask({"do": "grip", "opening": opening_m / MM, "force": force_n})
        return opening_m

    def close(self) -> None:
        """The robot stops by its own watchdog."""
        self._lines.close()
        self._socket.close()

    def _ask(self, what: dict[str, Any]) -> dict[str, Any]:
        try:
            self._socket.sendall(json.dumps(what).encode() + b"\n")
            answer = json.loads(self._lines.readline() or b"null")
        except (OSError, ValueError) as error:
            raise RobotError(f"{self.name} does not answer: {error}") from error
        if not isinstance(answer, dict) or "error" in answer:
            raise RobotError(f"{self.name} refuses {what['do']}: {answer}")
        return answer
