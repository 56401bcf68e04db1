"""The only way to a robot: takes commands from whoever, and gives the robot a motion that stays within its limits.

    gate = SafetyGate(limits, step_s=0.02)
    gate.begin(reading.position_m)
    while True:                                    # at the gate's own rate, whatever the policy does
        gate.read(reading)                         # what the robot says of itself
        robot.follow(gate.step(now_s))
    gate.command(Command(twist, ...))              # from the policy, whenever it likes

It stops by itself where a command is late, features are old or unsure, the robot or its force sensor falls silent, or
something pushes too hard. An emergency stop stays until a person takes it back; nothing else takes it back.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from actors.safety.admittance import yielding
from actors.safety.envelope import Envelope, Motion
from actors.safety.limits import SafetyLimits
from s3k_dist.errors import SafetyError

REMEMBERED = 1000  # interventions


class Mode(StrEnum):
    """What the gate lets through."""

    MOVING = "moving"
    HOLDING = "holding"  # until the reason is gone
    STOPPED = "stopped"  # until somebody resumes
    EMERGENCY = "emergency stop"  # until a person takes it back


@dataclass(frozen=True)
class Command:
    """What a policy wants.

    Attributes:
        twist: linear then angular velocity of the tool, robot base frame, shape (6,), m/s and rad/s.
        received_s: when it came in, by the gate's clock.
        feature_age_s: of the features that it was chosen on, when it came in.
        uncertainty_m: largest standard deviation of a keypoint that it was chosen on.
    """

    twist: np.ndarray
    received_s: float
    feature_age_s: float = 0.0
    uncertainty_m: float = 0.0


@dataclass(frozen=True)
class Reading:
    """What a robot says of itself.

    Attributes:
        position_m: of the tool point, robot base frame, shape (3,).
        received_s: when it came in, by the gate's clock.
        force_n: that the surroundings exert on the tool, shape (3,); None from a robot without a sensor.
        force_received_s: when that came in.
    """

    position_m: np.ndarray
    received_s: float
    force_n: np.ndarray | None = None
    force_received_s: float = 0.0


@dataclass(frozen=True)
class Intervention:
    """Something that the gate did not let through.

    Attributes:
        at_s: by the gate's clock.
        mode: what it did.
        reason: why, in words.
    """

    at_s: float
    mode: Mode
    reason: str


class SafetyGate:
    """One robot's gate. Any thread may command and read; one thread, the one that drives the robot, steps.

    Args:
        limits: of the robot; never changed afterwards.
        step_s: time between two steps.
        has_wrench: the robot has a force-torque sensor, so its silence is a fault.
        log: told each intervention when it begins.

    Raises:
        SafetyError: the limits cannot be kept at this rate.
    """

    def __init__(
        self,
        limits: SafetyLimits,
        step_s: float,
        *,
        has_wrench: bool = False,
        log: Callable[[Intervention], None] | None = None,
    ) -> None:
        self.limits = limits
        self.step_s = step_s
        self.interventions: deque[Intervention] = deque(maxlen=REMEMBERED)
        self._envelope = Envelope(limits, step_s)
        self._has_wrench = has_wrench
        self._log = log
        self._lock = threading.Lock()
        self._motion: Motion | None = None
        self._command: Command | None = None
        self._reading: Reading | None = None
        self._latched: Mode | None = None
        self._reason = ""

    @property
    def mode(self) -> Mode:
        """What it let through at the last step."""
        if self._latched is not None:
            return self._latched
        return Mode.HOLDING if self._reason else Mode.MOVING

    @property
    def reason(self) -> str:
        """Why it does not let commands through; empty while it does."""
        return self._reason

    @property
    def at_rest(self) -> bool:
        """Whether the robot is told to stand still."""
        return self._motion is None or self._motion.at_rest

    def begin(self, position_m: np.ndarray) -> None:
        """Start from rest where the robot is.

        Raises:
            SafetyError: that is not within the limits.
        """
        with self._lock:
            self._motion = self._envelope.at(position_m)
            self._command = None

    def command(self, command: Command) -> None:
        """Take what a policy wants; it counts from the next step on.

        Raises:
            SafetyError: the twist is not six finite numbers; the last good command ages meanwhile.
        """
        twist = np.asarray(command.twist, dtype=np.float64)
        if twist.shape != (6,) or not np.isfinite(twist).all():
            raise SafetyError(f"expected a twist of six finite numbers, got {command.twist!r}")
        with self._lock:
            self._command = replace(command, twist=twist.copy())  # what was checked is what is followed

    def read(self, reading: Reading) -> None:
        """Take what the robot says of itself."""
        with self._lock:
            self._reading = reading

    def stop(self, reason: str, *, emergency: bool = False) -> None:
        """Stop smoothly and stay so: until ``resume``, or until ``reset`` after an emergency stop."""
        with self._lock:
            self._latch(Mode.EMERGENCY if emergency else Mode.STOPPED, reason)

    def resume(self, position_m: np.ndarray) -> bool:
        """Let commands through again after a stop; returns False after an emergency stop, which this cannot undo.

        Args:
            position_m: where the robot is now; it may have been moved by hand meanwhile.

        Raises:
            SafetyError: that is not within the limits; it stays stopped.
        """
        with self._lock:
            if self._latched is Mode.EMERGENCY:
                return False
            self._begin_again(position_m)
            return True

    def reset(self, position_m: np.ndarray) -> None:
        """A person takes an emergency stop back, at the robot; otherwise as ``resume``."""
        with self._lock:
            self._begin_again(position_m)

    def step(self, now_s: float) -> Motion:
        """The motion of the next ``step_s``.

        Raises:
            SafetyError: ``begin`` has not been called.
        """
        with self._lock:
            if self._motion is None:
                raise SafetyError("the gate does not know where the robot is: begin() comes first")
            self._judge(now_s)
            wanted = self._wanted(now_s)
            if wanted.any():
                self._motion = self._envelope.step(self._motion, wanted)
            else:
                self._motion = self._envelope.braking(self._motion)
            return self._motion

    def _begin_again(self, position_m: np.ndarray) -> None:
        # One that is still braking goes on from how it moves: to take it for standing would be a jolt.
        if self.at_rest and self._latched is not None:
            self._motion = self._envelope.at(position_m)
        self._latched, self._reason, self._command = None, "", None

    def _wanted(self, now_s: float) -> np.ndarray:
        """What is commanded, if it counts; and away from what pushes, also while the robot holds."""
        if self._latched is not None:
            return np.zeros(6)
        held = bool(self._reason) or self._command is None
        wanted = np.zeros(6) if held else np.asarray(self._command.twist, np.float64)  # type: ignore[union-attr]
        reading = self._reading
        if reading is None or reading.force_n is None or not self._is_fresh(reading.force_received_s, now_s):
            return wanted
        return yielding(wanted, reading.force_n, self.limits.yield_force_n, self.limits.yield_m_s_n)

    def _is_fresh(self, force_received_s: float, now_s: float) -> bool:
        return 0 <= now_s - force_received_s <= self.limits.wrench_age_s

    def _judge(self, now_s: float) -> None:
        """Find what is wrong now, if anything; what latches stays."""
        if self._latched is not None:
            return
        fault = self._fault()
        if fault:
            self._latch(Mode.STOPPED, fault, now_s)
            return
        reason = self._doubt(now_s)
        if reason != self._reason:
            self._reason = reason
            if reason:
                self._note(Mode.HOLDING, reason, now_s)

    def _fault(self) -> str:
        """What stops the robot until somebody has looked."""
        limits, reading = self.limits, self._reading
        if reading is None:
            return ""
        if not np.isfinite(reading.position_m).all():
            return "the robot says it is nowhere: its position is not finite"
        assert self._motion is not None
        astray_m = float(np.abs(reading.position_m - self._motion.position_m).max())
        if astray_m > limits.tracking_m:
            return f"the robot is {1e3 * astray_m:.1f} mm from where it was told to be"
        if reading.force_n is not None:
            if not np.isfinite(reading.force_n).all():
                return "the force sensor says numbers that are none"
            size = float(np.linalg.norm(reading.force_n))
            if size > limits.stop_force_n:
                return f"{size:.1f} N push on the tool, at most {limits.stop_force_n:.1f} are allowed"
        return ""

    def _doubt(self, now_s: float) -> str:
        """What holds the robot as long as it lasts."""
        limits, reading, command = self.limits, self._reading, self._command
        if reading is None or not 0 <= now_s - reading.received_s <= limits.state_age_s:
            return "the robot says nothing of itself"
        if self._has_wrench and (reading.force_n is None or not self._is_fresh(reading.force_received_s, now_s)):
            return "the force sensor says nothing"
        if command is None or not 0 <= now_s - command.received_s <= limits.command_age_s:
            return "no fresh command"
        # As far in the future is a clock that is wrong; and nothing compares with what is no number.
        if not abs(command.feature_age_s) <= limits.feature_age_s:
            return f"features are {command.feature_age_s:.2f} s old, at most {limits.feature_age_s:.2f} s are allowed"
        if not 0.0 <= command.uncertainty_m <= limits.uncertainty_m:
            return (
                f"a keypoint is unsure by {1e3 * command.uncertainty_m:.1f} mm, "
                f"at most {1e3 * limits.uncertainty_m:.1f} mm are allowed"
            )
        return ""

    def _latch(self, mode: Mode, reason: str, now_s: float | None = None) -> None:
        if self._latched is Mode.EMERGENCY or (self._latched is mode and self._reason):
            return
        self._latched, self._reason = mode, reason
        self._note(mode, reason, now_s)

    def _note(self, mode: Mode, reason: str, now_s: float | None) -> None:
        at_s = now_s if now_s is not None else (self._reading.received_s if self._reading else 0.0)
        intervention = Intervention(at_s, mode, reason)
        self.interventions.append(intervention)
        if self._log is not None:
            self._log(intervention)
