"""A driver and the gate in front of it, stepped by a thread of their own: the only thing that ever moves the robot."""

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from actors.robots.driver import RobotDriver, RobotReading
from actors.safety.gate import REMEMBERED, Command, Intervention, Mode, Reading, SafetyGate
from actors.safety.limits import SafetyLimits
from s3k_dist.errors import RobotError, SafetyError

logger = logging.getLogger(__name__)

HOMING_RATE = 2.0  # 1/s
HOME_M, HOME_RAD = 0.002, 0.02
STOP_S = 2.0


@dataclass(frozen=True)
class GatedState:
    """What is known of a robot after a step.

    Attributes:
        sequence: of the step.
        reading: what the robot said.
        mode: of the gate.
        reason: why it does not let commands through; empty while it does.
    """

    sequence: int
    reading: RobotReading
    mode: Mode
    reason: str


class GatedRobot:
    """A robot that can be commanded by anyone and harmed by nobody.

    Args:
        driver: of the robot.
        limits: that hold from now on; whoever commands cannot change them.
        step_s: time between two steps.

    Raises:
        SafetyError: the limits cannot be kept at this rate, or the robot is outside of them.
        RobotError: the robot does not answer.
    """

    def __init__(self, driver: RobotDriver, limits: SafetyLimits, step_s: float = 0.025) -> None:
        self.driver = driver
        self.limits = limits
        self.step_s = step_s
        self.interventions: deque[Intervention] = deque(maxlen=REMEMBERED)
        self._gate = SafetyGate(limits, step_s, has_wrench=driver.has_wrench, log=self._note)
        first = driver.read()
        self._gate.begin(first.position_m)
        self._changed = threading.Condition()
        self._state = GatedState(0, first, Mode.HOLDING, "no fresh command")
        self._homing = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"robot-{driver.name}", daemon=True)
        self._thread.start()

    @property
    def state(self) -> GatedState:
        """After the last step."""
        return self._state

    def after(self, sequence: int, timeout_s: float) -> GatedState | None:
        """A later state than that of ``sequence``, or None after ``timeout_s``."""
        with self._changed:
            self._changed.wait_for(lambda: self._state.sequence > sequence or self._stopping.is_set(), timeout_s)
        return self._state if self._state.sequence > sequence else None

    def command(self, twist: np.ndarray, feature_age_s: float = 0.0, uncertainty_m: float = 0.0) -> GatedState:
        """Say how the tool should move; returns at once.

        Raises:
            SafetyError: the twist is not six finite numbers.
        """
        self._homing = False
        self._gate.command(Command(twist, time.monotonic(), feature_age_s, uncertainty_m))
        return self._state

    def home(self, timeout_s: float) -> GatedState:
        """Drive home within the limits; returns the state there.

        Raises:
            SafetyError: it was stopped, commanded elsewhere, or not there in time; says where it is.
        """
        self._homing = True
        until, state = time.monotonic() + timeout_s, self._state
        try:
            while (left_s := until - time.monotonic()) > 0:
                newer = self.after(state.sequence, left_s)
                state = newer or state
                if state.mode in (Mode.STOPPED, Mode.EMERGENCY):
                    raise SafetyError(f"not home: {state.reason}")
                if self._is_home(state.reading):
                    return state
                if not self._homing:
                    raise SafetyError("not home: somebody commands the robot elsewhere")
        finally:
            self._homing = False
        apart_mm = 1e3 * float(np.linalg.norm(state.reading.position_m - self.driver.home_m))
        raise SafetyError(f"not home after {timeout_s:.0f} s: {apart_mm:.1f} mm away; {state.reason or 'moving'}")

    def stop(self, reason: str, *, emergency: bool = False) -> None:
        """Stop smoothly, and stay so; see ``SafetyGate.stop``."""
        self._homing = False
        self._gate.stop(reason, emergency=emergency)

    def resume(self) -> bool:
        """Take a stop back; False after an emergency stop.

        Raises:
            SafetyError: the robot is outside of its limits by now.
        """
        return self._gate.resume(self._state.reading.position_m)

    def reset(self) -> None:
        """A person at the robot takes an emergency stop back.

        Raises:
            SafetyError: the robot is outside of its limits by now.
        """
        self._gate.reset(self._state.reading.position_m)

    def close(self) -> None:
        """Stop smoothly, then let the driver go; closing twice does nothing."""
        self._gate.stop("the driver is told to end")
        until = time.monotonic() + STOP_S
        while self._thread.is_alive() and not self._gate.at_rest and time.monotonic() < until:
            time.sleep(self.step_s)
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(STOP_S)
        self.driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        due_s = time.monotonic()
        while not self._stopping.is_set():
            self._step()
            due_s = max(due_s + self.step_s, time.monotonic() - self.step_s)  # late steps are not made up for
            self._stopping.wait(max(0.0, due_s - time.monotonic()))

    def _step(self) -> None:
        reading = self._state.reading
        try:
            reading = self.driver.read()
            self._take(reading)
        except Exception as error:  # noqa: BLE001  # foreign code: a robot must not be left without its gate
            self._failed(error)
        try:
            # Also of a robot that cannot be read: what it is told then is to brake.
            self.driver.follow(self._gate.step(time.monotonic()))
        except Exception as error:  # noqa: BLE001  # likewise
            self._failed(error)
        with self._changed:
            self._state = GatedState(self._state.sequence + 1, reading, self._gate.mode, self._gate.reason)
            self._changed.notify_all()

    def _take(self, reading: RobotReading) -> None:
        now_s = time.monotonic()
        force_n = None if reading.wrench is None else reading.wrench[:3]
        said_s = now_s - (time.time_ns() - reading.captured_at_ns) / 1e9
        self._gate.read(Reading(reading.position_m, said_s, force_n, said_s))
        if self._homing:
            self._gate.command(Command(self._toward_home(reading), now_s))

    def _failed(self, error: Exception) -> None:
        expected = isinstance(error, RobotError)
        if not expected and self._gate.mode is not Mode.STOPPED:  # once, not with every step
            logger.error("the driver of %s failed", self.driver.name, exc_info=error)
        self._gate.stop(f"the robot's driver: {error if expected else f'{type(error).__name__}: {error}'}")

    def _toward_home(self, reading: RobotReading) -> np.ndarray:
        return HOMING_RATE * np.concatenate([self.driver.home_m - reading.position_m, -reading.rotation_rad])

    def _is_home(self, reading: RobotReading) -> bool:
        near = np.linalg.norm(reading.position_m - self.driver.home_m) < HOME_M
        return bool(near and np.linalg.norm(reading.rotation_rad) < HOME_RAD)

    def _note(self, intervention: Intervention) -> None:
        logger.warning("%s: %s: %s", self.driver.name, intervention.mode.value, intervention.reason)
        self.interventions.append(intervention)
