"""What every robot driver must do, asked of it through its gate and over the wire."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from actors.robots.client import RobotClient, RobotState
from actors.robots.driver import RobotDriver
from actors.robots.gated import GatedRobot
from actors.robots.server import RobotServer
from actors.safety.gate import Mode
from actors.safety.limits import SafetyLimits
from s3k_dist.errors import RobotError, SafetyError

PATIENCE_S = 20.0
UP = np.array([0, 0, 0.03, 0, 0, 0])


class RobotDriverContract:
    """Subclass it with ``make_driver`` and ``limits``; the driver's robot must be free to move up from home."""

    limits: SafetyLimits
    step_s = 0.025

    def make_driver(self) -> RobotDriver:
        raise NotImplementedError

    @pytest.fixture
    def robot(self) -> Iterator[GatedRobot]:
        with GatedRobot(self.make_driver(), self.limits, self.step_s) as robot:
            yield robot

    @pytest.fixture
    def client(self, robot: GatedRobot) -> Iterator[RobotClient]:
        server = RobotServer(robot, "127.0.0.1:0")
        server.start()
        # A driver on a busy machine is no silent one.
        with RobotClient(server.address, deadline_s=PATIENCE_S, state_age_s=PATIENCE_S) as client:
            client.wait_ready(PATIENCE_S)
            yield client
        server.stop(0.2)

    @staticmethod
    def until(client: RobotClient, condition: Callable[[RobotState], bool]) -> RobotState:
        end = time.monotonic() + PATIENCE_S
        while not condition(state := client.state()):
            assert time.monotonic() < end, state
            time.sleep(0.01)
        return state

    @staticmethod
    def drive(client: RobotClient, twist: np.ndarray, condition: Callable[[RobotState], bool]) -> RobotState:
        end = time.monotonic() + PATIENCE_S
        while not condition(state := client.state()):
            client.command(twist)
            assert time.monotonic() < end, state
            time.sleep(0.05)
        return state

    def test_it_says_what_it_is_and_where(self, robot: GatedRobot, client: RobotClient) -> None:
        said, state = client.describe(), client.state()
        assert said.name == robot.driver.name
        assert tuple(said.twist_limit) == self.limits.speed
        assert (state.wrench is not None) == said.has_wrench
        assert (state.opening_m is not None) == said.has_gripper
        assert np.isfinite(state.position_m).all()
        later = self.until(client, lambda now: now.sequence > state.sequence + 3)
        assert later.captured_at_ns > state.captured_at_ns

    def test_it_follows_and_stands_still_when_commands_cease(self, client: RobotClient) -> None:
        start = client.state().position_m
        moved = self.drive(client, UP, lambda now: now.position_m[2] > start[2] + 0.01)
        assert abs(moved.position_m[:2] - start[:2]).max() < 0.01
        self.until(client, lambda now: now.mode is Mode.HOLDING and abs(now.twist[:3]).max() < 2e-3)
        assert client.state().reason == "no fresh command"
        rested = client.state().position_m
        sequence = client.state().sequence
        later = self.until(client, lambda now: now.sequence > sequence + 10)
        np.testing.assert_allclose(later.position_m, rested, atol=2e-3)

    def test_it_goes_home_and_says_why_if_it_cannot(self, client: RobotClient, robot: GatedRobot) -> None:
        home_m = robot.driver.home_m
        self.drive(client, UP, lambda now: now.position_m[2] > home_m[2] + 0.015)
        assert np.linalg.norm(client.home(PATIENCE_S).position_m - home_m) < 0.003
        client.stop("a test")
        with pytest.raises(SafetyError, match="not home: a test"):
            client.home(PATIENCE_S)

    def test_a_stop_is_taken_back_and_an_emergency_stop_is_not(self, client: RobotClient, robot: GatedRobot) -> None:
        client.stop("a person came in")
        start = self.until(client, lambda now: now.mode is Mode.STOPPED)
        assert start.reason == "a person came in"
        for _ in range(5):
            client.command(UP)
            time.sleep(0.05)
        assert client.state().position_m[2] < start.position_m[2] + 2e-3
        client.resume()
        self.drive(client, UP, lambda now: now.position_m[2] > start.position_m[2] + 0.01)
        client.stop("the red button", emergency=True)
        self.until(client, lambda now: now.mode is Mode.EMERGENCY)
        with pytest.raises(SafetyError, match="a person takes this back at the robot: the red button"):
            client.resume()
        with pytest.raises(SafetyError, match="not gripping: the red button"):
            client.grip(0.01, 5.0)
        robot.reset()
        self.until(client, lambda now: now.mode is Mode.HOLDING)

    def test_what_is_no_twist_is_refused(self, client: RobotClient) -> None:
        for twist in (np.full(6, np.nan), np.zeros(4)):
            with pytest.raises(SafetyError, match="six finite numbers"):
                client.command(twist)

    def test_it_never_leaves_its_workspace(self, client: RobotClient) -> None:
        for direction in ([0, 0, 9.0, 0, 0, 0], [9.0, -9.0, 0, 0, 0, 0]):
            end = time.monotonic() + 2.0
            while time.monotonic() < end:
                client.command(np.array(direction))
                assert self.limits.workspace.contains(client.state().position_m)
                time.sleep(0.02)

    def test_a_client_that_hung_up_is_told_so(self, client: RobotClient) -> None:
        client.close()
        with pytest.raises(RobotError, match="closed"):
            client.command(UP)
