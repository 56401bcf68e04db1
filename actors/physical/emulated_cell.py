"""The whole physical path without hardware: a simulated cable cell behind emulated cameras and a robot's process."""

import logging
import time
from dataclasses import dataclass, field, replace

import numpy as np

from actors.cell import CellObservation, InsertionTruth
from actors.physical.cell import PhysicalCell
from actors.physical.rendered import RenderedFrames
from actors.physical.settings import RigLimits
from actors.robots.client import RobotClient
from actors.robots.process import RobotProcess
from actors.robots.simulated_process import SimulatedRobotSpec, begin_simulated_robot
from actors.robots.simulator import SimulatorClient
from actors.safety.gate import Mode
from actors.safety.limits import SafetyLimits
from actors.sim.arrangement import Arrangement
from actors.sim.cell import HOME_M, CableCell, CableCellSpec
from s3k_dist.errors import CellError
from s3k_dist.geometry.rotation import rotation_matrix, rotation_vector

logger = logging.getLogger(__name__)

RESTART_S, START_S, EVERY_S = 20.0, 6.0, 0.05
APPROACH_RATE = 3.0  # 1/s
START_M, START_RAD = 1e-3, 1e-2
SEEDS = 2**32


@dataclass(frozen=True)
class EmulatedCellSpec:
    """An emulated cell.

    Attributes:
        simulated: what is simulated: its cable, scene and images.
        limits: of the robot's gate.
        step_s: time between two steps of the gate.
        state_age_s: a state of the robot older than this is none.
        rig: what is made of the cameras' frames.
    """

    simulated: CableCellSpec
    limits: SafetyLimits
    step_s: float = 0.025
    state_age_s: float = 0.5
    rig: RigLimits = field(default_factory=RigLimits)

    @property
    def cell_id(self) -> str:
        """Names the cell."""
        return self.simulated.cell_id

    @property
    def image_px(self) -> int:
        """Side of its square images."""
        return self.simulated.image_px

    def make(self) -> "EmulatedCell":
        """The cell, with a robot's process of its own."""
        return EmulatedCell(self)


class EmulatedCell(PhysicalCell):
    """A ``PhysicalCell`` that knows the truth. One thread makes and uses it.

    An episode begins as on a bench: the robot drives home, the scene is set up around it, and it drives to its start.
    A robot whose process has died is begun anew by the next reset, at the same address.

    Args:
        spec: what it is.
        process: its robot's, if that runs already; the cell ends one that it began itself.

    Raises:
        RobotError: the robot's process does not serve.
        CameraError: pylon has no emulated cameras.
        PreflightError: nothing can be rendered here.
    """

    def __init__(self, spec: EmulatedCellSpec, process: RobotProcess | None = None) -> None:
        self._spec = spec
        self._own = process is None
        served = SimulatedRobotSpec(replace(spec.simulated, rendered=False), spec.limits, spec.step_s)
        self._process = process or begin_simulated_robot(served)
        self._served = replace(served, address=self._process.address)
        deadline_s = 2 * spec.state_age_s
        self._simulator = SimulatorClient(self._process.address, deadline_s)
        robot = RobotClient(self._process.address, deadline_s, spec.state_age_s)
        self._twin = CableCell(spec.simulated)
        self._robot = robot
        try:
            self.rendered = RenderedFrames(self._twin, self._simulator, spec.rig)
            super().__init__(spec.cell_id, self.rendered, robot, prepare=self._set_up, at_end=self._end)
        except BaseException:
            robot.close()
            self._end()
            raise

    @property
    def robot_pid(self) -> int:
        """Of the robot's process: to kill, and to pause."""
        return self._process.pid

    def reset(self, seed: int | None = None) -> CellObservation:
        """As ``PhysicalCell.reset``; the same seed sets up the same scene."""
        self._require_running()
        if self._own and not self._process.alive:
            self._begin_robot_anew()
        with self._reached():
            # Nobody is in the way of a simulated robot: what stopped it needs no person who looks.
            if self._robot.state().mode is Mode.STOPPED:
                self._robot.resume()
        return super().reset(seed)

    def truth(self) -> InsertionTruth:
        """As of the newest frame."""
        return self._twin.truth()

    def plug_pose(self) -> tuple[np.ndarray, np.ndarray]:
        """As ``CableCell.plug_pose``, of the newest frame; so the next three."""
        return self._twin.plug_pose()

    def hole_axis(self) -> np.ndarray:
        """As ``CableCell.hole_axis``."""
        return self._twin.hole_axis()

    def possible_turn(self, angular_rad_s: np.ndarray) -> np.ndarray:
        """As ``CableCell.possible_turn``."""
        return self._twin.possible_turn(angular_rad_s)

    def gripper_m(self) -> np.ndarray:
        """As ``CableCell.gripper_m``."""
        return self._twin.gripper_m()

    def _end(self) -> None:
        self._twin.stop()
        self._simulator.close()
        if self._own:
            self._process.close()

    def _begin_robot_anew(self) -> None:
        logger.warning("cell %s: its robot's process is gone; it is begun anew", self.cell_id)
        self._process.close()
        with self._reached():
            self._process = begin_simulated_robot(self._served)
            self._robot.wait_ready(RESTART_S)

    def _set_up(self, seed: int | None) -> None:
        seed = int(np.random.default_rng(seed).integers(SEEDS)) if seed is None else seed
        self._simulator.arrange(seed)
        self._drive_to(self._twin.arrange(seed))

    def _drive_to(self, start: Arrangement) -> None:
        position_m, rotation = HOME_M + start.gripper_m, intrinsic_rotation(start.tilt_rad)
        until_s = time.monotonic() + START_S
        with self._reached():
            while time.monotonic() < until_s:
                at = self._robot.state()
                left_m, left_rad = position_m - at.position_m, turn_between(at.rotation_rad, rotation)
                if np.linalg.norm(left_m) < START_M and np.linalg.norm(left_rad) < START_RAD:
                    return
                twist = APPROACH_RATE * np.concatenate([left_m, left_rad])
                self._robot.command(np.clip(twist, -self.twist_limit, self.twist_limit))
                time.sleep(EVERY_S)
        raise CellError(
            f"cell {self.cell_id!r}: the robot is {1e3 * np.linalg.norm(left_m):.1f} mm and "
            f"{np.degrees(np.linalg.norm(left_rad)):.1f} degrees from its start after {START_S:.0f} s"
        )


def intrinsic_rotation(angles_rad: np.ndarray) -> np.ndarray:
    """Of turns about x, then the new y, then the new z, shape (3, 3)."""
    turns = [rotation_matrix(angle * axis) for angle, axis in zip(angles_rad, np.eye(3), strict=True)]
    return np.asarray(turns[0] @ turns[1] @ turns[2])


def turn_between(rotation_rad: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """What turns a rotation vector's rotation into the ``wanted`` one, as a world rotation vector, shape (3,)."""
    return rotation_vector(wanted @ rotation_matrix(rotation_rad).T)
