"""A robot of Universal Robots, e-Series or CB3, through ur_rtde (``pip install s3k-dist[ur]``).

driver: ur
options: {host: 10.0.0.7, home_m: [0.4, 0.0, 0.3], home_rotation_rad: [0.0, 3.1416, 0.0], gripper: true}
"""

import logging
import socket
import threading
import time
from typing import Any

import numpy as np

from actors.robots.driver import RobotReading
from actors.robots.robotiq import RobotiqSocket
from actors.safety.envelope import Motion
from s3k_dist.errors import RobotError
from s3k_dist.geometry.rotation import rotation_matrix, rotation_vector

logger = logging.getLogger(__name__)

STATE_PORT = 30004
STATE = ["timestamp", "actual_TCP_pose", "actual_TCP_speed", "actual_TCP_force", "runtime_state", "safety_status_bits"]
STATE_HZ = 125.0  # the slowest of its controllers; five times the gate's rate
END_S = 5.0
START_S, LOOK_S = 2.0, 0.02  # until a program runs
AGAIN_S = 1.0  # between two attempts to take the controller over again


class UniversalRobot:
    """Implements ``RobotDriver``.

    What the library does to a controller can wait for seconds, so a thread of its own does it: a step of the gate
    only leaves the newest twist there. The same thread takes the controller over again after a protective stop that
    somebody has released, or a broken connection; until then the gate holds the robot's stop.

    Args:
        host: of the controller, in remote control.
        home_m: tool point at home, robot base frame, shape (3,), metres.
        home_rotation_rad: rotation vector of the tool at home, base frame, shape (3,): what the pendant shows.
        gripper: a Robotiq gripper hangs on the controller.
        wrench: it has a force sensor (e-Series).
        acceleration_m_s2: with which it follows; more than the limits ask for.
        watchdog_hz: fewer commands than this a second, and the controller ends the motion by itself.
        deadline_s: for the controller to take a command.

    Raises:
        RobotError: ur_rtde is not installed, or the controller does not answer or is not in remote control.
    """

    def __init__(
        self,
        host: str,
        home_m: tuple[float, float, float],
        home_rotation_rad: tuple[float, float, float],
        gripper: bool = False,
        wrench: bool = True,
        acceleration_m_s2: float = 2.0,
        watchdog_hz: float = 10.0,
        deadline_s: float = 0.5,
    ) -> None:
        self.name = f"UR at {host}"
        self.has_wrench, self.has_gripper = wrench, gripper
        self.home_m = np.array(home_m, float)
        self._home = rotation_matrix(np.array(home_rotation_rad, float))
        self._host, self._acceleration = host, acceleration_m_s2
        self._watchdog_hz, self._deadline_s = watchdog_hz, deadline_s
        self._stamp, self._stamped_ns = -1.0, 0
        self._state, self._control = self._connected()
        try:
            self._gripper = RobotiqSocket(host) if gripper else None
        except RobotError:
            self._let_go()
            raise
        self._fault = ""
        self._twist = np.zeros(6)
        self._given = threading.Event()
        self._taken_s = time.monotonic()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"ur-{host}", daemon=True)
        self._thread.start()

    def read(self) -> RobotReading:
        """What the controller last streamed."""
        try:
            pose, twist = np.array(self._state.getActualTCPPose()), np.array(self._state.getActualTCPSpeed())
            force, stamp = np.array(self._state.getActualTCPForce()), float(self._state.getTimestamp())
        except RuntimeError as error:
            raise RobotError(f"{self.name} says nothing: {error}") from error
        if stamp != self._stamp:  # its clock is its own: what counts is when it was seen to go on
            self._stamp, self._stamped_ns = stamp, time.time_ns()
        return RobotReading(
            captured_at_ns=self._stamped_ns,
            position_m=pose[:3],
            rotation_rad=rotation_vector(rotation_matrix(pose[3:]) @ self._home.T),
            twist=twist,
            wrench=force if self.has_wrench else None,
            opening_m=self._gripper.opening_m if self._gripper else None,
        )

    def follow(self, motion: Motion) -> None:
        """Leaves the twist for the thread that commands the controller."""
        self._twist = motion.twist.copy()
        self._given.set()
        if self._fault:
            raise RobotError(self._fault)
        late_s = time.monotonic() - self._taken_s
        if late_s > self._deadline_s:
            raise RobotError(f"{self.name} has taken no command for {late_s:.1f} s")

    def grip(self, opening_m: float, force_n: float) -> float:
        """Returns when the fingers rest."""
        if self._gripper is None:
            raise RobotError(f"{self.name} has no gripper; say `gripper: true` in its options if it has a Robotiq one")
        return self._gripper.grip(opening_m, force_n)

    def close(self) -> None:
        """End its program: the robot stops, and leaves remote control to others."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._given.set()
        self._thread.join(2 * self._deadline_s)
        if self._gripper:
            self._gripper.close()
        # The library may wait for the program's end for minutes; the watchdog ends it in any case.
        end = threading.Thread(target=self._let_go, name=f"ur-{self._host}-end", daemon=True)
        end.start()
        end.join(END_S)

    def _run(self) -> None:
        while not self._closing.is_set():
            if not self._given.wait(self._deadline_s):
                continue  # nobody steps the gate: the controller's watchdog ends the motion
            self._given.clear()
            if self._fault:
                self._closing.wait(AGAIN_S)
                self._taken_over()
            elif not self._closing.is_set() and not self._commanded():
                self._fault = self._why()
                logger.warning("%s", self._fault)

    def _commanded(self) -> bool:
        try:
            taken = bool(self._control.speedL(self._twist.tolist(), self._acceleration, 0.0))
        except (RuntimeError, ValueError) as error:
            logger.warning("%s: %s", self.name, error)
            taken = False
        if taken:
            self._taken_s = time.monotonic()
        return taken

    def _why(self) -> str:
        if not self._state.isConnected():
            return f"{self.name}: the connection is lost"
        if self._state.isEmergencyStopped():
            return f"{self.name}: its emergency stop is pressed"
        if self._state.isProtectiveStopped():
            return f"{self.name}: a protective stop; release it at the pendant"
        return f"{self.name}: its program has ended; is it in remote control?"

    def _taken_over(self) -> None:
        """Try once to command it again."""
        try:
            if not self._state.isConnected():
                self._reachable()
                self._state.reconnect()
            if not self._control.isConnected():
                self._reachable()
                self._control.reconnect()
            if self._state.isEmergencyStopped() or self._state.isProtectiveStopped():
                self._fault = self._why()
                return
            if not self._control.isProgramRunning():
                self._control.reuploadScript()
                end_s = time.monotonic() + START_S
                while not self._control.isProgramRunning() and time.monotonic() < end_s:
                    self._closing.wait(LOOK_S)
            taken = self._control.isProgramRunning() and self._control.setWatchdog(self._watchdog_hz)
        except (OSError, RuntimeError, ValueError) as error:
            self._fault = f"{self.name}: {error}"
            return
        if taken:
            self._taken_s = time.monotonic()
            self._fault = ""

    def _reachable(self) -> None:
        """The library waits long for a host that is not there."""
        socket.create_connection((self._host, STATE_PORT), timeout=self._deadline_s).close()

    def _connected(self) -> tuple[Any, Any]:
        try:
            from rtde_control import RTDEControlInterface
            from rtde_receive import RTDEReceiveInterface
        except ImportError as error:
            raise RobotError(f"{self.name} needs ur_rtde: pip install 's3k-dist[ur]'") from error
        try:
            self._reachable()
            # Making them stops all threads until the controller has answered; later they are only ever reconnected.
            state = RTDEReceiveInterface(self._host, STATE_HZ, STATE)
            control = RTDEControlInterface(self._host, STATE_HZ)
            if not control.setWatchdog(self._watchdog_hz):
                raise RobotError(f"{self.name} takes no commands")
        except (OSError, RuntimeError, ValueError) as error:
            raise RobotError(f"{self.name} cannot be commanded: {error}") from error
        return state, control

    def _let_go(self) -> None:
        try:
            self._control.stopScript()
            self._control.disconnect()
            self._state.disconnect()
        except (RuntimeError, ValueError) as error:
            logger.warning("%s: %s", self.name, error)
