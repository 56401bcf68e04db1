"""The cell of section 5, simulated: a parallel gripper over a table with a toy fox between two other toys."""

import time

import mujoco
import numpy as np

from actors.behaviours import HandState
from actors.sim.scenes import gripper
from actors.sim.scenes.gripper import FINGERS, HOME_M, REACH_M, SLIDES, SQUEEZE_N, STROKE_M, TURN_RAD, WRIST
from actors.sim.scenes.plush import PlushScene
from actors.sim.scenes.rig import Rig
from actors.sim.scenes.scene import Fragment
from actors.sim.scenes.studio import Studio
from actors.sim.scenes.toy import UNSEEN_GROUP
from s3k_dist.frames import MultiViewFrame, View

SERVO_STEPS = 5  # the set-point moves on every 10 ms
MAX_LEAD_M, MAX_LEAD_RAD = 0.02, 0.2  # the set-point stays this near the hand, or blocked motion would wind up
STILL_M_S, LOOK_S, CLOSING_S = 0.002, 0.05, 2.0


class HeldOver(PlushScene):
    """The toys, and a gripper above them."""

    def fragment(self) -> Fragment:
        """Toys and gripper."""
        return super().fragment() + gripper.gripper_fragment()


class PlushCell:
    """Implements ``Hand``, in simulated time.

    Args:
        size_px: side of the square images.
        seed: of the room, which stays as it is: table, light, cameras, the other toys' colours.
        cell_id: names its frames.
    """

    def __init__(self, size_px: int = 128, seed: int = 0, cell_id: str = "plush") -> None:
        self.cell_id, self._seed = cell_id, seed
        self._scene = HeldOver(seed=seed)
        self._studio = Studio(self._scene, size_px=size_px, seed=seed, rig=Rig())
        model = self._studio.model
        self._qpos = [model.joint(name).qposadr[0] for name in (*SLIDES, WRIST)]
        self._dofs = [model.joint(name).dofadr[0] for name in (*SLIDES, WRIST)]
        self._ctrl = [model.actuator(name).id for name in (*SLIDES, WRIST)]
        self._fingers = [model.joint(name).qposadr[0] for name in FINGERS]
        self._finger_speed = [model.joint(name).dofadr[0] for name in FINGERS]
        self._squeeze = [model.actuator(name).id for name in FINGERS]
        self._tick_s = SERVO_STEPS * model.opt.timestep
        self._sequence = 0
        self.reset(0)

    @property
    def keypoints(self) -> tuple[str, ...]:
        """Names, in the order of ``points_m``."""
        return self._scene.keypoints

    def reset(self, seed: int) -> None:
        """Arrange the toys anew; the gripper is at home, open."""
        room = np.random.default_rng((self._seed, 58))
        self._studio.arrange(np.random.default_rng((self._seed, 57, seed)), room=room)
        self._target = np.zeros(4)
        self._closed_m = 0.0  # each finger
        self.advance(np.zeros(6), self._tick_s)

    def observe(self) -> MultiViewFrame:
        """What the cameras see now."""
        now_ns = time.time_ns()
        shot = self._studio.look()
        views = tuple(View(camera, image, now_ns) for camera, image in zip(shot.cameras, shot.images, strict=True))
        self._sequence += 1
        return MultiViewFrame(self.cell_id, self._sequence - 1, now_ns, views)

    def points_m(self) -> np.ndarray:
        """True keypoints of the fox, shape (5, 3)."""
        return self._scene.points_m(self._studio.model, self._studio.data)

    def is_uncovered(self, point_m: np.ndarray) -> bool:
        """Whether the first thing of the fox or another toy that comes down on a point is the front right leg."""
        model, data = self._studio.model, self._studio.data
        groups = np.zeros(6, np.uint8)
        groups[UNSEEN_GROUP] = 1  # what toys touch with
        geom = np.zeros(1, np.int32)
        above = np.array([*point_m[:2], HOME_M[2]])
        mujoco.mj_ray(model, data, above, np.array([0.0, 0.0, -1.0]), groups, 1, -1, geom, None)
        return bool(geom[0] >= 0 and model.body(int(model.geom_bodyid[geom[0]])).name == "fox_right_front_leg")

    def state(self) -> HandState:
        """Of the gripper."""
        data = self._studio.data
        position = data.qpos[self._qpos]
        return HandState(HOME_M + position[:3], float(position[3]), float(STROKE_M - data.qpos[self._fingers].sum()))

    def advance(self, twist: np.ndarray, seconds: float) -> None:
        """Move the set-points with ``twist``, shape (6,), of which the wrist follows the last, for ``seconds``."""
        model, data = self._studio.model, self._studio.data
        velocity = np.array([*twist[:3], twist[5]])
        low = np.array([*(REACH_M[0] - HOME_M), -TURN_RAD])
        high = np.array([*(REACH_M[1] - HOME_M), TURN_RAD])
        lead = np.array([MAX_LEAD_M] * 3 + [MAX_LEAD_RAD])
        for _ in range(round(seconds / self._tick_s)):
            at = data.qpos[self._qpos]
            wanted = np.clip(self._target + self._tick_s * velocity - at, -lead, lead) + at
            self._target = np.clip(wanted, low, high)
            data.ctrl[self._ctrl] = self._target
            data.ctrl[self._squeeze] = self._closed_m
            mujoco.mj_step(model, data, nstep=SERVO_STEPS)
        mujoco.mj_forward(model, data)

    def grip(self, opening_m: float, force_n: float) -> float:
        """Open or close with at most ``force_n``, until the fingers rest."""
        self._closed_m = float(np.clip((STROKE_M - opening_m) / 2, 0, STROKE_M / 2))
        self._studio.model.actuator_forcerange[self._squeeze] = min(force_n, SQUEEZE_N) * np.array([-1, 1])
        passed_s = 0.0
        while passed_s < CLOSING_S:
            self.advance(np.zeros(6), LOOK_S)
            passed_s += LOOK_S
            if np.abs(self._studio.data.qvel[self._finger_speed]).max() < STILL_M_S:
                break
        return self.state().opening_m

    def stop(self) -> None:
        """Free the renderer."""
        self._studio.close()
