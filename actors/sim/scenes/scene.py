"""What a scene is: the things that are seen, how they are arranged, and where their keypoints are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import mujoco
import numpy as np


@dataclass(frozen=True)
class Fragment:
    """A part of a MuJoCo world.

    Attributes:
        asset: MJCF that goes under ``<asset>``.
        worldbody: MJCF that goes under ``<worldbody>``.
        files: textures and meshes that ``asset`` names.
        actuator: MJCF that goes under ``<actuator>``.
    """

    asset: str
    worldbody: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    actuator: str = ""

    def __add__(self, other: "Fragment") -> "Fragment":
        return Fragment(
            self.asset + other.asset,
            self.worldbody + other.worldbody,
            {**self.files, **other.files},
            self.actuator + other.actuator,
        )


class Scene(Protocol):
    """Objects of one kind. The studio puts table, lights and cameras around them.

    Sketch::

        studio = Studio(BoxScene(seed=3), size_px=128, seed=3)
        shot = studio.take(np.random.default_rng(0), moment=0.0)

    Attributes:
        keypoints: names, in the order of :meth:`points_m`.
    """

    @property
    def keypoints(self) -> tuple[str, ...]:
        """Names, in the order of :meth:`points_m`."""
        ...

    def fragment(self) -> Fragment:
        """The objects; names in it begin with the scene's own words, so that nothing clashes."""
        ...

    def arrange(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator, moment: float) -> None:
        """Place everything at random.

        Args:
            model: compiled world; materials and static poses may be changed.
            data: ``qpos`` and mocap poses may be set; the studio calls ``mj_forward`` afterwards.
            rng: the only source of chance.
            moment: where in the data set's timeline this is, in [0, 1).
        """
        ...

    def points_m(self, model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
        """True keypoints after ``mj_forward``, world frame, metres, shape (keypoints, 3)."""
        ...
