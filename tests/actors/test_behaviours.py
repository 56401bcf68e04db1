"""Behaviours: a fox lifted by its paw, a plug inserted by its keypoints, and what is said when it does not work."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.behaviours import (
    CLEAR_M,
    EMPTY_M,
    FINGER_M,
    MOST_TURN_DEG,
    OPEN_M,
    HandState,
    RemoteHand,
    across,
    approach,
    clear_of,
    go,
    grasp,
    insert,
    lift,
    place,
)
from actors.robots.client import RobotClient
from actors.robots.gated import GatedRobot
from actors.robots.server import RobotServer
from actors.robots.simulated import SimulatedRobot
from actors.sim.cell import CableCell, CableCellSpec
from actors.sim.demonstrate import unrendered_cell
from actors.sim.plush_cell import PlushCell
from actors.sim.scenes.gripper import HOME_M, STROKE_M
from s3k_dist.errors import BehaviourError
from tests.actors.test_robots import LIMITS

RIGHT_PAW, BODY = 2, 3
FLOOR_M = 0.016
ROOM_M = 0.15


@pytest.fixture(scope="module")
def cell() -> Iterator[PlushCell]:
    cell = PlushCell(size_px=32)
    yield cell
    cell.stop()


def on_its_belly(cell: PlushCell) -> np.ndarray:
    """The keypoints of an arrangement in which the paw can be grasped."""
    for seed in range(20):
        cell.reset(seed)
        points = cell.points_m()
        if points[RIGHT_PAW, 2] < 0.04 and points[BODY, 2] < 0.06:
            return points
    raise AssertionError


def test_the_fox_is_lifted_by_its_paw_and_put_down_elsewhere(cell: PlushCell) -> None:
    before = on_its_belly(cell)
    opening_m = grasp(cell, before[RIGHT_PAW], before[BODY], floor_m=FLOOR_M)
    assert EMPTY_M < opening_m < 0.06
    lift(cell, 0.2)
    held = cell.points_m()
    assert held[RIGHT_PAW, 2] > before[RIGHT_PAW, 2] + 0.15
    assert held[BODY, 2] > before[BODY, 2] + 0.05
    there = np.array([-0.1, 0.1, 0.05])
    place(cell, there)
    cell.advance(np.zeros(6), 1.0)
    down = cell.points_m()
    assert down[BODY, 2] < 0.08
    assert np.linalg.norm(down[RIGHT_PAW, :2] - there[:2]) < ROOM_M
    assert cell.state().opening_m == pytest.approx(STROKE_M, abs=0.003)


def test_fingers_that_close_on_nothing_say_so(cell: PlushCell) -> None:
    cell.reset(0)
    with pytest.raises(BehaviourError, match=r"closed on nothing at \[0\.0, 0\.0, 0\.4\]"):
        grasp(cell, np.array([0.0, 0.0, 0.4]), np.array([0.1, 0.0, 0.4]), above_m=0.05)


def test_a_place_out_of_reach_is_given_up(cell: PlushCell) -> None:
    cell.reset(0)
    with pytest.raises(BehaviourError, match=r"still 3\d\d mm and 0 degrees away after 4 s"):
        go(cell, np.array([0.75, 0.0, 0.45]), patience_s=4.0)


def test_frames_show_the_toys_from_where_the_cameras_stay(cell: PlushCell) -> None:
    cell.reset(0)
    first = cell.observe()
    cell.reset(1)
    second = cell.observe()
    assert (second.sequence, second.frame_id) == (first.sequence + 1, f"plush/{second.sequence:08d}")
    for before, after in zip(first.views, second.views, strict=True):
        np.testing.assert_array_equal(before.camera.rotation, after.camera.rotation)
        assert (before.image != after.image).any()


class Still:
    """A hand that only remembers."""

    def __init__(self, yaw_rad: float = 0.0) -> None:
        self.at = HandState(HOME_M.copy(), yaw_rad, STROKE_M)
        self.lowest_m = np.inf

    def state(self) -> HandState:
        return self.at

    def advance(self, twist: np.ndarray, seconds: float) -> None:
        self.at = HandState(self.at.position_m + seconds * twist[:3], self.at.yaw_rad + seconds * twist[5], STROKE_M)
        self.lowest_m = min(self.lowest_m, self.at.position_m[2])

    def grip(self, opening_m: float, force_n: float) -> float:
        return opening_m


@pytest.mark.parametrize("yaw", [-3.0, -1.0, 0.0, 2.5])
@pytest.mark.parametrize("heading", [-2.0, 0.3, 1.5, 3.1])
def test_the_fingers_turn_across_a_limb_by_a_quarter_at_most(yaw: float, heading: float) -> None:
    direction = np.array([np.cos(heading), np.sin(heading), -0.4])
    turned = across(Still(yaw), direction)
    assert abs(turned - yaw) <= np.pi / 2 + 1e-9
    along = np.array([np.cos(turned), np.sin(turned)])
    assert abs(along @ direction[:2]) == pytest.approx(1.0)


def test_an_approach_never_sweeps_low() -> None:
    hand = Still()
    low = np.array([0.2, 0.1, 0.02])
    hand.at = HandState(np.array([-0.2, 0.0, 0.02]), 0.0, STROKE_M)
    approach(hand, low, 0.5, above_m=0.1)
    np.testing.assert_allclose(hand.at.position_m, [0.2, 0.1, 0.12], atol=0.005)
    assert hand.at.yaw_rad == pytest.approx(0.5, abs=0.06)
    assert hand.lowest_m > 0.02


class OfCable:
    """The cable cell's hand, in simulated time."""

    def __init__(self, cell: CableCell) -> None:
        self._cell = cell

    def state(self) -> HandState:
        gripper = self._cell.gripper()
        return HandState(gripper.position_m, float(gripper.rotation_rad[2]), 0.0)

    def advance(self, twist: np.ndarray, seconds: float) -> None:
        self._cell.advance(twist, seconds)

    def grip(self, opening_m: float, force_n: float) -> float:
        raise AssertionError


def test_a_plug_is_inserted_by_its_keypoints() -> None:
    cell, noise = unrendered_cell("easy"), np.random.default_rng(0)
    inserted = 0
    for seed in range(5):
        cell.reset(seed)
        try:
            insert(OfCable(cell), lambda: cell.truth().keypoints_m + noise.normal(scale=5e-4, size=(3, 3)))
        except BehaviourError:
            continue
        inserted += cell.truth().depth > 0.85
    assert inserted >= 4
    cell.reset(0)
    with pytest.raises(BehaviourError, match="not inserted after 1 s: the keypoints are"):
        insert(OfCable(cell), lambda: cell.truth().keypoints_m, patience_s=1.0)
    cell.stop()


def test_a_robot_behind_its_gate_is_a_hand() -> None:
    cell = CableCell(CableCellSpec(image_px=32, rendered=False))
    with GatedRobot(SimulatedRobot(cell, 0.025), LIMITS) as robot:
        server = RobotServer(robot, "127.0.0.1:0")
        server.start()
        with RobotClient(server.address, deadline_s=20.0, state_age_s=20.0) as client:
            client.wait_ready(20.0)
            hand = RemoteHand(client)
            there = hand.state().position_m + np.array([0.0, 0.01, 0.02])
            go(hand, there, patience_s=20.0)
            np.testing.assert_allclose(hand.state().position_m, there, atol=0.006)
        server.stop(0.2)


@given(
    st.floats(-3, 3),
    st.lists(st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2), st.floats(0, 0.1)), min_size=1, max_size=4),
)
def test_fingers_come_down_beside_what_they_shall_not_touch(
    wanted: float, others: list[tuple[float, float, float]]
) -> None:
    at_m, avoid = np.array([0.01, -0.02, 0.05]), [np.array(other) for other in others]

    def room_m(yaw: float) -> float:
        finger = (OPEN_M / 2 + FINGER_M) * np.array([-np.sin(yaw), np.cos(yaw)])
        tips = (at_m[:2] + finger, at_m[:2] - finger)
        return min(float(np.linalg.norm(other[:2] - tip)) for other in avoid for tip in tips)

    yaw = clear_of(at_m, wanted, avoid)
    assert abs(yaw - wanted) <= np.radians(MOST_TURN_DEG) + 1e-9
    assert room_m(yaw) >= min(CLEAR_M, room_m(wanted)) - 1e-9
    if room_m(wanted) >= CLEAR_M:
        assert yaw == pytest.approx(wanted)


def test_with_nothing_to_avoid_the_hand_turns_as_it_was_told() -> None:
    assert clear_of(np.zeros(3), 0.3, []) == 0.3
