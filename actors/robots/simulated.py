"""The simulated cable cell as a robot behind a driver: it moves in real time, and feels what it touches."""

import threading
import time
from dataclasses import dataclass

import numpy as np

from actors.robots.driver import RobotReading
from actors.safety.envelope import Motion
from actors.sim.cell import HOME_M, CableCell
from s3k_dist.errors import RobotError

NEAR_HOME_M = 0.01


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A simulated robot's world after a step.

    Attributes:
        seed: of its arrangement.
        captured_at_ns: host time, nanoseconds since the Unix epoch.
        state: as ``CableCell.state`` has it.
    """

    seed: int
    captured_at_ns: int
    state: np.ndarray


class SimulatedRobot:
    """Implements ``RobotDriver``: each ``follow`` is one step of simulated time.

    Args:
        cell: whose gripper is the tool; nobody else may command it.
        step_s: of the gate: a multiple of the cell's servo period.
        seed: of the cell's start.

    Attributes:
        snapshot: the newest; any thread may look.
    """

    has_wrench = True
    has_gripper = False

    def __init__(self, cell: CableCell, step_s: float, seed: int = 0) -> None:
        self.name = f"simulated {cell.cell_id}"
        self.home_m = HOME_M.copy()
        self._cell = cell
        self._step_s = step_s
        self._torque = np.zeros(3)  # none is simulated
        self._wanted: int | None = None
        self._arranged = threading.Condition()
        self._cell.reset(seed)
        self.snapshot = Snapshot(seed, time.time_ns(), cell.state())

    def read(self) -> RobotReading:
        """The simulator's state."""
        gripper = self._cell.gripper()
        wrench = np.concatenate([self._cell.contact_force_n(), self._torque])
        twist = np.concatenate([gripper.linear_velocity_m_s, gripper.angular_velocity_rad_s])
        return RobotReading(time.time_ns(), gripper.position_m, gripper.rotation_rad, twist, wrench)

    def follow(self, motion: Motion) -> None:
        """Advance the simulation by one step."""
        with self._arranged:
            wanted, self._wanted = self._wanted, None
        if wanted is not None:
            self._cell.arrange(wanted)
        self._cell.advance(motion.twist, self._step_s)
        seed = self.snapshot.seed if wanted is None else wanted
        with self._arranged:
            self.snapshot = Snapshot(seed, time.time_ns(), self._cell.state())
            self._arranged.notify_all()

    def arrange(self, seed: int, timeout_s: float) -> None:
        """Set the scene up anew; of any thread, and done by the one that steps, between two steps.

        Raises:
            RobotError: the robot is not at home, where nothing is in its way; or it does not step.
        """
        away_m = float(np.linalg.norm(self.snapshot.state[:3] - self.home_m))
        if away_m > NEAR_HOME_M:
            raise RobotError(f"{self.name} is {1e3 * away_m:.0f} mm from home: the scene is set up around it there")
        with self._arranged:
            self._wanted = seed
            if not self._arranged.wait_for(lambda: self._wanted is None and self.snapshot.seed == seed, timeout_s):
                raise RobotError(f"{self.name} was not set up anew within {timeout_s:.1f} s")

    def grip(self, opening_m: float, force_n: float) -> float:
        """There is no gripper to open: the cable is part of the hand."""
        raise RobotError(f"{self.name} has no gripper that opens")

    def close(self) -> None:
        """Free the cell."""
        self._cell.stop()
