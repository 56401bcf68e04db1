"""The cell: a workplace with a robot and calibrated cameras, simulated or physical, behind four calls.

A cell is driven at a fixed rate::

    cell.reset(seed)
    while ...:
        seen = cell.observe()
        cell.command(twist)          # returns when the control period is over
    cell.stop()
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from s3k_dist.frames import MultiViewFrame
from s3k_dist.geometry.camera import Camera

CONTROL_HZ = 4.0  # section 6.1
CONTROL_PERIOD_S = 1.0 / CONTROL_HZ
TWIST_LIMIT = (0.05, 0.05, 0.05, 0.5, 0.5, 0.5)  # m/s, rad/s: an action means the same in every cell


@dataclass(frozen=True)
class GripperState:
    """The gripper, in the world frame.

    Attributes:
        position_m: of the grasp point, shape (3,), metres.
        rotation_rad: rotation vector from the home orientation, shape (3,), radians.
        linear_velocity_m_s: shape (3,), metres per second.
        angular_velocity_rad_s: shape (3,), radians per second.
    """

    position_m: np.ndarray
    rotation_rad: np.ndarray
    linear_velocity_m_s: np.ndarray
    angular_velocity_rad_s: np.ndarray

    @classmethod
    def of(cls, numbers: np.ndarray) -> "GripperState":
        """From ``numbers``, shape (12,)."""
        return cls(*numbers.reshape(4, 3))

    @property
    def numbers(self) -> np.ndarray:
        """All of it in the order of the attributes, shape (12,)."""
        return np.concatenate(
            [self.position_m, self.rotation_rad, self.linear_velocity_m_s, self.angular_velocity_rad_s]
        )


@dataclass(frozen=True)
class CellObservation:
    """What a cell offers to its controller at one moment: camera frames and the robot's own joints, nothing else."""

    frame: MultiViewFrame
    gripper: GripperState


@runtime_checkable
class Cell(Protocol):
    """A robot cell. Simulated and physical cells obey one contract, which ``tests/actors/cell_contract.py`` checks.

    Attributes:
        cell_id: names the cell among all cells.
        cameras: its calibrated cameras, in the order of every frame's views.
        twist_limit: largest command on each axis, shape (6,): metres per second, then radians per second.
    """

    cell_id: str
    cameras: tuple[Camera, ...]
    twist_limit: np.ndarray

    def reset(self, seed: int | None = None) -> CellObservation:
        """Bring the scene to a new start; the same seed gives the same start in a simulated cell."""
        ...

    def observe(self) -> CellObservation:
        """Trigger all cameras and read the robot."""
        ...

    def command(self, twist: np.ndarray) -> None:
        """Move the gripper with ``twist`` for one control period.

        Args:
            twist: linear then angular velocity, world frame, shape (6,), metres and radians per second; clipped to
                ``twist_limit``.

        Raises:
            CellError: the twist is not six finite numbers, or the robot does not follow.
        """
        ...

    def resume_after(self, sequence: int) -> None:
        """Number the next frame ``sequence + 1``: a cell that comes back never repeats a frame's name."""
        ...

    def stop(self) -> None:
        """Halt the robot and free the cameras; safe to call twice. Afterwards the others raise CellError."""
        ...


@dataclass(frozen=True)
class InsertionTruth:
    """What a simulator knows and no agent is shown.

    Attributes:
        keypoints_m: true positions as a person would label them, shape (3, 3), metres; rows as ``KEYPOINTS``.
        depth: how far the pin is in, as a share of the hole's depth, in [0, 1].
        visible: whether each keypoint lies inside each image, bool, shape (views, 3).
    """

    keypoints_m: np.ndarray
    depth: float
    visible: np.ndarray


@runtime_checkable
class SimulatedCell(Cell, Protocol):
    """A cell that also knows the truth, for labels and for judging claims; never for the policy."""

    def truth(self) -> InsertionTruth:
        """The truth at this moment."""
        ...


class CellSpec(Protocol):
    """What a cell is, as it is handed to the process that makes it."""

    @property
    def cell_id(self) -> str:
        """Names the cell."""

    @property
    def image_px(self) -> int:
        """Side of its square images."""

    def make(self) -> Cell:
        """The cell, in the thread that will use it.

        Raises:
            S3KError: it cannot be had; says why.
        """


def known_truth(cell: Cell) -> InsertionTruth:
    """The truth where it is known; of a physical cell NaN, and no keypoint is visible, so that nothing is labelled."""
    if isinstance(cell, SimulatedCell):
        return cell.truth()
    return InsertionTruth(np.full((3, 3), np.nan), np.nan, np.zeros((len(cell.cameras), 3), bool))
