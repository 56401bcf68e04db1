"""A scene worked through: a pot on the table, with three keypoints.

PYTHONPATH=docs/examples s3k simulate pot:Pot --scenes 300 --labels 20 --option height_m=0.2 --out data/pot
"""

import mujoco
import numpy as np

from actors.sim.scenes.scene import Fragment

RADIUS_M, WALL_M, HANDLE_M = 0.08, 0.006, 0.06
REACH_M = 0.15  # from the middle of the workspace
KEYPOINTS = ("rim", "handle", "foot")


class Pot:
    """Implements ``Scene``.

    Args:
        seed: of what differs between data sets; here, the colour.
        height_m: of the pot.
    """

    keypoints = KEYPOINTS

    def __init__(self, *, seed: int, height_m: float = 0.15) -> None:
        self._height_m = height_m
        self._rgb = np.random.default_rng((seed, 71)).uniform(0.2, 0.9, 3)

    def fragment(self) -> Fragment:
        """A ring of walls, a bottom and a handle, in one body that ``arrange`` places."""
        colour = " ".join(f"{value:.3f}" for value in self._rgb)
        half = self._height_m / 2
        walls = []
        for angle in np.arange(0, 2 * np.pi, np.pi / 8):
            x, y = RADIUS_M * np.cos(angle), RADIUS_M * np.sin(angle)
            walls.append(
                f'<geom type="box" size="{WALL_M} {RADIUS_M * np.tan(np.pi / 16):.5f} {half}" '
                f'pos="{x:.5f} {y:.5f} {half}" euler="0 0 {angle:.5f}" rgba="{colour} 1"/>'
            )
        body = (
            '<body name="pot" mocap="true">'
            + "".join(walls)
            + f'<geom type="cylinder" size="{RADIUS_M} {WALL_M}" pos="0 0 {WALL_M}" rgba="{colour} 1"/>'
            + f'<geom type="capsule" size="0.012" fromto="{RADIUS_M} 0 {1.5 * half} {RADIUS_M + HANDLE_M} 0 {half}" '
            + f'rgba="{colour} 1"/>'
            + "</body>"
        )
        return Fragment(asset="", worldbody=body)

    def arrange(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator, moment: float) -> None:
        """Anywhere on the table, turned any way about the vertical."""
        body = model.body("pot").mocapid[0]
        angle = rng.uniform(-np.pi, np.pi)
        data.mocap_pos[body] = [*rng.uniform(-REACH_M, REACH_M, 2), 0.0]
        data.mocap_quat[body] = [np.cos(angle / 2), 0, 0, np.sin(angle / 2)]

    def points_m(self, model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
        """The rim opposite the handle, the handle's end, the middle of the foot: shape (3, 3)."""
        body = model.body("pot").id
        half = self._height_m / 2
        points = np.array([[-RADIUS_M, 0, 2 * half], [RADIUS_M + HANDLE_M, 0, half], [0, 0, 0]])
        return points @ data.xmat[body].reshape(3, 3).T + data.xpos[body]
