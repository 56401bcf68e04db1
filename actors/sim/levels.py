"""How hard the insertion is, by name. What each costs is measured by ``python -m experiments.levels``."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from actors.sim.arrangement import Randomisation
from actors.sim.cable import CableSpec
from actors.sim.cell import CableCellSpec
from s3k_dist.errors import ConfigError


@dataclass(frozen=True)
class Level:
    """What makes a cell's task easy or hard.

    Attributes:
        cable: what is held and where it goes.
        randomisation: of each episode's start.
        decoys: plugs and sockets that are not the task's lie about.
    """

    cable: CableSpec
    randomisation: Randomisation
    decoys: bool = False


_SOFT = CableSpec(free_length_m=0.07, bending_stiffness=1e-4, clearance_m=0.001)
_ASTRAY = Randomisation(
    bend_rad=np.radians(60.0),
    socket_m=0.03,
    gripper_m=0.015,
    tilt_rad=np.radians(15.0),
    hole_rad=np.radians(9.0),  # no keypoint shows it
)

LEVELS: Mapping[str, Level] = {  # by `LevelName`
    "easy": Level(CableSpec(), Randomisation()),
    "standard": Level(_SOFT, _ASTRAY),
    "hard": Level(
        replace(_SOFT, clearance_m=0.0006, hole_tilt_rad=np.radians(20.0)),
        replace(_ASTRAY, hole_rad=np.radians(15.0)),
        decoys=True,
    ),
}


def at_level(spec: CableCellSpec, name: str) -> CableCellSpec:
    """``spec`` with the task of a level.

    Raises:
        ConfigError: there is no such level; names those there are.
    """
    if name not in LEVELS:
        raise ConfigError(f"no level {name!r}; there are {', '.join(LEVELS)}")
    level = LEVELS[name]
    return replace(spec, cable=level.cable, randomisation=level.randomisation, decoys=level.decoys)
