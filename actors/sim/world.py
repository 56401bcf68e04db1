"""The simulated workplace around any task: room, table, camera posts, lights, calibrated cameras, clutter.

Everything is MJCF text and PNG bytes; a seed decides how it looks.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import mujoco
import numpy as np

from actors.sim import textures
from actors.sim.scene_change import SceneChange
from s3k_dist.geometry.camera import NO_DISTORTION, Camera

CAMERA_DISTANCE_M = 0.45
CAMERA_FOVY_DEG = 24.0
LOOK_AT_M = np.array([0.0, 0.0, 0.062])
# Azimuth, elevation in degrees. Beyond about 40 degrees of elevation the hand hides the inserted plug.
CAMERA_DIRECTIONS_DEG = ((22.0, 18.0), (108.0, 28.0), (196.0, 16.0), (290.0, 30.0))
CLUTTER_RADIUS_M = (0.075, 0.17)
# A plug, a socket with its label, and a plug that stands upright: only their place tells them from the real ones.
DECOYS = (
    '<geom type="cylinder" class="look" size=".0045 .011" pos="0 0 .0045" euler="90 0 0" rgba=".78 .12 .1 1"/>'
    '<geom type="cylinder" class="look" size=".0047 .0016" pos="0 -.002 .0047" euler="90 0 0" rgba=".92 .92 .9 1"/>'
    '<geom type="cylinder" class="look" size=".0025 .009" pos="0 .02 .0045" euler="90 0 0" rgba=".85 .74 .35 1"/>',
    '<geom type="cylinder" class="look" size=".0105 .015" pos="0 0 .015" rgba=".3 .31 .34 1"/>'
    '<geom type="cylinder" class="look" size=".0037 .0002" pos="0 0 .0302" rgba=".03 .03 .03 1"/>'
    '<geom type="box" class="look" size=".026 .02 .005" pos="0 0 .005" material="label2"/>'
    '<geom type="box" class="look" size=".0165 .0165 .004" pos="0 0 .013" material="white"/>',
    '<geom type="cylinder" class="look" size=".0045 .011" pos="0 0 .011" rgba=".78 .12 .1 1"/>'
    '<geom type="cylinder" class="look" size=".0047 .0016" pos="0 0 .013" rgba=".92 .92 .9 1"/>'
    '<geom type="cylinder" class="look" size=".0025 .009" pos="0 0 .031" rgba=".85 .74 .35 1"/>',
)


@dataclass(frozen=True)
class World:
    """MJCF fragments: what goes under ``<asset>`` and ``<worldbody>``, and the files they name."""

    asset: str
    worldbody: str
    files: dict[str, bytes]


def build_world(seed: int, *, decoys: bool = False) -> World:
    """The room, its table and its clutter; the same seed gives the same bytes.

    Args:
        seed: textures, colours and shapes.
        decoys: plugs and sockets among the clutter that look like those of the task.
    """
    rng = np.random.default_rng(seed)
    files = {
        "wood.png": textures.wood(rng),
        "plate.png": textures.breadboard(rng),
        "foam.png": textures.speckle(rng),
    }
    files |= {f"wall{i}.png": textures.wall(rng) for i in range(4)}
    files |= {f"label{i}.png": textures.label(rng) for i in range(3)}
    texture = "".join(f'<texture name="{name[:-4]}" type="2d" file="{name}"/>' for name in files)
    material = "".join(
        f'<material name="{name[:-4]}" texture="{name[:-4]}" specular="0.2" shininess="0.3"/>' for name in files
    )
    plain = (
        '<material name="steel" rgba=".72 .73 .75 1" specular=".9" shininess=".8"/>'
        '<material name="dark" rgba=".11 .11 .12 1" specular=".5" shininess=".5"/>'
        '<material name="white" rgba="1 1 1 1" specular=".5" shininess=".5"/>'
        '<material name="frame" rgba=".6 .62 .64 1" specular=".7" shininess=".6"/>'
    )
    body = _room() + _table() + _posts() + _cameras() + _clutter(rng, DECOYS if decoys else ())
    return World(texture + material + plain, body, files)


def cameras_of(model: mujoco.MjModel, size_px: int) -> tuple[Camera, ...]:
    """The calibrated cameras of a compiled model, as their square images of ``size_px`` are rendered."""
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    found = []
    for index in range(len(CAMERA_DIRECTIONS_DEG)):
        camera = model.camera(f"cam{index}")
        focal = size_px / (2 * np.tan(np.radians(float(camera.fovy[0])) / 2))
        middle = (size_px - 1) / 2
        intrinsics = np.array([[focal, 0, middle], [0, focal, middle], [0, 0, 1]])
        # MuJoCo's camera looks along -z with y up; OpenCV's along +z with y down.
        rotation = np.diag([1.0, -1.0, -1.0]) @ data.cam_xmat[camera.id].reshape(3, 3).T
        translation = -rotation @ data.cam_xpos[camera.id]
        found.append(Camera(f"cam{index}", size_px, size_px, intrinsics, NO_DISTORTION, rotation, translation))
    return tuple(found)


class Surroundings:
    """Rearranges lights and clutter of a compiled world between episodes.

    Args:
        model: the world.
        light: factor on every lamp.
    """

    def __init__(self, model: mujoco.MjModel, light: float = 1.0) -> None:
        model.light_diffuse *= light
        model.vis.headlight.ambient[:] *= light
        model.vis.headlight.diffuse[:] *= light
        self._model = model
        names = (model.body(index).name for index in range(model.nbody))
        self._clutter = [model.body(name).id for name in names if name.startswith("clutter")]
        self._lights = [model.light(name).id for name in ("lamp", "window")]
        self._light_pos = model.light_pos.copy()
        self._light_diffuse = model.light_diffuse.copy()

    def randomise(self, rng: np.random.Generator) -> None:
        """Put each piece of clutter somewhere around the socket, and change the light a little."""
        count = len(self._clutter)
        angles = rng.permutation(count) * 2 * np.pi / count + rng.uniform(-0.25, 0.25, count)
        for body, angle in zip(self._clutter, angles, strict=True):
            radius = rng.uniform(*CLUTTER_RADIUS_M)
            self._model.body_pos[body, :2] = radius * np.cos(angle), radius * np.sin(angle)
            turn = rng.uniform(0, 2 * np.pi)
            self._model.body_quat[body] = np.cos(turn / 2), 0, 0, np.sin(turn / 2)
        for light in self._lights:
            self._model.light_pos[light] = self._light_pos[light] + rng.uniform(-0.15, 0.15, 3)
            tint = rng.uniform(0.75, 1.2) * rng.uniform(0.94, 1.06, 3)
            self._model.light_diffuse[light] = np.clip(self._light_diffuse[light] * tint, 0, 1)


def move_cameras(model: mujoco.MjModel, moves: Iterable[SceneChange]) -> None:
    """Move cameras of a compiled model, one after the other."""
    for move in moves:
        camera = model.camera(move.camera).id
        rotation = np.zeros(9)
        mujoco.mju_quat2Mat(rotation, model.cam_quat[camera])
        # MuJoCo's camera looks along -z with y up; these are OpenCV's axes.
        axes = rotation.reshape(3, 3) @ np.diag([1.0, -1.0, -1.0])
        model.cam_pos[camera] += axes @ np.array(move.camera_moved_m)
        angle = float(np.linalg.norm(move.camera_turned_rad))
        if angle:
            turn = np.zeros(4)
            mujoco.mju_axisAngle2Quat(turn, axes @ np.array(move.camera_turned_rad) / angle, angle)
            turned = np.zeros(4)
            mujoco.mju_mulQuat(turned, turn, model.cam_quat[camera])
            model.cam_quat[camera] = turned


def _room() -> str:
    walls = ""
    for i, angle in enumerate((0, 90, 180, 270)):
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        walls += (
            f'<geom type="box" class="look" size=".02 1.3 .9" pos="{1.3 * c} {1.3 * s} .45" '
            f'euler="0 0 {angle}" material="wall{i}"/>'
        )
    return walls + (
        '<light name="lamp" pos=".35 .25 1.1" dir="-.3 -.2 -1" castshadow="false" diffuse=".55 .55 .52"/>'
        '<light name="window" pos="-.7 -.5 .9" dir=".7 .5 -.7" castshadow="false" diffuse=".28 .3 .34"/>'
    )


def _table() -> str:
    return (
        '<geom name="table" type="box" size=".8 .8 .02" pos="0 0 -.021" material="wood" contype="1" conaffinity="6"/>'
        '<geom type="box" class="look" size=".1 .1 .003" pos="0 0 -.003" material="plate"/>'
    )


def _posts() -> str:
    """The frame that a cell's cameras are bolted to."""
    posts = "".join(
        f'<geom type="box" class="look" size=".012 .012 .45" pos="{x} {y} .44" material="frame"/>'
        for x in (-0.55, 0.55)
        for y in (-0.55, 0.55)
    )
    beams = "".join(
        f'<geom type="box" class="look" size="{a} {b} .012" pos="{x} {y} .32" material="frame"/>'
        for a, b, x, y in (
            (0.55, 0.012, 0, 0.55),
            (0.55, 0.012, 0, -0.55),
            (0.012, 0.55, 0.55, 0),
            (0.012, 0.55, -0.55, 0),
        )
    )
    return posts + beams


def _cameras() -> str:
    text = ""
    for index, (azimuth, elevation) in enumerate(np.radians(CAMERA_DIRECTIONS_DEG)):
        outward = np.array(
            [np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)]
        )
        position = LOOK_AT_M + CAMERA_DISTANCE_M * outward
        right = np.cross([0, 0, 1], outward)
        right /= np.linalg.norm(right)
        up = np.cross(outward, right)
        text += (
            f'<camera name="cam{index}" fovy="{CAMERA_FOVY_DEG}" pos="{_numbers(position)}" '
            f'xyaxes="{_numbers(right)} {_numbers(up)}"/>'
        )
    return text


def _clutter(rng: np.random.Generator, decoys: tuple[str, ...]) -> str:
    """Things that lie about; bodies, so that :class:`Surroundings` can move them."""
    shapes = (
        '<geom type="box" class="look" size=".018 .012 .022" pos="0 0 .022" material="label0"/>',
        '<geom type="box" class="look" size=".026 .016 .009" pos="0 0 .009" material="label1"/>',
        '<geom type="box" class="look" size=".012 .03 .012" pos="0 0 .012" material="label2"/>',
        '<geom type="cylinder" class="look" size=".012 .02" pos="0 0 .02" {paint}/>',
        '<geom type="cylinder" class="look" size=".02 .006" pos="0 0 .006" material="steel"/>',
        '<geom type="capsule" class="look" size=".005 .03" pos="0 0 .005" euler="0 90 0" {paint}/>'
        '<geom type="cylinder" class="look" size=".002 .03" pos=".055 0 .005" euler="0 90 0" material="steel"/>',
        '<geom type="sphere" class="look" size=".012" pos="0 0 .012" {paint}/>',
        '<geom type="ellipsoid" class="look" size=".022 .016 .01" pos="0 0 .01" material="foam"/>',
        # A second plug-like thing, so that colour alone does not find the plug.
        '<geom type="cylinder" class="look" size=".0045 .011" pos="0 0 .005" euler="90 0 0" rgba=".75 .14 .12 1"/>'
        '<geom type="cylinder" class="look" size=".002 .009" pos="0 .02 .005" euler="90 0 0" rgba=".8 .7 .3 1"/>',
    )
    text = ""
    for index, shape in enumerate((*shapes, *decoys)):
        paint = f'rgba="{_numbers(rng.uniform(0.08, 0.9, 3))} 1"'
        text += f'<body name="clutter{index}">{shape.format(paint=paint)}</body>'
    return text


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.9g}" for value in values)
