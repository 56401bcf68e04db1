"""A soft toy fox between two other toys (section 5)."""

import mujoco
import numpy as np

from actors.sim.scenes.scene import Fragment
from actors.sim.scenes.toy import Toy, toy_fragment
from actors.sim.scenes.toy_designs import BEAR, FOX, RABBIT

THE_FOX = 2020  # the fox is the same whatever the seed of a data set
# Keypoints inside the toy, where a gripper would close (section 5): a part, and a point in its frame in metres.
KEYPOINTS = {
    "head": ("fox_head", (0.036, 0.0, 0.012)),
    "left_paw": ("fox_left_front_leg", (0.083, 0.0, 0.0)),
    "right_paw": ("fox_right_front_leg", (0.083, 0.0, 0.0)),
    "body": ("fox_torso", (0.0, 0.0, 0.0)),
    "tail": ("fox_tail_end", (0.070, 0.0, 0.0)),
}
COATS = ((0.45, 0.28, 0.16), (0.62, 0.64, 0.70), (0.30, 0.45, 0.72), (0.55, 0.36, 0.62), (0.35, 0.55, 0.38))
REACH_M = 0.14  # of the fox from the middle of the table, along each axis
BESIDE_M = 0.24, 0.36  # from the fox to the other toys
# Roll and pitch in which a toy is put down: on its belly, on a side, on its back, sitting.
STANCES_RAD = ((0.0, 0.0), (0.0, 0.0), (1.5, 0.0), (-1.5, 0.0), (3.1, 0.0), (0.0, -1.3))
STANCE_NOISE_RAD = 0.2
SETTLE_STEPS, SETTLE_STEP_S = 120, 0.005  # most lie still after half a second


class PlushScene:
    """A fox, a bear and a rabbit in any pose on the table.

    Args:
        seed: of the colours of bear and rabbit; the fox is always the same.
    """

    def __init__(self, *, seed: int = 0) -> None:
        rng = np.random.default_rng((seed, 41))
        bear, rabbit = (COATS[index] for index in rng.choice(len(COATS), 2, replace=False))
        self._toys = FOX, BEAR.recoloured("bear", coat=bear), RABBIT.recoloured("rabbit", coat=rabbit)

    @property
    def keypoints(self) -> tuple[str, ...]:
        """Of the fox."""
        return tuple(KEYPOINTS)

    def fragment(self) -> Fragment:
        """The three toys."""
        parts = [toy_fragment(toy, np.random.default_rng((THE_FOX, index))) for index, toy in enumerate(self._toys)]
        return sum(parts[1:], parts[0])

    def arrange(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator, moment: float) -> None:
        """Bend the toys at random, put them down side by side, and let them settle."""
        fox = rng.uniform(-REACH_M, REACH_M, 2)
        bearing = rng.uniform(-np.pi, np.pi)
        apart = rng.uniform(1.7, 4.5)  # so far around the fox from the one to the other, radians
        places = [fox]
        for angle in (bearing, bearing + apart):
            places.append(fox + rng.uniform(*BESIDE_M) * np.array([np.cos(angle), np.sin(angle)]))
        for toy, place in zip(self._toys, places, strict=True):
            _bend(model, data, toy, rng)
            _put_down(model, data, toy, place, rng)
        _settle(model, data)

    def points_m(self, model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
        """Head, front paws, body and tail of the fox, shape (5, 3)."""
        bodies = [(data.body(name), np.array(point)) for name, point in KEYPOINTS.values()]
        return np.stack([body.xpos + body.xmat.reshape(3, 3) @ point for body, point in bodies])


def _bend(model: mujoco.MjModel, data: mujoco.MjData, toy: Toy, rng: np.random.Generator) -> None:
    """Pose the limbs; their springs hold the pose, as stuffing does."""
    for limb in toy.limbs:
        at = int(model.joint(f"{toy.name}_{limb.name}").qposadr[0])
        turn = _quaternion(rng.normal(0, limb.bend_rad, 3))
        data.qpos[at : at + 4] = turn
        model.qpos_spring[at : at + 4] = turn


def _put_down(
    model: mujoco.MjModel, data: mujoco.MjData, toy: Toy, place_m: np.ndarray, rng: np.random.Generator
) -> None:
    """Set a toy just above the table."""
    root = model.body(f"{toy.name}_torso").id
    at = int(model.jnt_qposadr[model.body_jntadr[root]])
    roll, pitch = np.array(STANCES_RAD[rng.integers(len(STANCES_RAD))]) + rng.normal(0, STANCE_NOISE_RAD, 2)
    turn = np.zeros(4)
    mujoco.mju_euler2Quat(turn, [rng.uniform(-np.pi, np.pi), pitch, roll], "zyx")
    data.qpos[at : at + 7] = [*place_m, 0.0, *turn]
    mujoco.mj_kinematics(model, data)
    mine = np.flatnonzero((model.body_rootid[model.geom_bodyid] == root) & (model.geom_contype > 0))
    # How far an ellipsoid reaches down.
    down = np.linalg.norm(data.geom_xmat[mine].reshape(-1, 3, 3)[:, 2] * model.geom_size[mine], axis=1)
    data.qpos[at + 2] = -np.min(data.geom_xpos[mine, 2] - down)


def _settle(model: mujoco.MjModel, data: mujoco.MjData) -> None:
    step_s = model.opt.timestep
    model.opt.timestep = SETTLE_STEP_S
    mujoco.mj_step(model, data, SETTLE_STEPS)
    model.opt.timestep = step_s
    data.qvel[:] = 0


def _quaternion(rotation_rad: np.ndarray) -> np.ndarray:
    """From a rotation vector; (w, x, y, z)."""
    turn = np.zeros(4)
    angle = float(np.linalg.norm(rotation_rad))
    mujoco.mju_axisAngle2Quat(turn, rotation_rad / max(angle, 1e-12), angle)
    return turn
