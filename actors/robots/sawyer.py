"""Sawyer with a Robotiq 2F-85 and an FT 300, the robot of App. C, over rosbridge (``pip install s3k-dist[sawyer]``).

driver: sawyer
options: {host: 10.0.0.7, home_m: [0.5, 0.0, 0.25], home_rotation_rad: [3.1416, 0.0, 0.0], tool_m: [0.0, 0.0, 0.2]}
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from actors.robots.driver import RobotReading
from actors.robots.kinematics import Arm
from actors.robots.robotiq import CLOSED, force_of, opening_of, position_of
from actors.safety.envelope import Motion
from s3k_dist.errors import RobotError
from s3k_dist.geometry.rotation import rotation_matrix, rotation_vector

JOINTS = tuple(f"right_j{i}" for i in range(7))
TIP = "right_hand"
VELOCITY_MODE = 2  # of intera_core_msgs/JointCommand
WATCHDOG_S = 0.2  # without a command for this long, the arm's own controller halts it
LOOK_S, REDIAL_S = 0.01, 2.0
ACTIVATED, MOVING = 3, 0  # gSTA; gOBJ
WRENCH_AGE_S = 0.2


class Sawyer:
    """Implements ``RobotDriver``: Cartesian velocity through the Jacobian of the robot's own description.

    The weight of hand and gripper is taken off the force sensor once, when the driver starts: nothing may touch the
    tool then.

    Args:
        host: of rosbridge.
        home_m: tool point at home, robot base frame, shape (3,), metres.
        home_rotation_rad: rotation vector of the hand at home, base frame, shape (3,).
        tool_m: tool point in the frame of the hand, shape (3,).
        port: of rosbridge.
        gripper: a 2F-85 is driven by ``robotiq_2f_gripper_control``.
        wrench: an FT 300 is published by ``robotiq_ft_sensor``, its axes along those of the hand.
        patience_s: for the robot to say something of itself.

    Raises:
        RobotError: roslibpy is not installed, nothing answers there, or a topic stays silent; says which.
        ConfigError: the robot's description lacks Sawyer's joints.
    """

    def __init__(
        self,
        host: str,
        home_m: tuple[float, float, float],
        home_rotation_rad: tuple[float, float, float],
        tool_m: tuple[float, float, float] = (0.0, 0.0, 0.0),
        port: int = 9090,
        gripper: bool = True,
        wrench: bool = True,
        patience_s: float = 5.0,
    ) -> None:
        self.name = f"Sawyer at {host}:{port}"
        self.has_wrench, self.has_gripper = wrench, gripper
        self.home_m = np.array(home_m, float)
        self._home = rotation_matrix(np.array(home_rotation_rad, float))
        self._patience_s = patience_s
        self._said: dict[str, tuple[int, Any]] = {}
        self._gripping = threading.Lock()
        self._ros, self._lib = self._connected(host, port)
        try:
            self._begin(np.array(tool_m, float))
        except BaseException:
            self._ros.close(timeout=patience_s)
            raise

    def read(self) -> RobotReading:
        """What it last published."""
        self._usable()
        captured_ns, angles, speeds = self._joints()
        position, rotation, jacobian = self._arm.at(angles)
        return RobotReading(
            captured_at_ns=captured_ns,
            position_m=position,
            rotation_rad=rotation_vector(rotation @ self._home.T),
            twist=jacobian @ speeds,
            wrench=self._wrench(rotation) - self._weight if self.has_wrench and self._feels() else None,
            opening_m=opening_of(self._newest("/Robotiq2FGripperRobotInput")[1]["gPO"]) if self.has_gripper else None,
        )

    def follow(self, motion: Motion) -> None:
        """Publish the joint velocities; ``WATCHDOG_S`` after the last ones the arm halts by itself."""
        self._usable()
        speeds = self._arm.speeds(self._joints()[1], motion.twist)
        said = {"mode": VELOCITY_MODE, "names": list(JOINTS), "velocity": speeds.tolist()}
        self._command.publish(self._lib.Message({**said, "position": [], "acceleration": [], "effort": []}))

    def grip(self, opening_m: float, force_n: float) -> float:
        """Returns when the fingers rest."""
        if not self.has_gripper:
            raise RobotError(f"{self.name} has no gripper; say `gripper: true` in its options if it has one")
        self._usable()
        asked = position_of(opening_m)
        with self._gripping:
            registers = {"rACT": 1, "rGTO": 1, "rATR": 0, "rPR": asked, "rSP": CLOSED, "rFR": force_of(force_n)}
            self._grip.publish(self._lib.Message(registers))
            until = time.monotonic() + self._patience_s
            while time.monotonic() < until:
                fingers = self._newest("/Robotiq2FGripperRobotInput")[1]
                if fingers["gSTA"] == ACTIVATED and fingers["gPR"] == asked and fingers["gOBJ"] != MOVING:
                    return opening_of(fingers["gPO"])
                time.sleep(LOOK_S)
        raise RobotError(f"the fingers of {self.name} still move after {self._patience_s:.0f} s")

    def close(self) -> None:
        """Halt and hang up; calling it twice does nothing."""
        if self._ros.is_connected:
            still = {"mode": VELOCITY_MODE, "names": list(JOINTS), "velocity": [0.0] * len(JOINTS)}
            self._command.publish(self._lib.Message({**still, "position": [], "acceleration": [], "effort": []}))
            self._ros.close(timeout=self._patience_s)

    def _begin(self, tool_m: np.ndarray) -> None:
        """Learn what the robot is, and listen to it."""
        try:
            urdf = self._lib.Param(self._ros, "robot_description").get(timeout=self._patience_s)
        except Exception as error:  # roslibpy raises a bare Exception
            raise RobotError(f"{self.name} does not tell its robot_description: {error}") from error
        self._arm = Arm(urdf, JOINTS, TIP, tool_m)
        self._hear("/robot/joint_states", "sensor_msgs/JointState", self._has_arm)
        self._hear("/robot/state", "intera_core_msgs/RobotAssemblyState")
        self._command = self._topic("/robot/limb/right/joint_command", "intera_core_msgs/JointCommand")
        watchdog = self._topic("/robot/limb/right/joint_command_timeout", "std_msgs/Float64")
        watchdog.publish(self._lib.Message({"data": WATCHDOG_S}))
        self._weight = np.zeros(6)
        if self.has_wrench:
            self._hear("/robotiq_ft_wrench", "geometry_msgs/WrenchStamped")
            self._weight = self._wrench(self._arm.at(self._joints()[1])[1])
        if self.has_gripper:
            message = "robotiq_2f_gripper_control/Robotiq2FGripper_robot_"
            self._hear("/Robotiq2FGripperRobotInput", message + "input")
            self._grip = self._topic("/Robotiq2FGripperRobotOutput", message + "output")

    def _connected(self, host: str, port: int) -> tuple[Any, Any]:
        try:
            import roslibpy
        except ImportError as error:
            raise RobotError(f"{self.name} needs roslibpy: pip install 's3k-dist[sawyer]'") from error
        ros = roslibpy.Ros(host, port)
        ros.factory.set_max_delay(REDIAL_S)  # the library's own is an hour
        try:
            ros.run(timeout=self._patience_s)
        except roslibpy.core.RosTimeoutError as error:
            ros.factory.manager.call_later(0, ros.factory.stopTrying)
            raise RobotError(f"no rosbridge answers at {host}:{port} within {self._patience_s:.1f} s") from error
        return ros, roslibpy

    def _topic(self, name: str, kind: str) -> Any:
        topic = self._lib.Topic(self._ros, name, kind, queue_size=1)
        topic.advertise()
        return topic

    def _hear(self, name: str, kind: str, wanted: Callable[[Any], bool] = lambda message: True) -> None:
        """Listen to a topic from now on; returns when it has said something."""

        def said(message: Any) -> None:
            if wanted(message):
                self._said[name] = time.time_ns(), message

        self._lib.Topic(self._ros, name, kind, queue_length=1).subscribe(said)
        until = time.monotonic() + self._patience_s
        while name not in self._said:
            if time.monotonic() > until:
                raise RobotError(f"{self.name} publishes nothing on {name}")
            time.sleep(LOOK_S)

    @staticmethod
    def _has_arm(message: Any) -> bool:
        """The gripper's joints are published on the same topic, in messages of their own."""
        return JOINTS[0] in message["name"]

    def _newest(self, topic: str) -> tuple[int, Any]:
        return self._said[topic]

    def _joints(self) -> tuple[int, np.ndarray, np.ndarray]:
        """When it was said, angles and speeds."""
        captured_ns, message = self._newest("/robot/joint_states")
        order = [message["name"].index(joint) for joint in JOINTS]
        angles, speeds = np.array(message["position"], float), np.array(message["velocity"], float)
        return captured_ns, angles[order], speeds[order]

    def _feels(self) -> bool:
        return time.time_ns() - self._newest("/robotiq_ft_wrench")[0] < WRENCH_AGE_S * 1e9

    def _wrench(self, rotation: np.ndarray) -> np.ndarray:
        """Of the sensor, in the base frame."""
        wrench = self._newest("/robotiq_ft_wrench")[1]["wrench"]
        force, torque = ([wrench[part][axis] for axis in "xyz"] for part in ("force", "torque"))
        return np.concatenate([rotation @ force, rotation @ torque])

    def _usable(self) -> None:
        """What is published while nobody listens would be delivered later, all at once."""
        if not self._ros.is_connected:
            raise RobotError(f"{self.name}: the connection to rosbridge is lost")
        state = self._newest("/robot/state")[1]
        if state["stopped"] or state["error"] or not state["enabled"]:
            why = "its stop button is pressed" if state["stopped"] else "an error" if state["error"] else "not enabled"
            raise RobotError(f"{self.name}: {why}; `rosrun intera_interface enable_robot.py -e` enables it")
