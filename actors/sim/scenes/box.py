"""The game box of section 4.1 and App. D, alone or among others of its kind (section 4.2)."""

from collections.abc import Sequence
from typing import Literal

import mujoco
import numpy as np

from actors.sim.scenes.covers import COVER_STYLES, SIDES, game_box
from actors.sim.scenes.scene import Fragment
from s3k_dist.errors import ConfigError

HALF_SIZE_M = np.array([0.199, 0.105, 0.017]) / 2
CORNERS = {"top_left": (-1, 1, 1), "top_right": (1, 1, 1), "bottom_left": (-1, -1, 1)}  # of the cover
THE_GAME = 2020  # the one box that is to be found, whatever the seed of a data set
LOW_M, HIGH_M = np.array([-0.2, -0.2, 0.12]), np.array([0.2, 0.2, 0.3])
AROUND_LOW_M, AROUND_HIGH_M = np.array([-0.35, -0.35, 0.04]), np.array([0.35, 0.35, 0.2])  # of distractors
TILT_RAD = 0.25
DISTRACTORS = 3
CLEARANCE_M = 0.19
PHASES = 6

Mode = Literal["tilt", "so3"]


class BoxScene:
    """A textured box in the air.

    Args:
        mode: ``tilt`` turns it any way about the vertical and tips it a little; ``so3`` gives it any rotation.
        distractors: other boxes of similar size and texture around it.
        phases: how often, over the timeline, the distractors are exchanged.
        seed: of the distractors; the box itself is always the same game.

    Raises:
        ConfigError: an unknown mode.
    """

    def __init__(self, *, mode: Mode = "tilt", distractors: int = 0, phases: int = 1, seed: int = 0) -> None:
        if mode not in ("tilt", "so3"):
            raise ConfigError(f"unknown box mode {mode!r}; there are tilt, so3")
        self._mode = mode
        self._phases = phases
        self._seed = seed
        self._per_phase = distractors

    @property
    def keypoints(self) -> tuple[str, ...]:
        """Three corners of the cover."""
        return tuple(CORNERS)

    def fragment(self) -> Fragment:
        """The game, and all distractors of all phases."""
        rng = np.random.default_rng((self._seed, 23))
        parts = [_box("box", HALF_SIZE_M, np.random.default_rng(THE_GAME), style=0)]
        for name in self._distractors():
            half = HALF_SIZE_M * rng.uniform(0.7, 1.25, 3)
            parts.append(_box(name, half, rng, style=int(rng.integers(len(COVER_STYLES)))))
        return sum(parts[1:], parts[0])

    def arrange(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator, moment: float) -> None:
        """The box anywhere in the workspace; the distractors of this phase beside it, those of others out of sight."""
        middle = rng.uniform(LOW_M, HIGH_M)
        _pose(model, data, "box", middle, self._turn(rng))
        phase = int(moment * self._phases)
        taken = [middle]
        for index, name in enumerate(self._distractors()):
            if index // self._per_phase == phase:
                taken.append(_beside(taken, rng))
                _pose(model, data, name, taken[-1], self._turn(rng))
            else:
                _pose(model, data, name, np.array([0.0, 0.0, -5.0]), np.array([1.0, 0.0, 0.0, 0.0]))

    def points_m(self, model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
        """Three corners of the cover, shape (3, 3)."""
        body = model.body("box").id
        corners = HALF_SIZE_M * np.array(list(CORNERS.values()))
        return corners @ data.xmat[body].reshape(3, 3).T + data.xpos[body]

    def _distractors(self) -> list[str]:
        return [f"box_other{index}" for index in range(self._per_phase * self._phases)]

    def _turn(self, rng: np.random.Generator) -> np.ndarray:
        if self._mode == "so3":
            quaternion = rng.normal(size=4)
            return quaternion / np.linalg.norm(quaternion)
        yaw, tip, heading = rng.uniform(-np.pi, np.pi), abs(rng.normal()) * TILT_RAD, rng.uniform(-np.pi, np.pi)
        turn = np.zeros(4)
        tipped = np.array([np.cos(tip / 2), np.sin(tip / 2) * np.cos(heading), np.sin(tip / 2) * np.sin(heading), 0.0])
        mujoco.mju_mulQuat(turn, tipped, np.array([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)]))
        return turn


def domain_shift(*, seed: int = 0) -> BoxScene:
    """The scene of section 4.2: among distractors that are exchanged several times over the timeline."""
    return BoxScene(distractors=DISTRACTORS, phases=PHASES, seed=seed)


def _box(name: str, half_m: np.ndarray, rng: np.random.Generator, *, style: int) -> Fragment:
    faces = game_box(rng, style)
    files = {f"{name}_{face}.png": data for face, data in faces.items()}
    # MuJoCo's names for the faces of a cube: front is +z, where the cover is.
    sides = " ".join(
        f'file{side}="{name}_{face}.png"'
        for side, face in (("front", "cover"), ("back", "back"), *((side, side) for side in SIDES))
    )
    return Fragment(
        f'<texture name="{name}" type="cube" {sides}/><material name="{name}" texture="{name}" specular="0.25"/>',
        f'<body name="{name}" mocap="true"><geom class="look" type="box" material="{name}" '
        f'size="{half_m[0]:.6f} {half_m[1]:.6f} {half_m[2]:.6f}"/></body>',
        files,
    )


def _pose(model: mujoco.MjModel, data: mujoco.MjData, name: str, centre_m: np.ndarray, turn: np.ndarray) -> None:
    mocap = int(model.body(name).mocapid[0])
    data.mocap_pos[mocap] = centre_m
    data.mocap_quat[mocap] = turn


def _beside(taken_m: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """A place in the workspace, if one can be found a box's length away from all others."""
    for _ in range(30):
        place = rng.uniform(AROUND_LOW_M, AROUND_HIGH_M)
        if min(float(np.linalg.norm(place[:2] - other[:2])) for other in taken_m) > CLEARANCE_M:
            break
    return place
