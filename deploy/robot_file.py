"""A robot as a file: which driver, with which options, and the limits that nobody who commands it can change.

driver: my_lab.my_robot:MyRobot     # or simulated, sawyer, ur
options: {host: 10.0.0.7, port: 4000, home_m: [0.4, 0.0, 0.3]}
limits:
  workspace: {low_m: [0.2, -0.3, 0.05], high_m: [0.6, 0.3, 0.5]}
  keep_out: [{low_m: [0.45, -0.3, 0.0], high_m: [0.6, -0.1, 0.2]}]
"""

import importlib
from pathlib import Path
from typing import Any

from pydantic import Field

from actors.robots.driver import RobotDriver
from actors.safety.limits import SafetyLimits
from deploy.settings import Section, read_tree, validated
from s3k_dist.errors import ConfigError, RobotError

SIMULATED = "simulated"
KNOWN = {"sawyer": "actors.robots.sawyer:Sawyer", "ur": "actors.robots.universal:UniversalRobot"}


class RobotFile(Section):
    """One robot.

    Attributes:
        driver: ``simulated``, ``sawyer``, ``ur``, or the driver's class as ``module:Class``.
        options: what its class is made with.
        limits: of the robot.
        step_s: time between two steps of the gate.
    """

    driver: str = Field(pattern=r"^(simulated|sawyer|ur|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$")
    options: dict[str, Any] = Field(default_factory=dict)
    limits: SafetyLimits
    step_s: float = Field(0.025, gt=0, le=0.1)


def read_robot_file(path: Path) -> RobotFile:
    """Read one.

    Raises:
        ConfigError: it is missing, no YAML, or says something that does not fit; names what is available.
    """
    return validated(RobotFile, read_tree(path, f"{path} is not a robot file"), str(path))


def make_driver(robot: RobotFile) -> RobotDriver:
    """The driver that a file names.

    Raises:
        ConfigError: there is no such class, or it takes other options.
        RobotError: the robot does not answer.
    """
    if robot.driver == SIMULATED:
        from actors.robots.simulated import SimulatedRobot
        from actors.sim.cell import CableCell, CableCellSpec

        return SimulatedRobot(CableCell(CableCellSpec(image_px=64, rendered=False)), robot.step_s)
    module, _, name = KNOWN.get(robot.driver, robot.driver).partition(":")
    try:
        made = getattr(importlib.import_module(module), name)(**robot.options)
    except RobotError:
        raise
    except (ImportError, AttributeError, TypeError) as error:
        raise ConfigError(f"driver {robot.driver}: {error}") from error
    missing = [
        each for each in ("name", "has_wrench", "has_gripper", "home_m", "read", "follow", "grip", "close")
        if not hasattr(made, each)
    ]  # fmt: skip
    if missing:
        raise ConfigError(f"driver {robot.driver} lacks {', '.join(missing)}; actors/robots/driver.py says what it is")
    driver: RobotDriver = made
    return driver
