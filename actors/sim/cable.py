"""MJCF of the task: a gripper that holds a flexible cable with a plug, and a socket. Metres, kilograms, seconds.

The plug hangs along the hand's -z. Its pin is 18 mm long; the body behind it 22 mm. The cable is a chain of hinges: for
a held cable that is faster than a flex.
"""

from dataclasses import dataclass

import mujoco
import numpy as np

PIN_RADIUS_M, PIN_LENGTH_M = 0.0025, 0.018
BODY_RADIUS_M, BODY_LENGTH_M = 0.0045, 0.022
SOCKET_HEIGHT_M, HOLE_DEPTH_M = 0.030, 0.020
BASE_OFFSET_M = 0.013  # of the keypoint "plug base", marked by a white ring, behind the shoulder of the pin
CABLE_LINKS = 10
SOCKET_SIDES = 8
MOUTH_RADIUS_M = 0.0062  # of the funnel


@dataclass(frozen=True)
class CableSpec:
    """What makes the task easy or hard.

    Attributes:
        free_length_m: cable between the fingers and the plug.
        bending_stiffness: EI, N m^2; 6e-4 sags 18 mm when held level.
        clearance_m: radial, between pin and hole.
        friction: of everything that touches.
        hole_tilt_rad: of the hole from the vertical, towards +x; pi / 2 is a horizontal hole.
    """

    free_length_m: float = 0.05
    bending_stiffness: float = 6e-4
    clearance_m: float = 0.0012
    friction: float = 0.15
    hole_tilt_rad: float = 0.0


def gripper_with_cable(spec: CableSpec) -> str:
    """A gantry (3 slides, 3 hinges) that carries the hand, and the cable in its fingers."""
    joints = "".join(f'<joint name="g{axis}" type="slide" axis="{unit}"/>' for axis, unit in _AXES)
    joints += "".join(f'<joint name="r{axis}" type="hinge" axis="{unit}" armature="2e-3"/>' for axis, unit in _AXES)
    return (
        '<body name="gantry" gravcomp="1"><inertial pos="0 0 0" mass="1" diaginertia="1e-3 1e-3 1e-3"/>'
        f'{joints}<body name="hand" gravcomp="1">{_HAND}{_cable(spec)}</body></body>'
    )


def gantry_actuators(stiffness: float = 2000.0, max_force_n: float = 20.0, max_torque_nm: float = 1.0) -> str:
    """Critically damped position servos with bounded force, as a compliant arm has."""
    damping = 2 * np.sqrt(stiffness)
    turn, turn_damping = 4.0, 2 * np.sqrt(4.0 * 4e-3)
    return "".join(
        f'<position joint="g{axis}" kp="{stiffness}" kv="{damping}" forcerange="{-max_force_n} {max_force_n}"/>'
        for axis, _ in _AXES
    ) + "".join(
        f'<position joint="r{axis}" kp="{turn}" kv="{turn_damping}" forcerange="{-max_torque_nm} {max_torque_nm}"/>'
        for axis, _ in _AXES
    )


def socket(spec: CableSpec) -> str:
    """A mocap body: housing, and a ring of boxes with tilted plates as a funnel around the hole.

    Its site ``opening`` is the centre of the opening; the hole runs along the body's -z.
    """
    return (
        '<body name="socket" mocap="true">'
        + _ring(PIN_RADIUS_M + spec.clearance_m)
        + f'<geom type="cylinder" class="socket" size=".0105 {(SOCKET_HEIGHT_M - HOLE_DEPTH_M) / 2}" '
        f'pos="0 0 {(SOCKET_HEIGHT_M - HOLE_DEPTH_M) / 2}"/>'
        '<geom type="box" class="socket" size=".026 .02 .005" pos="0 0 .005" material="label2" rgba="1 1 1 1"/>'
        # Four sides, not a plate: the hole goes through.
        + "".join(
            f'<geom type="box" class="socket" size="{size} .004" pos="{place} .013" material="white" rgba="1 1 1 1"/>'
            for size, place in (
                (".0033 .0165", ".0132 0"),
                (".0033 .0165", "-.0132 0"),
                (".01 .0033", "0 .0132"),
                (".01 .0033", "0 -.0132"),
            )
        )
        + '<geom type="cylinder" class="look" size=".0025 .001" pos=".021 .014 .0105" material="steel"/>'
        '<geom type="cylinder" class="look" size=".0025 .001" pos="-.021 -.014 .0105" material="steel"/>'
        '<geom type="cylinder" class="look" size=".002 .0016" pos=".021 -.014 .0108" rgba=".1 .8 .2 1"/>'
        f'<site name="opening" pos="0 0 {SOCKET_HEIGHT_M}" size=".001" rgba="0 0 0 0"/></body>'
    )


_AXES = (("x", "1 0 0"), ("y", "0 1 0"), ("z", "0 0 1"))

# Two-finger parallel gripper, wrist and forearm; only the fingers can touch.
_HAND = """
<geom class="grip" type="box" size=".007 .004 .02" pos="0 .0065 .014" material="dark"/>
<geom class="grip" type="box" size=".007 .004 .02" pos="0 -.0065 .014" material="dark"/>
<geom class="look" type="box" size=".0075 .0015 .008" pos="0 .011 .006" rgba=".25 .3 .36 1"/>
<geom class="look" type="box" size=".0075 .0015 .008" pos="0 -.011 .006" rgba=".25 .3 .36 1"/>
<geom class="look" type="box" size=".009 .006 .016" pos="0 .021 .04" euler="24 0 0" material="steel"/>
<geom class="look" type="box" size=".009 .006 .016" pos="0 -.021 .04" euler="-24 0 0" material="steel"/>
<geom class="look" type="box" size=".02 .036 .017" pos="0 0 .064" rgba=".16 .17 .19 1"/>
<geom class="look" type="box" size=".0205 .014 .006" pos="0 0 .066" rgba=".75 .5 .1 1"/>
<geom class="look" type="cylinder" size=".03 .008" pos="0 0 .089" material="steel"/>
<geom class="look" type="cylinder" size=".026 .03" pos="0 0 .127" rgba=".62 .1 .1 1"/>
<geom class="look" type="capsule" fromto="0 0 .15 .09 .05 .26" size=".03" rgba=".2 .2 .22 1"/>
<site name="grasp" size=".001" rgba="0 0 0 0"/>
"""


def _cable(spec: CableSpec) -> str:
    link = spec.free_length_m / CABLE_LINKS
    stiffness = spec.bending_stiffness / link
    spring = f'stiffness="{stiffness}" damping="{0.03 * stiffness}" armature="1e-6"'
    opened = ""
    for index in range(CABLE_LINKS):
        offset = 0 if index == 0 else -link
        opened += (
            f'<body name="link{index}" pos="0 0 {offset}">'
            f'<joint name="cx{index}" axis="1 0 0" {spring}/><joint name="cy{index}" axis="0 1 0" {spring}/>'
            f'<geom class="cable" type="capsule" fromto="0 0 0 0 0 {-link}" size=".002" mass="{0.02 * link}"/>'
        )
    return opened + _plug(link) + "</body>" * CABLE_LINKS


def _plug(link: float) -> str:
    tip = -BODY_LENGTH_M - PIN_LENGTH_M
    return f"""
<body name="plug" pos="0 0 {-link}">
 <geom class="plug" type="cylinder" size="{BODY_RADIUS_M} {BODY_LENGTH_M / 2}" pos="0 0 {-BODY_LENGTH_M / 2}"
   mass=".005" rgba=".78 .12 .1 1"/>
 <geom class="look" type="cylinder" size=".0047 .0016" pos="0 0 {BASE_OFFSET_M - BODY_LENGTH_M}" rgba=".92 .92 .9 1"/>
 <geom class="look" type="cylinder" size=".0034 .003" pos="0 0 .002" rgba=".07 .07 .07 1"/>
 <geom class="plug" type="capsule" fromto="0 0 {-BODY_LENGTH_M} 0 0 {tip + PIN_RADIUS_M}" size="{PIN_RADIUS_M}"
   mass=".002" rgba=".85 .74 .35 1"/>
 <geom class="look" type="cylinder" size=".00255 .0006" pos="0 0 {-BODY_LENGTH_M - 0.008}" rgba=".1 .1 .1 1"/>
 <geom class="look" type="cylinder" size=".00255 .0006" pos="0 0 {-BODY_LENGTH_M - 0.0125}" rgba=".1 .1 .1 1"/>
 <site name="base" pos="0 0 {BASE_OFFSET_M - BODY_LENGTH_M}" size=".001" rgba="0 0 0 0"/>
 <site name="tip" pos="0 0 {tip}" size=".001" rgba="0 0 0 0"/>
</body>"""


def _ring(radius: float, outer: float = 0.0105) -> str:
    # The plug's shoulder comes to rest in the funnel: with one mouth for all, a tighter hole is no shallower.
    chamfer = MOUTH_RADIUS_M - radius
    text, thickness, height = "", outer - radius, HOLE_DEPTH_M - chamfer
    half_width = outer * np.tan(np.pi / SOCKET_SIDES) * 1.02
    face_width = (radius + chamfer) * np.tan(np.pi / SOCKET_SIDES) * 1.05
    plate, length = 0.0015, chamfer / np.sqrt(2)
    # Centre of a funnel plate: half its thickness behind the middle of the 45 degree face.
    face_r = radius + chamfer / 2 + plate / np.sqrt(2)
    face_z = SOCKET_HEIGHT_M - chamfer / 2 - plate / np.sqrt(2)
    for side in range(SOCKET_SIDES):
        angle = 2 * np.pi * side / SOCKET_SIDES
        c, s = np.cos(angle), np.sin(angle)
        middle, z = radius + thickness / 2, SOCKET_HEIGHT_M - chamfer - height / 2
        text += (
            f'<geom class="socket" type="box" size="{thickness / 2} {half_width} {height / 2}" '
            f'pos="{middle * c} {middle * s} {z}" euler="0 0 {np.degrees(angle)}"/>'
        )
        about_z, about_y, turn = np.zeros(4), np.zeros(4), np.zeros(4)
        mujoco.mju_axisAngle2Quat(about_z, np.array([0, 0, 1.0]), angle)
        mujoco.mju_axisAngle2Quat(about_y, np.array([0, 1.0, 0]), -np.pi / 4)
        mujoco.mju_mulQuat(turn, about_z, about_y)
        text += (
            f'<geom class="socket" type="box" size="{length} {face_width} {plate}" '
            f'pos="{face_r * c} {face_r * s} {face_z}" quat="{turn[0]} {turn[1]} {turn[2]} {turn[3]}"/>'
        )
    return text
