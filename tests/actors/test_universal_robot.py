"""The driver of Universal Robots, through the maker's library, against a controller that speaks its protocols."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.robots.driver import RobotDriver
from actors.robots.robotiq import FORCE_N, STROKE_M, force_of, opening_of, position_of
from actors.robots.universal import UniversalRobot
from actors.safety.braking import AxisState
from actors.safety.envelope import Motion
from actors.sim.cell import HOME_M
from s3k_dist.errors import RobotError
from tests.actors.robot_contract import PATIENCE_S, RobotDriverContract
from tests.actors.test_robots import LIMITS
from tests.actors.universal_controller import PLAYING, PROTECTIVE, STOPPED, Controller

pytest.importorskip("rtde_control")

HOST = "127.0.0.23"
UP = Motion(tuple(AxisState(0.0, 0.01 * (axis == 2), 0.0) for axis in range(6)))
DOWN_RAD = np.array([0.0, 3.0, 0.0])


@pytest.fixture
def controller() -> Iterator[Controller]:
    controller = Controller(HOST, HOME_M, DOWN_RAD)
    yield controller
    controller.close()


def driver(**options: object) -> UniversalRobot:
    return UniversalRobot(HOST, tuple(HOME_M), tuple(DOWN_RAD), deadline_s=PATIENCE_S, **options)  # type: ignore[arg-type]


class TestUniversalRobot(RobotDriverContract):
    limits = LIMITS.model_copy(update={"tracking_m": 0.02, "state_age_s": 5.0, "wrench_age_s": 5.0})

    @pytest.fixture(autouse=True)
    def _controller(self, controller: Controller) -> None:
        """It stands before the driver calls."""

    def make_driver(self) -> RobotDriver:
        return driver(gripper=True, watchdog_hz=0.2)  # a busy machine's patience


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_pushes_and_how_far_the_fingers_are_open_is_read(controller: Controller) -> None:
    robot = driver(gripper=True)
    controller.tell(force=[1.0, 0.0, -5.0, 0.0, 0.1, 0.0])
    until(lambda: robot.read().wrench[2] == -5.0)
    assert robot.grip(0.02, 50.0) == pytest.approx(0.02, abs=STROKE_M / 255)
    assert controller.tell()["FOR"] == force_of(50.0)
    assert robot.read().opening_m == pytest.approx(0.02, abs=STROKE_M / 255)
    np.testing.assert_allclose(robot.read().rotation_rad, 0.0, atol=1e-9)
    robot.close()
    robot.close()
    assert controller.tell()["program"] == STOPPED


def test_a_gripper_that_is_not_there_is_said_so(controller: Controller) -> None:
    robot = driver()
    with pytest.raises(RobotError, match="has no gripper; say `gripper: true`"):
        robot.grip(0.02, 50.0)
    robot.close()


def test_a_protective_stop_is_named_and_left_behind_when_it_is_released(controller: Controller) -> None:
    robot = driver()
    robot.follow(UP)
    until(lambda: controller.tell()["twist"][2] == 0.01)
    controller.tell(safety=PROTECTIVE)

    def refused(match: str) -> bool:
        try:
            robot.follow(UP)
        except RobotError as error:
            return match in str(error)
        return False

    until(lambda: refused("release it at the pendant"))
    controller.tell(safety=0)
    until(lambda: not refused(""))
    assert controller.tell()["program"] == PLAYING
    robot.close()


def test_nobody_who_renews_a_twist_is_a_stop(controller: Controller) -> None:
    robot = driver()
    robot.follow(UP)
    until(lambda: controller.tell()["commands"] > 0)
    until(lambda: controller.tell()["program"] == STOPPED)
    robot.close()


def test_a_controller_that_falls_silent_grows_old(controller: Controller) -> None:
    robot = driver()
    controller.tell(silent=True)
    until(lambda: time.time_ns() - robot.read().captured_at_ns > 3e8)
    controller.tell(silent=False)
    until(lambda: time.time_ns() - robot.read().captured_at_ns < 1e8)
    robot.close()


def test_no_controller_is_named() -> None:
    with pytest.raises(RobotError, match=r"UR at 127\.0\.0\.24 cannot be commanded: .*refused"):
        UniversalRobot("127.0.0.24", (0, 0, 0), (0, 0, 0))


@given(st.floats(0, STROKE_M))
def test_openings_are_registers_and_back(opening_m: float) -> None:
    assert opening_of(position_of(opening_m)) == pytest.approx(opening_m, abs=STROKE_M / 255 / 2 + 1e-12)


def test_forces_end_where_the_gripper_does() -> None:
    assert [force_of(force) for force in (0.0, *FORCE_N, 1e3)] == [0, 0, 255, 255]
