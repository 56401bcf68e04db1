"""Scripted behaviours on keypoints (section 5): motor primitives that read as what they do.

    fox = dict(zip(names, features.positions_m))
    grasp(hand, fox["right_paw"], towards=fox["body"])
    lift(hand, 0.15)

A hand is anything that moves with a twist and closes: a simulated cell, or a robot behind its gate (``RemoteHand``).
Every primitive ends: where it should, or with a ``BehaviourError`` that says how far it came.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from actors.robots.client import RobotClient
from s3k_dist.errors import BehaviourError

PERIOD_S = 0.1  # of control
RATE, TURN_RATE = 4.0, 4.0  # 1/s
SPEED_M_S, CARRY_M_S, DESCENT_M_S, TURN_RAD_S = 0.25, 0.1, 0.08, 1.5
GAIN_M_S2 = 0.5  # of speed, when it sets off
WITHIN_M, WITHIN_RAD = 0.004, 0.05
PATIENCE_S = 15.0
OPEN_M, EMPTY_M, SQUEEZE_N = 0.085, 0.006, 10.0  # more squeezes soft things out
FINGER_M = 0.006  # half their thickness
CLEAR_M = 0.06  # between a finger and the middle of what it shall not touch
MOST_TURN_DEG = 75  # from across: at 90 one finger would come down on the limb
DOWN = np.array([0.0, 0.0, -1.0])


@dataclass(frozen=True)
class HandState:
    """Where a hand is that looks down.

    Attributes:
        position_m: of the tool point, world frame, shape (3,).
        yaw_rad: about the vertical; at 0 the fingers close along the world's y.
        opening_m: between the fingers.
    """

    position_m: np.ndarray
    yaw_rad: float
    opening_m: float


class Hand(Protocol):
    """A gripper that can be moved."""

    def state(self) -> HandState:
        """Where it is now."""
        ...

    def advance(self, twist: np.ndarray, seconds: float) -> None:
        """Move with ``twist``, linear then angular velocity of the tool, shape (6,), m/s and rad/s, for so long."""
        ...

    def grip(self, opening_m: float, force_n: float) -> float:
        """Open or close; returns the opening at which the fingers came to rest."""
        ...


class RemoteHand:
    """Implements ``Hand`` with a robot behind its gate, in real time.

    Args:
        robot: a client of its driver; its limits hold whatever a behaviour wants.
    """

    def __init__(self, robot: RobotClient) -> None:
        self._robot = robot

    def state(self) -> HandState:
        """What the robot last said."""
        said = self._robot.state()
        return HandState(said.position_m, float(said.rotation_rad[2]), said.opening_m or 0.0)

    def advance(self, twist: np.ndarray, seconds: float) -> None:
        """Command it, and wait."""
        self._robot.command(twist)
        time.sleep(seconds)

    def grip(self, opening_m: float, force_n: float) -> float:
        """The robot's gripper."""
        return self._robot.grip(opening_m, force_n)


def go(
    hand: Hand,
    point_m: np.ndarray,
    yaw_rad: float | None = None,
    *,
    speed_m_s: float = SPEED_M_S,
    within_m: float = WITHIN_M,
    patience_s: float = PATIENCE_S,
) -> None:
    """Bring the tool point to a point, in a straight line.

    Args:
        hand: to move.
        point_m: where to, world frame, shape (3,).
        yaw_rad: to turn to on the way; None stays as it is turned.
        speed_m_s: at most.
        within_m: of the point is there.
        patience_s: with the way.

    Raises:
        BehaviourError: it is not there in time; says how far away it is.
    """
    passed_s = 0.0
    while True:
        state = hand.state()
        passed_s += PERIOD_S
        away, turn = point_m - state.position_m, 0.0 if yaw_rad is None else yaw_rad - state.yaw_rad
        distance = float(np.linalg.norm(away))
        if distance < within_m and abs(turn) < WITHIN_RAD:
            return
        if passed_s > patience_s:
            raise BehaviourError(
                f"still {1e3 * distance:.0f} mm and {np.degrees(abs(turn)):.0f} degrees away after {patience_s:.0f} s"
            )
        speed = min(speed_m_s, RATE * distance, GAIN_M_S2 * passed_s)
        twist = np.zeros(6)
        twist[:3] = speed * away / max(distance, 1e-9)
        twist[5] = np.clip(TURN_RATE * turn, -TURN_RAD_S, TURN_RAD_S)
        hand.advance(twist, PERIOD_S)


def approach(hand: Hand, point_m: np.ndarray, yaw_rad: float, *, above_m: float, speed_m_s: float = SPEED_M_S) -> None:
    """Rise where the hand is, go over to above a point, and turn; as ``go``."""
    height = max(float(hand.state().position_m[2]), float(point_m[2]) + above_m)
    go(hand, np.array([*hand.state().position_m[:2], height]), speed_m_s=speed_m_s)
    go(hand, np.array([*point_m[:2], height]), yaw_rad, speed_m_s=speed_m_s)
    go(hand, point_m - above_m * DOWN, yaw_rad, speed_m_s=speed_m_s)


def across(hand: Hand, direction_m: np.ndarray) -> float:
    """The yaw, radians, at which the fingers close across a direction; of two that do, the nearer to the hand's.

    Args:
        hand: that will turn.
        direction_m: world frame, shape (3,); its vertical part does not matter.
    """
    wanted = float(np.arctan2(direction_m[1], direction_m[0]))
    now = hand.state().yaw_rad
    return wanted - np.pi * round((wanted - now) / np.pi)


def clear_of(at_m: np.ndarray, yaw_rad: float, avoid_m: Sequence[np.ndarray]) -> float:
    """The yaw, radians, nearest to ``yaw_rad`` at which both open fingers come down clear of other parts of a thing.

    Args:
        at_m: between the fingers, world frame, shape (3,).
        yaw_rad: that is wanted.
        avoid_m: middles of the other parts, world frame, shape (3,) each. Where no yaw keeps ``CLEAR_M`` from all of
            them, it is the one that keeps the most.
    """
    if not avoid_m:
        return yaw_rad
    others = np.stack(avoid_m)[:, :2] - at_m[:2]
    turns = np.radians(sorted(range(-MOST_TURN_DEG, MOST_TURN_DEG + 1, 5), key=abs))
    best, room_m = yaw_rad, -1.0
    for yaw in yaw_rad + turns:
        finger = (OPEN_M / 2 + FINGER_M) * np.array([-np.sin(yaw), np.cos(yaw)])
        apart_m = min(float(np.linalg.norm(others - side * finger, axis=1).min()) for side in (1, -1))
        if apart_m >= CLEAR_M:
            return float(yaw)
        if apart_m > room_m:
            best, room_m = float(yaw), apart_m
    return best


def grasp(
    hand: Hand,
    at_m: np.ndarray,
    towards_m: np.ndarray,
    *,
    avoid_m: Sequence[np.ndarray] = (),
    below_m: float = 0.0,
    floor_m: float = -np.inf,
    above_m: float = 0.12,
    force_n: float = SQUEEZE_N,
) -> float:
    """Grasp from above at a keypoint, with the fingers across the direction to a second one.

    Args:
        hand: to grasp with.
        at_m: where, inside the thing, world frame, shape (3,).
        towards_m: a point of the thing that the fingers shall not close along, such as the middle of its body.
        avoid_m: middles of its other parts, on which no finger shall come down; the hand turns away from them.
        below_m: how far below the keypoint the tool point goes: what is round slips out of fingertips above its middle.
        floor_m: height of the tool point below which the fingers would touch the table.
        above_m: from where the hand comes down.
        force_n: of the fingers.

    Returns:
        The opening, metres, at which something stopped the fingers.

    Raises:
        BehaviourError: the hand cannot get there, or the fingers closed on nothing.
    """
    at_m = np.array([*at_m[:2], max(float(at_m[2]) - below_m, floor_m)])
    yaw = clear_of(at_m, across(hand, towards_m - at_m), avoid_m)
    hand.grip(OPEN_M, force_n)
    approach(hand, at_m, yaw, above_m=above_m)
    go(hand, at_m, yaw, speed_m_s=DESCENT_M_S)
    opening_m = hand.grip(0.0, force_n)
    if opening_m < EMPTY_M:
        raise BehaviourError(f"the fingers closed on nothing at {np.round(at_m, 3).tolist()}")
    return opening_m


def lift(hand: Hand, by_m: float) -> None:
    """Straight up; raises as ``go``."""
    go(hand, hand.state().position_m - by_m * DOWN, speed_m_s=DESCENT_M_S)


def place(hand: Hand, at_m: np.ndarray, *, above_m: float = 0.1) -> None:
    """Carry what is held over a point, put it down there, let go and rise; raises as ``go``."""
    yaw = hand.state().yaw_rad
    approach(hand, at_m, yaw, above_m=above_m, speed_m_s=CARRY_M_S)
    go(hand, at_m, yaw, speed_m_s=DESCENT_M_S, within_m=2 * WITHIN_M)
    hand.grip(OPEN_M, SQUEEZE_N)
    lift(hand, above_m)


def insert(
    hand: Hand,
    see: Callable[[], np.ndarray],
    *,
    into: np.ndarray = DOWN,
    seated_m: float = 0.025,
    hover_m: float = 0.01,
    speed_m_s: float = 0.03,
    patience_s: float = 30.0,
) -> None:
    """Put a plug into a socket by its keypoints, looking all the while: align above the opening, then push.

    Args:
        hand: that holds it.
        see: gives tip and base of the plug and the opening of the socket, world frame, shape (3, 3).
        into: direction of the hole, unit, shape (3,).
        seated_m: sum of the three distances between the keypoints at which it is in (section 6.2).
        hover_m: above the opening, while it is aligned.
        speed_m_s: of pushing.
        patience_s: with all of it.

    Raises:
        BehaviourError: it is not in by then; says how far the keypoints are apart.
    """
    passed_s, apart_m = 0.0, np.inf
    while passed_s <= patience_s:
        tip, base, opening = see()
        apart_m = float(sum(np.linalg.norm(a - b) for a, b in ((tip, base), (tip, opening), (base, opening))))
        if apart_m < seated_m:
            return
        axis = (tip - base) / np.linalg.norm(tip - base)
        depth = float((tip - opening) @ into)
        aside = (tip - opening) - depth * into
        turn = np.cross(axis, into)
        ready = np.linalg.norm(aside) < 0.0025 and np.linalg.norm(turn) < 0.2
        ahead = speed_m_s if ready or depth > 0.002 else np.clip(-hover_m - depth, -speed_m_s, speed_m_s)
        # A tip that is inside is seen at the opening: then it is the base that says which way to go.
        inside = np.linalg.norm(tip - opening) < 1e-3
        if inside:
            aside = (base - opening) - ((base - opening) @ into) * into
            ahead = speed_m_s
        linear = np.clip(-2.5 * aside + ahead * into, -speed_m_s, speed_m_s)
        angular = 1.5 * np.cross((opening - base) / np.linalg.norm(opening - base) if inside else axis, into)
        lever = tip - hand.state().position_m
        hand.advance(np.concatenate([linear - np.cross(angular, lever), angular]), PERIOD_S)
        passed_s += PERIOD_S
    raise BehaviourError(f"not inserted after {patience_s:.0f} s: the keypoints are {1e3 * apart_m:.0f} mm apart")
