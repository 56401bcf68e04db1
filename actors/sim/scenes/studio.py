"""The room that every scene shares: table tops, lamps, cameras, a renderer; a seed decides how it looks."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import mujoco
import numpy as np

from actors.sim import textures
from actors.sim.scenes.rig import Rig
from actors.sim.scenes.scene import Fragment, Scene
from s3k_dist.errors import PreflightError
from s3k_dist.geometry.camera import Camera

TABLE_TOPS = 64  # to each seed its own: a data set drawn from another seed has unseen backgrounds
TABLE_SIZE_M = 12.0
LAMPS = 2
# MuJoCo's camera looks along -z with y up; OpenCV's along +z with y down.
OPENCV_FROM_MUJOCO = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True, eq=False)
class Shot:
    """One scene through all cameras: V views, K keypoints.

    Attributes:
        images: RGB uint8, shape (V, size, size, 3).
        cameras: the V cameras.
        points_m: true keypoints, world frame, metres, shape (K, 3).
    """

    images: np.ndarray
    cameras: tuple[Camera, ...]
    points_m: np.ndarray


class Studio:
    """Renders one scene over and over, differently each time.

    Attributes:
        model: of the world.
        data: its state; whoever steps it calls ``mj_forward`` before the next look.

    Args:
        scene: what is on the table.
        size_px: side of the square images.
        seed: of table tops.
        rig: where cameras may be.
        cluttered: table tops strewn with prints, too, beside wood, cloth and metal: harder than section 4.1.

    Raises:
        PreflightError: no OpenGL renderer can be had.
    """

    def __init__(
        self, scene: Scene, *, size_px: int, seed: int, rig: Rig | None = None, cluttered: bool = False
    ) -> None:
        self._scene = scene
        self._size_px = size_px
        self._rig = rig or Rig()
        world = _room(_table_tops(seed, TABLE_TOPS, cluttered), self._rig.views) + scene.fragment()
        self.model = model = mujoco.MjModel.from_xml_string(_mjcf(world, size_px), assets=dict(world.files))
        self.data = mujoco.MjData(model)
        self._cameras: tuple[Camera, ...] = ()
        model.cam_fovy[: self._rig.views] = self._rig.fovy_deg
        self._table = model.geom("table").id
        self._table_tops = [model.material(f"table{index}").id for index in range(TABLE_TOPS)]
        self._lamps = [model.light(f"lamp{index}").id for index in range(LAMPS)]
        try:
            self._renderer = mujoco.Renderer(model, size_px, size_px)
        except Exception as error:  # whatever the GL loader throws means the same to a person
            raise PreflightError(
                f"cannot render: no working OpenGL ({error}); `s3k doctor` says what to install"
            ) from error

    def take(self, rng: np.random.Generator, moment: float = 0.0) -> Shot:
        """Arrange the scene, the light and the cameras anew, and render every view.

        Args:
            rng: decides everything that is random; the same state gives the same shot.
            moment: where in the data set's timeline this is, in [0, 1).
        """
        self.arrange(rng, moment)
        return self.look()

    def arrange(
        self, rng: np.random.Generator, moment: float = 0.0, *, room: np.random.Generator | None = None
    ) -> None:
        """Arrange the scene, the light and the cameras anew; as ``take``, without looking.

        Args:
            rng: decides everything that is random, but for what ``room`` decides.
            moment: as in ``take``.
            room: decides table, light and cameras, where they should not change with the scene.
        """
        model, data, room = self.model, self.data, rng if room is None else room
        mujoco.mj_resetData(model, data)
        self._lay_table(room)
        self._light(room)
        self._cameras = self._rig.draw(room, self._size_px)
        for index, camera in enumerate(self._cameras):
            model.cam_pos[index] = camera.centre_m
            mujoco.mju_mat2Quat(model.cam_quat[index], (camera.rotation.T @ OPENCV_FROM_MUJOCO).ravel())
        self._scene.arrange(model, data, rng, moment)
        mujoco.mj_forward(model, data)

    def look(self) -> Shot:
        """What every camera sees of the scene as it is now."""
        images = np.stack([self._render(f"cam{index}") for index in range(len(self._cameras))])
        return Shot(images, self._cameras, self._scene.points_m(self.model, self.data))

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()

    def _render(self, camera: str) -> np.ndarray:
        self._renderer.update_scene(self.data, camera)
        return np.array(self._renderer.render())

    def _lay_table(self, rng: np.random.Generator) -> None:
        """One of the tops, at any place and turn, in any tint."""
        model, top = self.model, rng.choice(self._table_tops)
        model.geom_matid[self._table] = top
        model.mat_rgba[top, :3] = rng.uniform(0.6, 1.0) * rng.uniform(0.45, 1.0, 3)
        model.mat_texrepeat[top] = TABLE_SIZE_M / rng.uniform(1.0, 2.2)
        model.geom_pos[self._table, :2] = rng.uniform(-1, 1, 2)
        turn = rng.uniform(0, np.pi)
        model.geom_quat[self._table] = np.cos(turn), 0, 0, np.sin(turn)

    def _light(self, rng: np.random.Generator) -> None:
        model = self.model
        for lamp in self._lamps:
            position = np.array([*rng.uniform(-1.0, 1.0, 2), rng.uniform(1.2, 2.0)])
            model.light_pos[lamp] = position
            model.light_dir[lamp] = -position / np.linalg.norm(position)
            model.light_diffuse[lamp] = rng.uniform(0.15, 0.45) * rng.uniform(0.9, 1.1, 3)


def _room(files: Mapping[str, bytes], views: int) -> Fragment:
    asset = "".join(
        f'<texture name="{name[:-4]}" type="2d" file="{name}"/>'
        f'<material name="{name[:-4]}" texture="{name[:-4]}" specular="0.1"/>'
        for name in files
    )
    half = TABLE_SIZE_M / 2
    body = f'<geom name="table" type="plane" size="{half} {half} .1" material="table0" contype="1" conaffinity="1"/>'
    body += "".join(f'<light name="lamp{index}" pos="0 0 2" castshadow="false"/>' for index in range(LAMPS))
    body += "".join(f'<camera name="cam{index}" pos="0 0 1"/>' for index in range(views))
    return Fragment(asset, body, files)


@lru_cache(maxsize=1)  # two seconds of drawing; a process that renders two scenes often has them share a seed
def _table_tops(seed: int, count: int, cluttered: bool) -> Mapping[str, bytes]:
    rng = np.random.default_rng((seed, 17))
    surfaces = (textures.wood, textures.speckle, textures.breadboard, *((textures.clutter,) if cluttered else ()))
    return {f"table{index}.png": surfaces[index % len(surfaces)](rng) for index in range(count)}


def _mjcf(world: Fragment, size_px: int) -> str:
    return f"""
<mujoco model="studio">
 <compiler angle="degree"/>
 <option timestep="0.002" integrator="implicitfast" cone="elliptic" impratio="10"/>
 <visual>
  <global offwidth="{size_px}" offheight="{size_px}"/>
  <quality shadowsize="0" offsamples="4" numslices="20" numstacks="12" numquads="1"/>
  <map znear=".05" zfar="20"/>
  <headlight ambient=".4 .4 .4" diffuse=".25 .25 .25" specular=".05 .05 .05"/>
 </visual>
 <statistic extent="1" center="0 0 0.1"/>
 <default><default class="look"><geom contype="0" conaffinity="0" mass="0"/></default></default>
 <asset>{world.asset}</asset>
 <worldbody>{world.worldbody}</worldbody>
 <actuator>{world.actuator}</actuator>
</mujoco>"""
