"""A cell as a file: what it is, and which machine its robot hangs on.

    cell: bench3
    kind: simulated
    resource: bench3          # a Ray node started with --resources '{"bench3": 1}' runs it; none: any node does
    simulated: {level: standard, scene_seed: 3}

    cell: bench4
    kind: emulated            # the same behind emulated Basler cameras and a robot's process

    cell: bench5
    kind: physical
    physical: {rig: rig.yaml, robot: robot.yaml, reset: {script: [./put_back.sh]}}       # beside this file

What the agent observes and the task's thresholds are the run's; so is the size of the images.
"""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, field_validator, model_validator

from actors.cell import TWIST_LIMIT
from actors.insertion import LevelName
from deploy.settings import Section, read_tree, validated
from s3k_dist.episodes import MAX_ID_LENGTH

SUFFIX = ".yaml"
Speed = Annotated[float, Field(gt=0)]


class SimulatedSection(Section):
    """A simulated cell; what is not said is as the run's ``cells`` section has it.

    Attributes:
        level: of the task.
        scene_seed: textures and clutter.
        cable_stiffness: EI, N m^2.
        cable_length_m: between the fingers and the plug.
        clearance_m: radial, between pin and hole.
    """

    level: LevelName | None = None
    scene_seed: int | None = None
    cable_stiffness: float | None = Field(None, gt=0)
    cable_length_m: float | None = Field(None, gt=0)
    clearance_m: float | None = Field(None, gt=0)


class ResetSection(Section):
    """How the scene of a physical cell is set up for an episode, once its robot is home.

    Attributes:
        script: a command that does it, and returns 0 when it is done; ``S3K_SEED`` in its environment numbers the
            episode.
        ask: waits until a person has done it and says so (``s3k cells ready CELL``); after the script, if there is one.
        patience_s: with both together; then the cell fails, and tries again.
    """

    script: tuple[str, ...] = ()
    ask: bool = False
    patience_s: float = Field(60.0, gt=0, le=60.0)  # an episode has two minutes, and is no longer with this


class PhysicalSection(Section):
    """A physical cell.

    Attributes:
        rig: file of its camera rig, calibrated.
        robot: file of its robot, which is served as long as the cell is at work; or host and port where it is served.
        twist_limit: largest command on each axis, m/s and rad/s; the policy's actions are shares of it.
        reset: of the scene, between episodes.
    """

    rig: Path
    robot: str = Field(min_length=1)
    twist_limit: tuple[Speed, Speed, Speed, Speed, Speed, Speed] = TWIST_LIMIT
    reset: ResetSection = ResetSection()

    @property
    def robot_address(self) -> str | None:
        """Where the robot is served; None where ``robot`` is a file."""
        return self.robot if re.fullmatch(r"[^/\s]+:\d+", self.robot) else None


class CellFile(Section):
    """One cell of the fleet.

    Attributes:
        cell: its name: letters, digits, dots, dashes and underscores.
        kind: what it is.
        resource: custom Ray resource of the node that it must run on; None: any.
        simulated: of a simulated cell, and of what an emulated one simulates.
        physical: of a physical cell, and of no other.
        credentials: folder of its certificate, where that is not the run's; it is for the cell of this name.
    """

    cell: str = Field(max_length=MAX_ID_LENGTH, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    kind: Literal["simulated", "emulated", "physical"] = "simulated"
    resource: str | None = Field(None, min_length=1)
    simulated: SimulatedSection = SimulatedSection()
    physical: PhysicalSection | None = None
    credentials: Path | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.kind == "physical" and self.physical is None:
            raise ValueError("a physical cell has a section `physical`, with its rig and its robot")
        if self.kind != "physical" and self.physical is not None:
            raise ValueError(f"a cell with a section `physical` is of kind physical, not {self.kind}")
        if self.kind == "physical" and self.simulated != SimulatedSection():
            raise ValueError("a physical cell has no section `simulated`")
        return self

    @field_validator("cell")
    @classmethod
    def _no_path(cls, value: str) -> str:
        if ".." in value:
            raise ValueError("a cell's name has no two dots in a row: files are named after it")
        return value


def read_cell_file(path: Path) -> CellFile:
    """Read one; the paths in it are taken from its folder.

    Raises:
        ConfigError: it is missing, no YAML, or says something that does not fit; names what is available.
    """
    cell = validated(CellFile, read_tree(path, f"{path} is not a cell file"), str(path))
    folder = path.parent.absolute()
    if cell.credentials is not None:
        cell = cell.model_copy(update={"credentials": folder / cell.credentials})
    if cell.physical is None:
        return cell
    physical = cell.physical
    found: dict[str, object] = {"rig": folder / physical.rig}
    if physical.robot_address is None:
        found["robot"] = str(folder / physical.robot)
    if physical.reset.script:
        first, *rest = physical.reset.script
        # A bare word is a command of the path, as for a shell.
        command = str(folder / first) if "/" in first else first
        found["reset"] = physical.reset.model_copy(update={"script": (command, *rest)})
    return cell.model_copy(update={"physical": physical.model_copy(update=found)})


def cell_yaml(cell: CellFile) -> str:
    """As a file has it."""
    return yaml.safe_dump(cell.model_dump(mode="json", exclude_defaults=True), sort_keys=False)
