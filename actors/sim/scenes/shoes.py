"""One shoe at a time out of a category of many (section 4.3)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import mujoco
import numpy as np

from actors.sim.scenes.scene import Fragment
from actors.sim.scenes.shoe import SHOE_KEYPOINTS, made_shoe
from actors.sim.scenes.shoe_designs import DESIGNS
from actors.sim.scenes.shoe_folder import read_shoes
from s3k_dist.errors import ConfigError

TRAINING_SHOES = range(12)
HELD_OUT_SHOES = range(12, len(DESIGNS))
REACH_M = 0.2  # from the middle of the table, along each axis
HELD_SHARE = 0.5  # of shots, in which the shoe is in the air
HEIGHT_M, TILT_RAD = 0.08, 0.25
SHOWN_GROUP, HIDDEN_GROUP = 0, 4  # MuJoCo draws groups 0 to 2: a hidden mesh costs nothing


class ShoeScene:
    """A shoe, turned any way, on the table or held above it; each time one of the given shoes.

    Args:
        shoes: which of the 16 made shoes.
        seed: of their materials' grain; shape and colours are always the same.

    Raises:
        ConfigError: no shoes, or unknown ones.
    """

    def __init__(self, shoes: Sequence[int] = TRAINING_SHOES, *, seed: int = 0) -> None:
        unknown = [shoe for shoe in shoes if shoe not in range(len(DESIGNS))]
        if unknown or not shoes:
            raise ConfigError(f"unknown shoes {unknown or 'none'}; there are 0 to {len(DESIGNS) - 1}")
        self._shoes = tuple(made_shoe(shoe, seed) for shoe in shoes)

    @classmethod
    def from_folder(cls, folder: Path | str) -> Self:
        """A scene of real shoes; ``shoe_folder`` says what the files are.

        Raises:
            StorageError: a file is missing or malformed.
        """
        scene = cls.__new__(cls)
        scene._shoes = read_shoes(Path(folder))
        return scene

    @property
    def keypoints(self) -> tuple[str, ...]:
        """Tip of the toe; top of the tongue, or of the opening's front without one; back of the heel's counter."""
        return SHOE_KEYPOINTS

    @property
    def names(self) -> tuple[str, ...]:
        """Of the shoes, in the order of :meth:`shown`."""
        return tuple(shoe.name for shoe in self._shoes)

    def fragment(self) -> Fragment:
        """All shoes."""
        parts = [shoe.fragment(_body(index)) for index, shoe in enumerate(self._shoes)]
        return sum(parts[1:], parts[0])

    def arrange(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator, moment: float) -> None:
        """One shoe, drawn at random, at a random place; the others are not drawn."""
        chosen = int(rng.integers(len(self._shoes)))
        for index in range(len(self._shoes)):
            model.geom(_body(index)).group = SHOWN_GROUP if index == chosen else HIDDEN_GROUP
        held = rng.random() < HELD_SHARE
        tip = rng.uniform(0, TILT_RAD) if held else 0.0
        low, high = self._shoes[chosen].low_m, self._shoes[chosen].high_m
        above = np.sin(tip) * np.linalg.norm((high - low)[:2]) / 2 + rng.uniform(0, HEIGHT_M) * held
        mocap = int(model.body(_body(chosen)).mocapid[0])
        data.mocap_pos[mocap] = [*rng.uniform(-REACH_M, REACH_M, 2), above]
        data.mocap_quat[mocap] = _turn(rng.uniform(-np.pi, np.pi), tip, rng.uniform(-np.pi, np.pi))

    def points_m(self, model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
        """Front, tongue and heel of the shoe that is shown, shape (3, 3)."""
        shown = self.shown(model)
        body = model.body(_body(shown)).id
        points = self._shoes[shown].keypoints_m - self._shoes[shown].origin_m
        return np.asarray(points @ data.xmat[body].reshape(3, 3).T + data.xpos[body])

    def shown(self, model: mujoco.MjModel) -> int:
        """Which of the scene's shoes was arranged last, an index into :attr:`names`."""
        groups = [int(model.geom(_body(index)).group[0]) for index in range(len(self._shoes))]
        return groups.index(SHOWN_GROUP)


def _body(index: int) -> str:
    return f"shoe{index}"


def _turn(yaw: float, tip: float, heading: float) -> np.ndarray:
    """Quaternion (w, x, y, z): a turn about the vertical, then a tip about a level axis; radians."""
    turn = np.zeros(4)
    tipped = np.array([np.cos(tip / 2), np.sin(tip / 2) * np.cos(heading), np.sin(tip / 2) * np.sin(heading), 0.0])
    mujoco.mju_mulQuat(turn, tipped, np.array([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)]))
    return turn
