"""One shoe as MuJoCo takes it: files of mesh and texture, its size, its keypoints."""

from dataclasses import dataclass

import numpy as np

from actors.sim.scenes.scene import Fragment
from actors.sim.scenes.shoe_designs import DESIGNS
from actors.sim.scenes.shoe_mesh import shoe_mesh
from actors.sim.scenes.shoe_surface import obj_bytes
from actors.sim.scenes.shoe_texture import shoe_texture
from s3k_dist.images import Encoding, encode_image

SHOE_KEYPOINTS = ("front", "tongue", "heel")


@dataclass(frozen=True, eq=False)
class Shoe:
    """A mesh with z up, in a frame of its own.

    Attributes:
        name: for people.
        obj: Wavefront OBJ.
        png: texture; None leaves the shoe grey.
        keypoints_m: front, tongue, heel in the mesh's frame, shape (3, 3).
        low_m: least coordinates of the mesh, shape (3,).
        high_m: greatest.
        unit_m: how long a unit of ``obj`` is.
        shine: specular reflection, 0 to 1.
    """

    name: str
    obj: bytes
    png: bytes | None
    keypoints_m: np.ndarray
    low_m: np.ndarray
    high_m: np.ndarray
    unit_m: float = 1.0
    shine: float = 0.15

    @property
    def origin_m(self) -> np.ndarray:
        """The middle of the sole, where the shoe is held in place; the mesh's frame, shape (3,)."""
        return np.array([*(self.low_m + self.high_m)[:2] / 2, self.low_m[2]])

    def fragment(self, name: str) -> Fragment:
        """A mocap body called ``name`` with its origin under the middle of the sole."""
        files = {f"{name}.obj": self.obj}
        look = f'<material name="{name}" specular="{self.shine}" rgba=".6 .6 .6 1"/>'
        if self.png is not None:
            files[f"{name}.png"] = self.png
            look = f'<texture name="{name}" type="2d" file="{name}.png"/>'
            look += f'<material name="{name}" texture="{name}" specular="{self.shine}"/>'
        x, y, z = -self.origin_m
        return Fragment(
            # A shell's inertia asks for no watertight mesh.
            f'{look}<mesh name="{name}" file="{name}.obj" inertia="shell" scale="{3 * f"{self.unit_m} "}"/>',
            f'<body name="{name}" mocap="true">'
            f'<geom name="{name}" class="look" type="mesh" mesh="{name}" material="{name}" pos="{x} {y} {z}"/></body>',
            files,
        )


def made_shoe(index: int, seed: int) -> Shoe:
    """The shoe ``index`` of ``DESIGNS``.

    Args:
        index: which.
        seed: of the material's grain.
    """
    name, shape, look = DESIGNS[index]
    mesh = shoe_mesh(shape)
    points = np.concatenate([surface.points_m.reshape(-1, 3) for surface in mesh.surfaces.values()])
    texture = shoe_texture(look, shape, mesh, np.random.default_rng((seed, 37, index)))
    obj, png = obj_bytes(list(mesh.surfaces.values())), encode_image(texture, Encoding.PNG)
    return Shoe(name, obj, png, mesh.keypoints_m, points.min(axis=0), points.max(axis=0), shine=look.shine)
