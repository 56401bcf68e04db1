"""How an episode begins: the cable's bend, where the socket stands, where the gripper starts; drawn from a seed."""

from dataclasses import dataclass

import numpy as np

from actors.sim import cable


@dataclass(frozen=True)
class Randomisation:
    """How far each episode's start strays, uniform within plus or minus each value.

    Attributes:
        bend_rad: total permanent bend of the cable, and half as much again of S-shape.
        socket_m: socket position on the table, each axis.
        gripper_m: gripper start, each axis.
        tilt_rad: gripper start, each axis.
        hole_rad: direction of the hole, about x and y.
    """

    bend_rad: float = np.radians(35.0)
    socket_m: float = 0.02
    gripper_m: float = 0.01
    tilt_rad: float = np.radians(10.0)
    hole_rad: float = 0.0


@dataclass(frozen=True, eq=False)
class Arrangement:
    """One start.

    Attributes:
        bend_rad: permanent bend of each link about x and y, shape (CABLE_LINKS, 2).
        socket_m: socket position on the table, shape (2,).
        gripper_m: gripper start, from home, shape (3,).
        tilt_rad: likewise, intrinsic angles about x, y and z, shape (3,).
        hole_rad: direction of the hole, from that of the level, about x and y, shape (2,).
    """

    bend_rad: np.ndarray
    socket_m: np.ndarray
    gripper_m: np.ndarray
    tilt_rad: np.ndarray
    hole_rad: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, spread: Randomisation) -> "Arrangement":
        """The next one of ``rng``."""
        return cls(
            _bend(rng, spread.bend_rad),
            rng.uniform(-spread.socket_m, spread.socket_m, 2),
            rng.uniform(-spread.gripper_m, spread.gripper_m, 3),
            rng.uniform(-spread.tilt_rad, spread.tilt_rad, 3),
            rng.uniform(-spread.hole_rad, spread.hole_rad, 2),
        )


def _bend(rng: np.random.Generator, bend_rad: float) -> np.ndarray:
    """Of each link about x and y, shape (CABLE_LINKS, 2): an arc, and an S on top of it."""
    arc, arc_heading = rng.uniform(-bend_rad, bend_rad), rng.uniform(0, 2 * np.pi)
    wave, wave_heading = rng.uniform(-0.5, 0.5) * bend_rad, rng.uniform(0, 2 * np.pi)
    along = (np.arange(cable.CABLE_LINKS) + 0.5) / cable.CABLE_LINKS
    ripple = wave / cable.CABLE_LINKS * np.pi / 2 * np.sin(2 * np.pi * along)
    heading = np.array([np.cos(arc_heading), np.sin(arc_heading)])
    wave_direction = np.array([np.cos(wave_heading), np.sin(wave_heading)])
    return arc / cable.CABLE_LINKS * heading + ripple[:, None] * wave_direction
