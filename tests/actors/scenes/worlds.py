"""Scenes without a studio: compiled and arranged, not rendered."""

from collections.abc import Sequence

import mujoco
import numpy as np

from actors.sim.scenes.scene import Scene
from s3k_dist.geometry.camera import Camera


class World:
    """A scene's objects alone.

    Args:
        scene: what is arranged.
    """

    def __init__(self, scene: Scene) -> None:
        part = scene.fragment()
        look = '<default><default class="look"><geom contype="0" conaffinity="0" mass="0"/></default></default>'
        world = f"<mujoco>{look}<asset>{part.asset}</asset><worldbody>{part.worldbody}</worldbody></mujoco>"
        self.model = mujoco.MjModel.from_xml_string(world, assets=dict(part.files))
        self.data = mujoco.MjData(self.model)
        self._scene = scene

    def arrange(self, seed: int, moment: float = 0.0) -> np.ndarray:
        """The keypoints of one arrangement, world frame, metres, shape (keypoints, 3)."""
        self._scene.arrange(self.model, self.data, np.random.default_rng(seed), moment)
        mujoco.mj_forward(self.model, self.data)
        return self._scene.points_m(self.model, self.data)

    def rotation(self, body: str) -> np.ndarray:
        """Of a body, to the world, shape (3, 3)."""
        return np.array(self.data.body(body).xmat).reshape(3, 3)

    def centre_m(self, body: str) -> np.ndarray:
        """Of a body, world frame, metres, shape (3,)."""
        return np.array(self.data.body(body).xpos)


def pixels(points_m: np.ndarray, cameras: Sequence[Camera]) -> np.ndarray:
    """Where points appear in each view, shape (views, points, 2)."""
    seen = [(points_m @ c.rotation.T + c.translation_m) @ c.intrinsics.T for c in cameras]
    return np.stack([points[:, :2] / points[:, 2:] for points in seen])
