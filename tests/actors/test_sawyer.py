"""Sawyer's driver, through roslibpy, against a rosbridge that speaks its protocol."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.robots.driver import RobotDriver
from actors.robots.kinematics import Arm
from actors.robots.robotiq import STROKE_M
from actors.robots.sawyer import Sawyer
from actors.safety.braking import AxisState
from actors.safety.envelope import Motion
from actors.safety.limits import Box, SafetyLimits
from s3k_dist.errors import ConfigError, RobotError
from s3k_dist.geometry.rotation import rotation_vector
from tests.actors.arm_description import JOINTS, SPEEDS, TIP, urdf
from tests.actors.robot_contract import PATIENCE_S, RobotDriverContract
from tests.actors.rosbridge import START, SawyerBridge
from tests.actors.test_robots import LIMITS

TOOL_M = (0.0, 0.0, 0.2)
HOME_M, HOME, _ = Arm(urdf(), JOINTS, TIP, np.array(TOOL_M)).at(START)
REACH_M = 0.12
UP = Motion(tuple(AxisState(0.0, 0.02 * (axis == 2), 0.0) for axis in range(6)))


@pytest.fixture
def bridge() -> Iterator[SawyerBridge]:
    bridge = SawyerBridge()
    yield bridge
    bridge.close()


def driver(bridge: SawyerBridge, **options: object) -> Sawyer:
    said = {"patience_s": PATIENCE_S, **options}
    return Sawyer("127.0.0.1", tuple(HOME_M), tuple(rotation_vector(HOME)), TOOL_M, bridge.port, **said)  # type: ignore[arg-type]


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def refused(call: Callable[[], object], match: str) -> bool:
    try:
        call()
    except RobotError as error:
        return match in str(error)
    return False


class TestSawyer(RobotDriverContract):
    # Its watchdog stops it whenever this machine is too busy to renew a twist in time.
    limits: SafetyLimits = LIMITS.model_copy(
        update={
            "workspace": Box(low_m=tuple(HOME_M - REACH_M), high_m=tuple(HOME_M + REACH_M)),
            "tracking_m": 0.02, "state_age_s": 5.0, "wrench_age_s": 5.0,
        }
    )  # fmt: skip

    @pytest.fixture(autouse=True)
    def _bridge(self, bridge: SawyerBridge) -> None:
        self.bridge = bridge

    def make_driver(self) -> RobotDriver:
        return driver(self.bridge)


def test_only_what_touches_it_is_felt(bridge: SawyerBridge) -> None:
    robot = driver(bridge)
    np.testing.assert_allclose(robot.read().wrench, 0.0, atol=1e-9)
    bridge.force = bridge.force - np.array([0.0, 0.0, 5.0])  # along the hand, which looks down: up in the world
    until(lambda: abs(robot.read().wrench[2] - 5.0) < 0.01)
    bridge.mute = {"/robotiq_ft_wrench"}
    until(lambda: robot.read().wrench is None)
    robot.close()
    robot.close()


def test_fingers_go_where_they_are_told(bridge: SawyerBridge) -> None:
    robot = driver(bridge)
    assert robot.grip(0.03, 60.0) == pytest.approx(0.03, abs=STROKE_M / 255)
    assert robot.read().opening_m == pytest.approx(0.03, abs=STROKE_M / 255)
    robot.close()
    without = driver(bridge, gripper=False, wrench=False)
    assert without.read().opening_m is None
    assert without.read().wrench is None
    with pytest.raises(RobotError, match="has no gripper"):
        without.grip(0.03, 60.0)
    without.close()


def test_a_stop_button_and_a_lost_bridge_are_named_and_left_behind(bridge: SawyerBridge) -> None:
    robot = driver(bridge)
    bridge.state = {**bridge.state, "stopped": True, "enabled": False}
    until(lambda: refused(robot.read, "its stop button is pressed"))
    bridge.state = {"enabled": True, "stopped": False, "error": False}
    until(lambda: not refused(robot.read, ""))
    bridge.close()
    until(lambda: refused(lambda: robot.follow(UP), "the connection to rosbridge is lost"))
    again = SawyerBridge(bridge.port)
    until(lambda: not refused(lambda: robot.follow(UP), ""))
    before = time.time_ns()
    until(lambda: robot.read().captured_at_ns > before)
    robot.close()
    again.close()


def test_a_robot_that_says_too_little_is_refused(bridge: SawyerBridge) -> None:
    bridge.mute = {"/robotiq_ft_wrench"}
    with pytest.raises(RobotError, match="publishes nothing on /robotiq_ft_wrench"):
        driver(bridge, patience_s=0.5)
    with pytest.raises(RobotError, match=r"no rosbridge answers at 127\.0\.0\.1:9 within 0\.5 s"):
        Sawyer("127.0.0.1", (0, 0, 0), (0, 0, 0), port=9, patience_s=0.5)


def test_a_description_must_have_the_arm() -> None:
    with pytest.raises(ConfigError, match=r"no joint elbow; it has \['head_pan'.*'right_j6'\]"):
        Arm(urdf(), (*JOINTS, "elbow"), TIP, np.zeros(3))
    with pytest.raises(ConfigError, match="no link claw; it has"):
        Arm(urdf(), JOINTS, "claw", np.zeros(3))
    with pytest.raises(ConfigError, match="is no URDF"):
        Arm("<robot", JOINTS, TIP, np.zeros(3))


ARM = Arm(urdf(), JOINTS, TIP, np.array(TOOL_M))
angles = st.lists(st.floats(-2.5, 2.5), min_size=7, max_size=7).map(np.array)
twists = st.lists(st.floats(-2.0, 2.0), min_size=6, max_size=6).map(np.array)


@given(angles, st.integers(0, 6))
def test_the_jacobian_is_the_derivative(at: np.ndarray, joint: int) -> None:
    step = 1e-5 * np.eye(7)[joint]
    (before, turned_before, _), (after, turned_after, _) = ARM.at(at - step), ARM.at(at + step)
    _, _, jacobian = ARM.at(at)
    np.testing.assert_allclose((after - before) / 2e-5, jacobian[:3, joint], atol=1e-6)
    np.testing.assert_allclose(rotation_vector(turned_after @ turned_before.T) / 2e-5, jacobian[3:, joint], atol=1e-6)


@given(angles, twists)
def test_no_joint_is_faster_than_it_may_be(at: np.ndarray, twist: np.ndarray) -> None:
    assert (np.abs(ARM.speeds(at, twist)) <= np.array(SPEEDS) * (1 + 1e-9)).all()


def test_away_from_singularities_the_tool_moves_as_asked() -> None:
    twist = np.array([0.02, -0.01, 0.03, 0.05, 0.0, -0.1])
    _, _, jacobian = ARM.at(START)
    np.testing.assert_allclose(jacobian @ ARM.speeds(START, twist), twist, atol=2e-3)
    # Too fast for the joints: slower, in the same direction.
    fast = jacobian @ ARM.speeds(START, 100 * twist)
    assert fast @ twist / np.linalg.norm(fast) / np.linalg.norm(twist) > 0.99
