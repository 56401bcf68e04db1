"""The whole physical path: emulated Basler cameras that show a simulated robot's process; the contract, and faults."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from actors.cell import CellObservation
from actors.physical.basler import BaslerCamera
from actors.physical.camera import IncompleteFrameError
from actors.physical.emulated_cell import EmulatedCell, EmulatedCellSpec, intrinsic_rotation, turn_between
from actors.physical.rig import NoFramesError
from actors.physical.settings import RigLimits
from actors.robots.client import RobotClient
from actors.robots.process import RobotProcess
from actors.robots.simulated_process import SimulatedRobotSpec, begin_simulated_robot
from actors.safety.limits import Box, SafetyLimits
from actors.sim.arrangement import Randomisation
from actors.sim.cell import HOME_M, CableCell, CableCellSpec
from actors.sim.expert import expert_twist
from s3k_dist.drift.views import project
from s3k_dist.errors import CellError
from tests.actors.cell_contract import CellContract

PATIENCE_S = 60.0
LIMITS = SafetyLimits(
    workspace=Box(low_m=(-0.15, -0.15, 0.03), high_m=(0.15, 0.15, 0.3)),
    speed=(0.05, 0.05, 0.05, 0.5, 0.5, 0.5),
    tracking_m=0.015,
    feature_age_s=5.0,  # a machine that is busy with other things is no fault of the cell's
)
STILL = Randomisation(bend_rad=0.2, socket_m=0.01, gripper_m=0.0, tilt_rad=0.0)  # starts cost no drive
SPEC = EmulatedCellSpec(
    CableCellSpec(cell_id="bench7", image_px=64, randomisation=STILL),
    LIMITS,
    state_age_s=5.0,
    rig=RigLimits(view_timeout_s=2.0, max_age_s=5.0, pair_within_s=2.0),
)


@pytest.fixture(scope="module")
def process() -> Iterator[RobotProcess]:
    """Also for a cell that begins none of its own: starting one takes seconds."""
    with begin_simulated_robot(SimulatedRobotSpec(replace(SPEC.simulated, rendered=False), LIMITS)) as process:
        yield process


@pytest.fixture
def cell(process: RobotProcess) -> Iterator[EmulatedCell]:
    cell = EmulatedCell(SPEC, process)
    yield cell
    cell.stop()


class TestEmulatedCell(CellContract):
    """The contract."""
