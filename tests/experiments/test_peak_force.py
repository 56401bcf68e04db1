"""The comparison with and without admittance, small."""

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from deploy.robot_file import RobotFile, read_robot_file
from experiments.peak_force import insertions, pushes, without


@pytest.fixture
def robot() -> RobotFile:
    return read_robot_file(Path(str(resources.files("deploy") / "robots" / "simulated.yaml")))


def test_admittance_takes_the_edge_off_a_push(robot: RobotFile) -> None:
    limits = robot.limits.model_copy(update={"stop_force_n": 1e3, "tracking_m": 0.03})
    soft, hard = (pushes(each, robot.step_s, 1)[0] for each in (limits, without(limits)))
    assert hard.peak_n > 15
    assert soft.peak_n < 0.7 * hard.peak_n
    # And once it has touched it goes on pushing no harder than it yields for.
    assert np.median(soft.force_n[-100:]) < limits.yield_force_n + 0.05 / limits.yield_m_s_n + 1


def test_the_expert_still_inserts_through_the_gate(robot: RobotFile) -> None:
    success, peak_n = insertions("easy", robot.limits, robot.step_s, 2)
    assert success == 1
    assert peak_n < robot.limits.stop_force_n
