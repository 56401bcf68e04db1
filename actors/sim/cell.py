"""The simulated cable cell: a gripper holds a flexible cable's plug over a socket, four calibrated cameras look on."""

import time
from dataclasses import dataclass, field

import mujoco
import numpy as np

from actors.cell import CONTROL_PERIOD_S, TWIST_LIMIT, CellObservation, GripperState, InsertionTruth
from actors.sim import cable
from actors.sim.arrangement import Arrangement, Randomisation
from actors.sim.cable import CableSpec
from actors.sim.contact import contact_force
from actors.sim.scene_change import Scene, SceneChange
from actors.sim.world import Surroundings, build_world, cameras_of, move_cameras
from s3k_dist.errors import CellError, PreflightError
from s3k_dist.frames import MultiViewFrame, View

TIMESTEP_S = 0.0025
SETTLE_S = 0.5
SERVO_STEPS = 5  # the set-point is moved on every 12.5 ms
SERVO_S = TIMESTEP_S * SERVO_STEPS
HOME_M = np.array([0.0, 0.0, 0.165])
REACH_M = np.array([[-0.15, -0.15, 0.03], [0.15, 0.15, 0.3]])
MAX_LEAD_M = 0.01  # the set-point stays this near the hand, or blocked motion would wind up
MAX_TILT_RAD = 1.0
FIXED_CONTYPE = 1  # of table and socket
SOCKET_REACH_M = 0.026  # of its foot, to the side


@dataclass(frozen=True)
class CableCellSpec:
    """A simulated cell.

    Attributes:
        cell_id: names it; also seeds how it looks.
        image_px: side of the square images.
        scene_seed: textures and clutter.
        cable: what is held and where it goes.
        randomisation: of each episode's start.
        decoys: plugs and sockets that are not the task's lie about.
        rendered: False leaves the images black: for those who see by ``TrueFeatures`` alone, several times as fast.
        changes: of the scene while it works, in the order of their frames.
    """

    cell_id: str = "cell0"
    image_px: int = 128
    scene_seed: int = 0
    cable: CableSpec = field(default_factory=CableSpec)
    randomisation: Randomisation = field(default_factory=Randomisation)
    decoys: bool = False
    rendered: bool = True
    changes: tuple[SceneChange, ...] = ()

    def make(self) -> "CableCell":
        """The cell."""
        return CableCell(self)


class CableCell:
    """Implements ``Cell`` and ``SimulatedCell`` on MuJoCo; a control period passes as fast as the machine allows."""

    twist_limit = np.array(TWIST_LIMIT)

    def __init__(self, spec: CableCellSpec) -> None:
        """Raises PreflightError where no OpenGL renderer can be had."""
        self.cell_id = spec.cell_id
        self._spec = spec
        self._stopped = False
        self._renderer: mujoco.Renderer | None = None
        self._sequence = 0
        self._target_m = HOME_M.copy()
        self._target_rad = np.zeros(3)
        self._build(Scene(spec.scene_seed, spec.decoys))

    def _build(self, scene: Scene) -> None:
        """Make the world as it is now."""
        spec, self._scene = self._spec, scene
        self._model = model = _compile(spec, scene)
        self._data = mujoco.MjData(model)
        self._data.qpos[:3] = HOME_M
        # Of the cameras as they were calibrated.
        self.cameras = cameras_of(model, spec.image_px)
        move_cameras(model, scene.moves)
        if self._renderer is not None:
            self._renderer.close()
        self._renderer = _renderer(model, spec.image_px) if spec.rendered else None
        self._surroundings = Surroundings(model, scene.light)
        self._rest_shape = model.qpos_spring.copy()
        self._bend_joints = [
            [int(model.joint(f"c{axis}{link}").qposadr[0]) for axis in "xy"] for link in range(cable.CABLE_LINKS)
        ]
        self._hand = model.body("hand").id
        self._sites = {name: model.site(name).id for name in ("grasp", "tip", "base", "opening")}

    def reset(self, seed: int | None = None) -> CellObservation:
        """Bend the cable, move the socket, the gripper, the clutter and the light; then let the cable settle."""
        self._require_running()
        due = (change for change in self._spec.changes if change.after_frames <= self._sequence)
        scene = Scene(self._spec.scene_seed, self._spec.decoys).after(due)
        if scene != self._scene:
            self._build(scene)
        start = self._arrange(seed)
        data = self._data
        self._target_m, self._target_rad = HOME_M + start.gripper_m, start.tilt_rad
        data.qpos[:3] = data.ctrl[:3] = self._target_m
        data.qpos[3:6] = data.ctrl[3:6] = self._target_rad
        self._settle()
        return self.observe()

    def arrange(self, seed: int) -> Arrangement:
        """As ``reset``, but for the gripper, which stays where it is; returns where a reset would have put it."""
        self._require_running()
        start = self._arrange(seed)
        self._settle()
        return start

    def state(self) -> np.ndarray:
        """All that moves, as numbers for another cell of the same spec and arrangement."""
        data = self._data
        return np.concatenate([data.qpos, data.qvel, data.ctrl, data.mocap_pos.ravel(), data.mocap_quat.ravel()])

    def show(self, state: np.ndarray) -> None:
        """Be in the ``state`` of another cell.

        Raises:
            CellError: it is of another kind of cell.
        """
        self._require_running()
        data = self._data
        parts = (data.qpos, data.qvel, data.ctrl, data.mocap_pos[0], data.mocap_quat[0])
        ends = np.cumsum([len(part) for part in parts])
        if state.shape != (ends[-1],) or not np.isfinite(state).all():
            raise CellError(f"cell {self.cell_id!r}: expected a state of {ends[-1]} finite numbers, got {state.shape}")
        for part, numbers in zip(parts, np.split(state, ends[:-1]), strict=True):
            part[:] = numbers
        self._target_m, self._target_rad = data.ctrl[:3].copy(), data.ctrl[3:6].copy()
        mujoco.mj_forward(self._model, data)

    def _arrange(self, seed: int | None) -> Arrangement:
        rng = np.random.default_rng(seed)
        model, data = self._model, self._data
        self._surroundings.randomise(rng)
        start = Arrangement.draw(rng, self._spec.randomisation)
        hand = data.qpos[:6].copy()
        mujoco.mj_resetData(model, data)
        data.qpos[:6] = hand
        data.ctrl[:3], data.ctrl[3:6] = self._target_m, self._target_rad
        model.qpos_spring[:] = self._rest_shape
        for addresses, angles in zip(self._bend_joints, start.bend_rad, strict=True):
            model.qpos_spring[addresses] = data.qpos[addresses] = angles
        data.mocap_pos[0, :2] = start.socket_m
        lean = np.array([0.0, self._spec.cable.hole_tilt_rad, 0.0])
        lean[:2] += start.hole_rad
        data.mocap_quat[0] = _quaternion(lean)
        # A leaning socket would sink into the table with its lower edge.
        data.mocap_pos[0, 2] = SOCKET_REACH_M * np.sin(np.linalg.norm(lean))
        return start

    def _settle(self) -> None:
        mujoco.mj_step(self._model, self._data, nstep=round(SETTLE_S / TIMESTEP_S))
        mujoco.mj_forward(self._model, self._data)

    def command(self, twist: np.ndarray) -> None:
        """Integrate ``twist`` into the servo's set-point over one control period."""
        self._require_running()
        twist = np.asarray(twist, dtype=np.float64)
        if twist.shape != (6,) or not np.isfinite(twist).all():
            raise CellError(f"cell {self.cell_id!r}: expected a twist of six finite numbers, got {twist!r}")
        self.advance(np.clip(twist, -self.twist_limit, self.twist_limit), CONTROL_PERIOD_S)

    def advance(self, twist: np.ndarray, seconds: float) -> None:
        """Move the servo's set-point with ``twist``, shape (6,), for a multiple of ``SERVO_S`` seconds."""
        self._require_running()
        data, tick_s = self._data, SERVO_S
        for _ in range(round(seconds / tick_s)):
            lead = np.clip(self._target_m + twist[:3] * tick_s - data.qpos[:3], -MAX_LEAD_M, MAX_LEAD_M)
            self._target_m = np.clip(data.qpos[:3] + lead, *REACH_M)
            turned = self._target_rad + np.linalg.solve(_angular_jacobian(data.qpos[3:6]), twist[3:]) * tick_s
            self._target_rad = np.clip(turned, -MAX_TILT_RAD, MAX_TILT_RAD)
            data.ctrl[:3], data.ctrl[3:6] = self._target_m, self._target_rad
            mujoco.mj_step(self._model, data, nstep=SERVO_STEPS)
        mujoco.mj_forward(self._model, data)

    def observe(self) -> CellObservation:
        """Render every camera and read the gripper."""
        now = time.time_ns()
        views = tuple(View(camera, self.render(camera.name), now) for camera in self.cameras)
        frame = MultiViewFrame(self.cell_id, self._sequence, now, views)
        self._sequence += 1
        return CellObservation(frame, self.gripper())

    def resume_after(self, sequence: int) -> None:
        """Number the next frame ``sequence + 1``: a cell that comes back never repeats a frame's name."""
        self._sequence = sequence + 1

    def truth(self) -> InsertionTruth:
        """True keypoints, as a person labels them, and true depth."""
        position = {name: self._data.site_xpos[site].copy() for name, site in self._sites.items()}
        from_opening, into_hole = position["tip"] - position["opening"], self.hole_axis()
        depth_m = float(from_opening @ into_hole)
        lateral_m = np.linalg.norm(from_opening - depth_m * into_hole)
        inside = depth_m > 0 and lateral_m < cable.PIN_RADIUS_M + self._spec.cable.clearance_m + 0.001
        # Section 6.2: once the tip is inside, a person clicks the opening in its place.
        tip = position["opening"] if inside else position["tip"]
        keypoints = np.stack([tip, position["base"], position["opening"]])
        depth = float(np.clip(depth_m / cable.HOLE_DEPTH_M, 0, 1)) if inside else 0.0
        return InsertionTruth(keypoints, depth, self._in_view(keypoints))

    def plug_pose(self) -> tuple[np.ndarray, np.ndarray]:
        """True tip and insertion axis of the plug, each of shape (3,), metres and unit: for the scripted expert."""
        tip, base = self._data.site_xpos[self._sites["tip"]], self._data.site_xpos[self._sites["base"]]
        return tip.copy(), (tip - base) / np.linalg.norm(tip - base)

    def hole_axis(self) -> np.ndarray:
        """True direction into the hole, shape (3,), unit."""
        return -self._data.site_xmat[self._sites["opening"]].reshape(3, 3)[:, 2].copy()

    def possible_turn(self, angular_rad_s: np.ndarray) -> np.ndarray:
        """What the wrist can do of an angular velocity, world frame, shape (3,): ``MAX_TILT_RAD`` is its stop."""
        jacobian = _angular_jacobian(self._data.qpos[3:6])
        rates = np.linalg.solve(jacobian, angular_rad_s)
        at_stop = (np.abs(self._target_rad) >= MAX_TILT_RAD) & (rates * self._target_rad > 0)
        return np.asarray(jacobian @ np.where(at_stop, 0.0, rates))

    def contact_force_n(self) -> np.ndarray:
        """What table and socket exert on what the hand holds, world frame, shape (3,), newtons."""
        return contact_force(self._model, self._data, FIXED_CONTYPE)

    def gripper_m(self) -> np.ndarray:
        """True position of the grasp point, shape (3,), metres."""
        return self._data.site_xpos[self._sites["grasp"]].copy()

    def render(self, camera: str) -> np.ndarray:
        """RGB uint8 image of one camera, shape (image_px, image_px, 3)."""
        self._require_running()
        if self._renderer is None:
            return np.zeros((self._spec.image_px, self._spec.image_px, 3), np.uint8)
        self._renderer.update_scene(self._data, camera)
        return np.array(self._renderer.render())

    def stop(self) -> None:
        """Free the renderer."""
        self._stopped = True
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _require_running(self) -> None:
        if self._stopped:
            raise CellError(f"cell {self.cell_id!r} was stopped")

    def gripper(self) -> GripperState:
        """Where the gripper is and how it moves."""
        velocity = np.zeros(6)
        mujoco.mj_objectVelocity(self._model, self._data, mujoco.mjtObj.mjOBJ_BODY, self._hand, velocity, 0)
        rotation = np.zeros(3)
        mujoco.mju_quat2Vel(rotation, self._data.xquat[self._hand], 1.0)
        return GripperState(self._data.site_xpos[self._sites["grasp"]].copy(), rotation, velocity[3:], velocity[:3])

    def _in_view(self, points_m: np.ndarray) -> np.ndarray:
        seen = []
        for camera in self.cameras:
            pixels = (points_m @ camera.rotation.T + camera.translation_m) @ camera.intrinsics.T
            pixels = pixels[:, :2] / pixels[:, 2:]
            seen.append(((pixels >= 0) & (pixels <= [camera.width_px - 1, camera.height_px - 1])).all(axis=1))
        return np.stack(seen)


def _compile(spec: CableCellSpec, scene: Scene) -> mujoco.MjModel:
    world = build_world(scene.scene_seed, decoys=scene.decoys)
    text = f"""
<mujoco model="cable_cell">
 <compiler angle="degree"/>
 <option timestep="{TIMESTEP_S}" integrator="implicitfast" cone="elliptic" impratio="5"/>
 <visual>
  <global offwidth="960" offheight="960"/>
  <quality shadowsize="1024" offsamples="4" numslices="16" numstacks="8" numquads="2"/>
  <map znear=".05" zfar="20"/>
  <headlight ambient=".42 .42 .42" diffuse=".3 .3 .3" specular=".1 .1 .1"/>
 </visual>
 <statistic extent="0.4" center="0 0 0.05"/>
 <default>
  <geom solref="0.006 1" friction="{spec.cable.friction} .005 .0001"/>
  <default class="look"><geom contype="0" conaffinity="0" mass="0"/></default>
  <default class="socket"><geom contype="1" conaffinity="6" rgba=".3 .31 .34 1"/></default>
  <default class="plug"><geom contype="2" conaffinity="1" condim="3"/></default>
  <default class="cable"><geom contype="2" conaffinity="1" condim="3" rgba=".07 .07 .08 1"/></default>
  <default class="grip"><geom contype="4" conaffinity="1" mass="0"/></default>
 </default>
 <asset>{world.asset}</asset>
 <worldbody>{world.worldbody}{cable.socket(spec.cable)}{cable.gripper_with_cable(spec.cable)}</worldbody>
 <actuator>{cable.gantry_actuators()}</actuator>
</mujoco>"""
    return mujoco.MjModel.from_xml_string(text, assets=world.files)


def _renderer(model: mujoco.MjModel, image_px: int) -> mujoco.Renderer:
    try:
        return mujoco.Renderer(model, image_px, image_px)
    except Exception as error:  # whatever the GL loader throws means the same to a person
        raise PreflightError(
            f"cannot render: no working OpenGL ({error}); `s3k doctor` says what to install"
        ) from error


def _quaternion(rotation_rad: np.ndarray) -> np.ndarray:
    """Of a rotation vector; (w, x, y, z)."""
    angle, quaternion = float(np.linalg.norm(rotation_rad)), np.zeros(4)
    axis = rotation_rad / angle if angle else np.array([0.0, 0.0, 1.0])
    mujoco.mju_axisAngle2Quat(quaternion, axis, angle)
    return quaternion


def _angular_jacobian(angles_rad: np.ndarray) -> np.ndarray:
    """Maps rates of the intrinsic x-y-z hinges to angular velocity in the world, shape (3, 3)."""
    cx, sx, cy, sy = np.cos(angles_rad[0]), np.sin(angles_rad[0]), np.cos(angles_rad[1]), np.sin(angles_rad[1])
    return np.array([[1, 0, sy], [0, cx, -sx * cy], [0, sx, cx * cy]])
