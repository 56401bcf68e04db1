"""The role of a robot driver: read the robot, and let it follow a motion, one short step at a time.

A new robot is one class with these four methods; everything else (gate, service, client) is there. It never sees a
policy's command: what it is asked to follow has been through the safety gate. ``docs/robots.md`` works one through.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from actors.safety.envelope import Motion


@dataclass(frozen=True)
class RobotReading:
    """What a robot says of itself, robot base frame.

    Attributes:
        captured_at_ns: host time at which it said it, nanoseconds since the Unix epoch.
        position_m: of the tool point, shape (3,).
        rotation_rad: rotation vector from the home orientation, shape (3,).
        twist: linear then angular velocity, shape (6,), m/s and rad/s.
        wrench: force then torque that the surroundings exert on the tool, shape (6,), N and N m; None without a sensor,
            or if it says nothing.
        opening_m: of the gripper; None without one.
    """

    captured_at_ns: int
    position_m: np.ndarray
    rotation_rad: np.ndarray
    twist: np.ndarray
    wrench: np.ndarray | None = None
    opening_m: float | None = None


class RobotDriver(Protocol):
    """One robot. Called by one thread, except for ``grip``.

    Attributes:
        name: of the robot.
        has_wrench: it has a force-torque sensor, so its silence is a fault.
        has_gripper: it can grip.
        home_m: tool point at home, robot base frame, shape (3,).
    """

    name: str
    has_wrench: bool
    has_gripper: bool
    home_m: np.ndarray

    def read(self) -> RobotReading:
        """The newest that is known of the robot; never waits longer than a step.

        Raises:
            RobotError: the robot does not answer.
        """

    def follow(self, motion: Motion) -> None:
        """Move with ``motion.twist`` from now on, until the next call; a robot that is not called again must stop.

        Raises:
            RobotError: the robot does not take it.
        """

    def grip(self, opening_m: float, force_n: float) -> float:
        """Open or close the gripper; returns the opening it came to.

        Raises:
            RobotError: there is no gripper, or it does not answer.
        """

    def close(self) -> None:
        """Halt and hang up; calling it twice does nothing."""
