"""The simulated cable cell as a robot behind a driver: it moves in real time, and feels what it touches."""

import time

import numpy as np

from actors.robots.driver import RobotReading
from actors.safety.envelope import Motion
from actors.sim.cell import HOME_M, CableCell
from s3k_dist.errors import RobotError


class SimulatedRobot:
    """Implements ``RobotDriver``: each ``follow`` is one step of simulated time.

    Args:
        cell: whose gripper is the tool; nobody else may command it.
        step_s: of the gate: a multiple of the cell's servo period.
        seed: of the cell's start.
    """

    has_wrench = True
    has_gripper = False

    def __init__(self, cell: CableCell, step_s: float, seed: int = 0) -> None:
        self.name = f"simulated {cell.cell_id}"
        self.home_m = HOME_M.copy()
        self._cell = cell
        self._step_s = step_s
        self._torque = np.zeros(3)  # none is simulated
        self._cell.reset(seed)

    def read(self) -> RobotReading:
        """The simulator's state."""
        gripper = self._cell.gripper()
        wrench = np.concatenate([self._cell.contact_force_n(), self._torque])
        twist = np.concatenate([gripper.linear_velocity_m_s, gripper.angular_velocity_rad_s])
        return RobotReading(time.time_ns(), gripper.position_m, gripper.rotation_rad, twist, wrench)

    def follow(self, motion: Motion) -> None:
        """Advance the simulation by one step."""
        self._cell.advance(motion.twist, self._step_s)

    def grip(self, opening_m: float, force_n: float) -> float:
        """There is no gripper to open: the cable is part of the hand."""
        raise RobotError(f"{self.name} has no gripper that opens")

    def close(self) -> None:
        """Free the cell."""
        self._cell.stop()
