"""Where the cameras' world is in the robot's base: by a board on the gripper, or by touching points that are seen.

Hand-eye: in every set ``tool_to_base @ board_to_tool = base_from_world @ board_to_world``; the first factor is the
robot's, the last the cameras', the two between are constant and unknown. A closed form for the rotations (Shah 2013),
then for the translations, then least squares on where the board's outer corners are, in metres: what a gripper will be
off by. A robot that only moves, or turns about one axis, leaves the answer open however small the residual is.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from s3k_dist.calibration.pose import Pose, fit_points
from s3k_dist.calibration.verdict import Finding, Level, Limit
from s3k_dist.drift.pose_fit import HUBER
from s3k_dist.errors import CalibrationError
from s3k_dist.geometry.rotation import cross, rotation_vector

MIN_POSES = 3
STEPS = 30
OUTLIER, OUTLIER_MM = 4.0, 2.0  # times the median pose's residual, and at least so much

POSES = Limit(10, 5)
SPREAD_DEG = Limit(12.0, 5.0)
RESIDUAL_MM = Limit(1.0, 3.0, least=False)
EXPECTED_MM = Limit(0.7, 2.0, least=False)
TOUCHES = Limit(4, 3)
REACH_M = Limit(0.1, 0.03)
SCALE = Limit(0.005, 0.02, least=False)


@dataclass(frozen=True, eq=False)
class Registered:
    """Where the world is in the robot's base.

    Attributes:
        base_from_world: the registration.
        residual_mm: what is left of each pose's board, or of each touched point, by its name.
        left_out: poses that contradict the others, with what they are off by, millimetres.
        expected_mm: error to expect where the poses, or points, were.
        findings: what is wrong with it, the worst first; none if all is good.
    """

    base_from_world: Pose
    residual_mm: Mapping[str, float]
    left_out: Mapping[str, float]
    expected_mm: float
    findings: tuple[Finding, ...]

    @property
    def level(self) -> Level:
        """Good, usable or bad."""
        return self.findings[0].level if self.findings else Level.GOOD

    @property
    def rms_mm(self) -> float:
        """Of the residuals."""
        return float(np.sqrt(np.mean(np.square(list(self.residual_mm.values())))))


def hand_eye(tools: Mapping[str, Pose], boards: Mapping[str, Pose], board_size_m: tuple[float, float]) -> Registered:
    """From a board that the gripper holds.

    Args:
        tools: tool to base, by set, as the robot says.
        boards: board to world, by set, as the cameras say.
        board_size_m: width and height of the board.

    Raises:
        CalibrationError: fewer than three sets have both.
    """
    names = [name for name in tools if name in boards]
    if len(names) < MIN_POSES:
        raise CalibrationError(
            f"{len(names)} sets have the robot's pose and show the board; it takes {POSES.usable:.0f}, "
            f"at the very least {MIN_POSES}"
        )
    width, height = board_size_m
    corners = np.array([[0, 0, 0], [width, 0, 0], [0, height, 0], [width, height, 0]])
    spread = rotation_spread_deg([tools[name] for name in names])
    left_out: dict[str, float] = {}
    while True:
        fit = _fit(names, tools, boards, corners)
        worst = max(names, key=lambda name: fit.residual_mm[name])
        limit = max(OUTLIER * float(np.median(list(fit.residual_mm.values()))), OUTLIER_MM)
        if fit.residual_mm[worst] <= limit or len(names) <= MIN_POSES + 1:
            break
        left_out[worst] = fit.residual_mm[worst]
        names = [name for name in names if name != worst]
    rms = float(np.sqrt(np.mean(np.square(list(fit.residual_mm.values())))))
    checks = [
        (POSES, len(names), f"{len(names)} poses of the robot were used", "Take more: 15 are plenty"),
        (
            SPREAD_DEG,
            spread,
            f"between the poses the gripper turned by {spread:.0f} degrees only (about the second of its axes)",
            "Turn the wrist by 30 degrees or more about two axes at least: without that, where the board sits in the "
            "gripper and where the cameras stand cannot be told apart",
        ),
        (
            RESIDUAL_MM,
            rms,
            f"robot and cameras disagree by {rms:.1f} mm (RMS)",
            "Check that the board is fixed firmly to the gripper, the robot stands still while images are taken, and "
            "its pose is of the same moment",
        ),
        (
            EXPECTED_MM,
            fit.expected_mm,
            f"points will be off by {fit.expected_mm:.1f} mm in the robot's base",
            "More poses, turned further and spread over the workspace",
        ),
    ]
    return Registered(fit.base_from_world, fit.residual_mm, left_out, fit.expected_mm, _findings(checks))


def from_touches(tool_m: np.ndarray, seen_m: np.ndarray) -> Registered:
    """From points that the tool touched.

    Args:
        tool_m: where the tool was, robot base, shape (N, 3).
        seen_m: the same points by the cameras, world, shape (N, 3).

    Raises:
        CalibrationError: fewer than three points, or all on a line.
    """
    pose, left_m = fit_points(seen_m, tool_m)
    count = len(tool_m)
    spread = [np.linalg.norm(points - points.mean(0)) for points in (seen_m, tool_m)]
    scale = float(abs(spread[0] / spread[1] - 1))
    reach = float(np.linalg.svd(tool_m - tool_m.mean(0), compute_uv=False)[1] / np.sqrt(count)) * 2
    rms = 1e3 * float(np.sqrt((left_m**2).mean()))
    # Three points leave three numbers to judge them by; each further one three more.
    expected = rms * np.sqrt(3 * count / (3 * count - 6)) * np.sqrt(6 / (3 * count))
    checks = [
        (TOUCHES, count, f"{count} points were touched", "Touch 6 or more, over the whole workspace"),
        (
            REACH_M,
            reach,
            f"the points lie within {100 * reach:.0f} cm across their longest line",
            "Touch points that span the workspace in two directions at least",
        ),
        (
            RESIDUAL_MM,
            rms,
            f"robot and cameras disagree by {rms:.1f} mm (RMS)",
            "Touch each point with the very tip of the tool, and check the tool's length in the robot's settings",
        ),
        (
            SCALE,
            scale,
            f"by the cameras the points are {scale:.1%} nearer or farther from each other than by the robot",
            "Measure the printed squares: the board's file has to say their true size",
        ),
    ]
    residual = {str(number): 1e3 * float(each) for number, each in enumerate(left_m)}
    return Registered(pose, residual, {}, float(expected), _findings(checks))


def rotation_spread_deg(poses: list[Pose]) -> float:
    """How far poses are turned from each other about the second of their axes, standard deviation."""
    vectors = np.array([rotation_vector(pose.rotation @ poses[0].rotation.T) for pose in poses])
    values = np.linalg.eigvalsh(np.cov(vectors.T)) if len(poses) > 1 else np.zeros(3)
    return float(np.degrees(np.sqrt(max(values[1], 0))))


@dataclass(frozen=True, eq=False)
class _Fit:
    base_from_world: Pose
    residual_mm: dict[str, float]
    expected_mm: float


def _fit(names: list[str], tools: Mapping[str, Pose], boards: Mapping[str, Pose], corners_m: np.ndarray) -> _Fit:
    world_from_base, board_to_tool = _closed_form([tools[n] for n in names], [boards[n] for n in names])
    seen = np.stack([boards[name].apply(corners_m) for name in names])
    for _ in range(STEPS):
        held = board_to_tool.apply(corners_m)
        carried = [world_from_base @ tools[name] for name in names]
        expected = np.stack([pose.apply(held) for pose in carried])
        off = seen - expected
        by_world = np.concatenate([-cross(expected), np.broadcast_to(np.eye(3), (*expected.shape, 3))], -1)
        by_tool = np.concatenate([-cross(held), np.broadcast_to(np.eye(3), (*held.shape, 3))], -1)
        by_tool = np.stack([pose.rotation @ by_tool for pose in carried])
        slopes = np.concatenate([by_world, by_tool], -1).reshape(len(names), -1, 12)
        lengths = np.sqrt((off**2).sum(-1).mean(-1))
        weights = np.minimum(1, HUBER * max(float(np.median(lengths)), 1e-12) / np.maximum(lengths, 1e-12))
        normal = np.einsum("s,sni,snj->ij", weights, slopes, slopes)
        gradient = np.einsum("s,sni,sn->si", weights, slopes, off.reshape(len(names), -1))
        step = np.linalg.lstsq(normal, gradient.sum(0), rcond=1e-12)[0]
        world_from_base, board_to_tool = world_from_base.nudged(step[:6]), board_to_tool.nudged(step[6:])
        if np.abs(step).max() < 1e-12:
            break
    # Errors of a set's four corners are one error: the covariance is from how the sets' gradients scatter.
    inverse = np.linalg.pinv(normal, rcond=1e-12, hermitian=True)
    scatter = gradient.T @ gradient * len(names) / max(len(names) - 2, 1)
    of_world = (inverse @ scatter @ inverse)[:6, :6]
    middle = expected.mean((0, 1))
    by_pose = np.concatenate([-cross(middle), np.eye(3)], -1)
    return _Fit(
        world_from_base.inverse(),
        {name: 1e3 * float(length) for name, length in zip(names, lengths, strict=True)},
        1e3 * float(np.sqrt(np.trace(by_pose @ of_world @ by_pose.T))),
    )


def _closed_form(tools: list[Pose], boards: list[Pose]) -> tuple[Pose, Pose]:
    """World from base, and board to tool."""
    # T X = Y B, column-wise: (I kron T) vec X - (B^T kron I) vec Y = 0.
    rows = [
        np.concatenate([np.kron(np.eye(3), t.rotation), -np.kron(b.rotation.T, np.eye(3))], 1)
        for t, b in zip(tools, boards, strict=True)
    ]
    solved = np.linalg.svd(np.concatenate(rows))[2][-1]
    X, Y = solved[:9].reshape(3, 3).T, solved[9:].reshape(3, 3).T
    sign = np.sign(np.linalg.det(Y)) or 1.0
    X, Y = _nearest_rotation(sign * X), _nearest_rotation(sign * Y)
    left = np.concatenate([np.concatenate([t.rotation, -np.eye(3)], 1) for t in tools])
    right = np.concatenate([Y @ b.translation_m - t.translation_m for t, b in zip(tools, boards, strict=True)])
    moves = np.linalg.lstsq(left, right, rcond=None)[0]
    return Pose(Y, moves[3:]).inverse(), Pose(X, moves[:3])


def _nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    left, _, right = np.linalg.svd(matrix)
    return np.asarray(left @ np.diag([1, 1, np.sign(np.linalg.det(left @ right))]) @ right)


def _findings(checks: list[tuple[Limit, float, str, str]]) -> tuple[Finding, ...]:
    found = [
        Finding(level, "robot", fault, advice)
        for limit, value, fault, advice in checks
        if (level := limit.level(value)) is not Level.GOOD
    ]
    return tuple(sorted(found, key=lambda finding: finding.level is not Level.BAD))
