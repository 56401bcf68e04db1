"""A parallel gripper on a gantry, as MJCF: three slides, a wrist that turns about the vertical, two fingers.

Its fingers are as long and open as wide as those of a Robotiq 2F-85 (App. C). The point between the fingertips is the
tool point: the site ``tool``.
"""

import numpy as np

from actors.sim.scenes.scene import Fragment

STROKE_M = 0.085
TIP_M = 0.012  # of the fingers, below the tool point
FINGER_M = (0.012, 0.006, 0.04)  # half sizes; the thin side is across
HOME_M = np.array([0.0, 0.0, 0.45])
REACH_M = np.array([[-0.4, -0.4, 0.015], [0.4, 0.4, 0.6]])
TURN_RAD = 3.5
SLIDES = ("hand_x", "hand_y", "hand_z")
WRIST, FINGERS = "hand_yaw", ("finger_left", "finger_right")
SQUEEZE_N = 40.0

_AXES = dict(zip(SLIDES, ("1 0 0", "0 1 0", "0 0 1"), strict=True))


def gripper_fragment() -> Fragment:
    """Bodies, joints and actuators; at its home, open."""
    slides = "".join(f'<joint name="{name}" type="slide" axis="{axis}"/>' for name, axis in _AXES.items())
    wrist = f'<joint name="{WRIST}" type="hinge" axis="0 0 1" armature="0.01"/>'
    middle = FINGER_M[2] - TIP_M
    fingers = "".join(
        f'<body name="{name}" pos="0 {side * (STROKE_M / 2 + FINGER_M[1]):.4f} {middle}" gravcomp="1">'
        f'<joint name="{name}" type="slide" axis="0 {-side} 0" range="0 {STROKE_M / 2}" solreflimit=".004 1"/>'
        f'<geom type="box" size="{" ".join(map(str, FINGER_M))}" mass="0.08" contype="4" conaffinity="3" condim="4" '
        'friction="1.5 .05 .001" rgba=".16 .17 .19 1"/></body>'
        for name, side in zip(FINGERS, (1, -1), strict=True)
    )
    palm = middle + FINGER_M[2]
    looks = (
        f'<geom class="look" type="box" size=".03 .07 .012" pos="0 0 {palm + 0.012}" rgba=".2 .2 .22 1"/>'
        f'<geom class="look" type="cylinder" size=".038 .03" pos="0 0 {palm + 0.054}" rgba=".75 .76 .78 1"/>'
        f'<geom class="look" type="cylinder" size=".042 .02" pos="0 0 {palm + 0.104}" rgba=".55 .1 .1 1"/>'
        f'<geom class="look" type="capsule" fromto="0 0 {palm + 0.12} .1 .06 {palm + 0.3}" size=".04" '
        'rgba=".55 .1 .1 1"/>'
    )
    home = " ".join(map(str, HOME_M))
    body = (
        f'<body name="hand" pos="{home}" gravcomp="1"><inertial pos="0 0 0.1" mass="1" diaginertia="5e-3 5e-3 5e-3"/>'
        f'{slides}{wrist}{looks}{fingers}<site name="tool" size=".001" rgba="0 0 0 0"/></body>'
    )
    servo = 'kp="4000" kv="130" forcerange="-80 80"'
    actuators = "".join(f'<position name="{name}" joint="{name}" {servo}/>' for name in SLIDES)
    actuators += f'<position name="{WRIST}" joint="{WRIST}" kp="40" kv="1.5" forcerange="-8 8"/>'
    squeeze = f'kp="3000" kv="60" forcerange="{-SQUEEZE_N} {SQUEEZE_N}"'
    actuators += "".join(f'<position name="{name}" joint="{name}" {squeeze}/>' for name in FINGERS)
    return Fragment("", body, actuator=actuators)
