"""Kinematics of an arm from its own URDF: where its tool is, and which joint velocities move it as asked."""

import xml.etree.ElementTree as ET  # nosec B405  # see below what is refused

import mujoco
import numpy as np

from s3k_dist.errors import ConfigError

SHAPES = ("visual", "collision", "inertial", "transmission", "gazebo")
DAMPING = 0.02  # metres and radians; near a singularity the joints keep finite speeds


class Arm:
    """A chain of joints up to a tool point.

    Args:
        urdf: text of the description; meshes and masses are not looked at.
        joints: names of the joints that move it, from the base on.
        tip: link that carries the tool.
        tool_m: tool point in the frame of ``tip``, shape (3,).

    Attributes:
        joints: their names.
        speed_limit: of each joint, rad/s, as the description says.

    Raises:
        ConfigError: the text is no URDF, or lacks a joint or the link; says what it has.
    """

    def __init__(self, urdf: str, joints: tuple[str, ...], tip: str, tool_m: np.ndarray) -> None:
        self.joints = joints
        if "<!DOCTYPE" in urdf:  # a robot's controller sends it, and entities are what harms a parser of XML
            raise ConfigError("the robot's description declares a document type, which no URDF does")
        try:
            root = ET.fromstring(urdf)  # nosec B314  # no document type, so no entities
        except ET.ParseError as error:
            raise ConfigError(f"the robot's description is no URDF: {error}") from error
        limits = {
            str(joint.get("name")): joint.find("limit")
            for joint in root.iter("joint") if joint.find("parent") is not None
        }  # fmt: skip
        links = [link.get("name") for link in root.iter("link")]
        if missing := [joint for joint in joints if joint not in limits]:
            raise ConfigError(f"the robot's description has no joint {', '.join(missing)}; it has {sorted(limits)}")
        if tip not in links:
            raise ConfigError(f"the robot's description has no link {tip}; it has {links}")
        self.speed_limit = np.array([_speed(limits[joint]) for joint in joints])
        self._model = mujoco.MjModel.from_xml_string(_bare(root))
        self._data = mujoco.MjData(self._model)
        self._qpos = [self._model.joint(joint).qposadr[0] for joint in joints]
        self._dofs = [self._model.joint(joint).dofadr[0] for joint in joints]
        self._tip = self._model.body(tip).id
        self._tool_m = np.asarray(tool_m, float)

    def at(self, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tool point, shape (3,), rotation of the tip, (3, 3), and Jacobian, (6, joints), in the base frame.

        Args:
            angles: of the joints, radians, shape (joints,).
        """
        self._data.qpos[self._qpos] = angles
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        rotation = self._data.xmat[self._tip].reshape(3, 3).copy()
        point = self._data.xpos[self._tip] + rotation @ self._tool_m
        linear, angular = np.zeros((3, self._model.nv)), np.zeros((3, self._model.nv))
        mujoco.mj_jac(self._model, self._data, linear, angular, point, self._tip)
        return point, rotation, np.concatenate([linear, angular])[:, self._dofs]

    def speeds(self, angles: np.ndarray, twist: np.ndarray) -> np.ndarray:
        """Joint velocities, rad/s, shape (joints,), for a twist of the tool point, damped least squares.

        If one would be faster than its joint may be, all are slowed down alike: the tool keeps its direction.
        """
        _, _, jacobian = self.at(angles)
        speeds = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + DAMPING**2 * np.eye(6), twist)
        return np.asarray(speeds / max(1.0, float(np.max(np.abs(speeds) / self.speed_limit))))


def _speed(limit: ET.Element | None) -> float:
    return float("inf") if limit is None else float(limit.get("velocity", "inf"))


def _bare(root: ET.Element) -> str:
    """The description without what has no part in kinematics; every link stays a body, with a token mass."""
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag in SHAPES]:
            parent.remove(child)
    compiler = {"fusestatic": "false", "boundmass": "0.001", "boundinertia": "0.000001"}
    ET.SubElement(ET.SubElement(root, "mujoco"), "compiler", compiler)
    return ET.tostring(root, encoding="unicode")
