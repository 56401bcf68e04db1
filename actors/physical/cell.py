"""A real workplace behind ``Cell``: a calibrated rig looks, a robot's driver moves, and time is the wall's.

The world frame is the robot's base frame, which the rig is registered to when it is calibrated. What the robot may do
is up to the gate in front of its driver; nothing here can widen that.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np

from actors.cell import TWIST_LIMIT, CellObservation, GripperState
from actors.physical.ticks import Ticks
from actors.robots.client import RobotClient, RobotState
from actors.safety.gate import Mode
from s3k_dist.errors import CellError, ConfigError, RobotError, SafetyError, ServiceError
from s3k_dist.frames import MultiViewFrame
from s3k_dist.geometry.camera import Camera

logger = logging.getLogger(__name__)

READY_S, HOMING_S = 10.0, 30.0
LOOK_S, LOOK_AGAIN_S = 0.15, 2.0  # in a control period; and after a reset, when nobody waits
STILL_S, STILL_M_S, STILL_RAD_S = 2.0, 1e-3, 1e-2
EVERY_S = 0.02

Prepare = Callable[[int | None], None]
"""Sets up the scene for an episode with this seed, while the robot is at home; raises CellError."""


class Frames(Protocol):
    """Where a cell's frames come from: a ``CalibratedRig``, or what stands in for one."""

    cameras: tuple[Camera, ...]

    def take(self, patience_s: float) -> MultiViewFrame:
        """As ``CalibratedRig.take``."""

    def resume_after(self, sequence: int) -> None:
        """As ``CalibratedRig.resume_after``."""

    def close(self) -> None:
        """As ``CalibratedRig.close``."""


class PhysicalCell:
    """Implements ``Cell``.

    A view that fails is missing from its frame, as the rig has it; with too few views there is no frame. A robot that
    has fallen silent is an error, not an old state.

    Args:
        cell_id: names the cell; frames have it from the rig.
        frames: of its cameras.
        robot: behind its gate.
        prepare: of each episode's scene; None leaves it as it is.
        twist_limit: largest command on each axis, shape (6,), m/s and rad/s.
        at_end: called when the cell has stopped.

    Attributes:
        ticks: counts the control periods, and the commands that were late.

    Raises:
        CellError: the robot does not answer.
        ConfigError: its gate does not let so much through.
    """

    def __init__(
        self,
        cell_id: str,
        frames: Frames,
        robot: RobotClient,
        *,
        prepare: Prepare | None = None,
        twist_limit: tuple[float, ...] = TWIST_LIMIT,
        at_end: Callable[[], None] | None = None,
    ) -> None:
        self.cell_id = cell_id
        self.cameras = frames.cameras
        self.twist_limit = np.array(twist_limit)
        self.ticks = Ticks()
        self._frames = frames
        self._robot = robot
        self._prepare = prepare
        self._at_end = at_end
        self._stopped = False
        self._seen_ns = 0
        with self._reached():
            robot.wait_ready(READY_S)
            allowed = np.array(robot.describe().twist_limit)
        if (self.twist_limit > allowed).any():
            raise ConfigError(
                f"cell {cell_id!r} wants to command up to {self.twist_limit.tolist()}, and the gate of {robot.address} "
                f"lets {allowed.tolist()} through: raise `speed` in the robot's limits, or lower the cell's twist_limit"
            )

    def reset(self, seed: int | None = None) -> CellObservation:
        """Drive home, have the scene set up, and look.

        Raises:
            CellError: the robot does not come home, the scene is not set up, or too few views came.
        """
        self._require_running()
        with self._reached():
            self._robot.state()  # of a robot that is silent already, nobody needs to wait for the deadline of homing
            self._robot.home(HOMING_S)
        if self._prepare is not None:
            self._prepare(seed)
        self._come_to_rest()
        self.ticks.begin()
        return self._look(LOOK_AGAIN_S)

    def observe(self) -> CellObservation:
        """Trigger all cameras and read the robot.

        Raises:
            CellError: too few views came, or the robot has fallen silent.
        """
        self._require_running()
        return self._look(LOOK_S)

    def command(self, twist: np.ndarray) -> None:
        """Send ``twist``; returns when its control period is over. Without another one the robot then stops by itself.

        Raises:
            CellError: the twist is not six finite numbers; the robot does not answer, or was stopped.
        """
        self._require_running()
        twist = np.asarray(twist, dtype=np.float64)
        if twist.shape != (6,) or not np.isfinite(twist).all():
            raise CellError(f"cell {self.cell_id!r}: expected a twist of six finite numbers, got {twist!r}")
        twist = np.clip(twist, -self.twist_limit, self.twist_limit)
        feature_age_s = max(0.0, (time.time_ns() - self._seen_ns) / 1e9)
        self.ticks.command()
        with self._reached():
            if self._robot.command(twist, feature_age_s) in (Mode.STOPPED, Mode.EMERGENCY):
                raise RobotError(f"it does not follow: {self._robot.state().reason}")
        self.ticks.wait()

    def resume_after(self, sequence: int) -> None:
        """Number the next frame ``sequence + 1``: a cell that comes back never repeats a frame's name."""
        self._frames.resume_after(sequence)

    def stop(self) -> None:
        """Bring the robot to rest, hang up, and let the cameras go; safe to call twice."""
        if self._stopped:
            return
        self._stopped = True
        try:
            # Not the gate's stop, which would stay until a person takes it back; with nobody there it holds as well.
            with self._reached():
                self._robot.command(np.zeros(6))
            self._come_to_rest()
        except CellError as error:
            logger.warning("%s; its watchdog stops it", error)
        finally:
            self._robot.close()
            self._frames.close()
            if self._at_end is not None:
                self._at_end()

    def _look(self, patience_s: float) -> CellObservation:
        with self._reached():
            before = self._robot.state()
            frame = self._frames.take(patience_s)
            after = self._robot.state()
        self._seen_ns = frame.captured_at_ns
        # Cameras take as long as some of the robot's steps; where it was when they exposed belongs to the frame.
        at = min(before, after, key=lambda state: abs(state.captured_at_ns - frame.captured_at_ns))
        return CellObservation(frame, gripper_of(at))

    def _come_to_rest(self) -> None:
        """Wait until the robot is still; a robot that says it never is has been told to be for long enough."""
        until_s = time.monotonic() + STILL_S
        with self._reached():
            while time.monotonic() < until_s:
                twist = self._robot.state().twist
                if np.abs(twist[:3]).max() < STILL_M_S and np.abs(twist[3:]).max() < STILL_RAD_S:
                    return
                time.sleep(EVERY_S)

    def _require_running(self) -> None:
        if self._stopped:
            raise CellError(f"cell {self.cell_id!r} was stopped")

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Whatever is wrong with the robot is wrong with the cell."""
        try:
            yield
        except (RobotError, SafetyError, ServiceError) as error:
            raise CellError(f"cell {self.cell_id!r}: {error}") from error


def gripper_of(state: RobotState) -> GripperState:
    """What a cell says of its gripper."""
    return GripperState(state.position_m, state.rotation_rad, state.twist[:3], state.twist[3:])
