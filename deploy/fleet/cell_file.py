"""A cell as a file: what it is, and which machine its robot hangs on.

    cell: bench3
    kind: simulated
    resource: bench3          # a Ray node started with --resources '{"bench3": 1}' runs it; none: any node does
    simulated: {level: standard, scene_seed: 3}

What the agent observes and the task's thresholds are the run's; so is the size of the images.
"""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, field_validator

from actors.insertion import LevelName
from deploy.settings import Section, read_tree, validated
from s3k_dist.episodes import MAX_ID_LENGTH

SUFFIX = ".yaml"


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


class CellFile(Section):
    """One cell of the fleet.

    Attributes:
        cell: its name: letters, digits, dots, dashes and underscores.
        kind: what it is.
        resource: custom Ray resource of the node that it must run on; None: any.
        simulated: of a simulated cell.
    """

    cell: str = Field(max_length=MAX_ID_LENGTH, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    kind: Literal["simulated"] = "simulated"
    resource: str | None = Field(None, min_length=1)
    simulated: SimulatedSection = SimulatedSection()

    @field_validator("cell")
    @classmethod
    def _no_path(cls, value: str) -> str:
        if ".." in value:
            raise ValueError("a cell's name has no two dots in a row: files are named after it")
        return value


def read_cell_file(path: Path) -> CellFile:
    """Read one.

    Raises:
        ConfigError: it is missing, no YAML, or says something that does not fit; names what is available.
    """
    return validated(CellFile, read_tree(path, f"{path} is not a cell file"), str(path))


def cell_yaml(cell: CellFile) -> str:
    """As a file has it."""
    return yaml.safe_dump(cell.model_dump(mode="json", exclude_defaults=True), sort_keys=False)
