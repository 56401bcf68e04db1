"""The simulated robot obeys the contract; drivers that fail, hang or lie leave the robot standing."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from actors.robots.client import RobotClient
from actors.robots.driver import RobotDriver, RobotReading
from actors.robots.gated import GatedRobot
from actors.robots.server import RobotServer
from actors.robots.simulated import SimulatedRobot
from actors.safety.envelope import Motion
from actors.safety.gate import Mode
from actors.safety.limits import Box, SafetyLimits
from actors.sim.cell import HOME_M, CableCell, CableCellSpec
from s3k_dist.errors import RobotError, SafetyError, ServiceUnavailableError
from tests.actors.robot_contract import PATIENCE_S, UP, RobotDriverContract

LIMITS = SafetyLimits(
    workspace=Box(low_m=(-0.1, -0.1, 0.1), high_m=(0.1, 0.1, 0.25)),
    speed=(0.05, 0.05, 0.05, 0.5, 0.5, 0.5),
    state_age_s=1.0,  # a busy machine's patience
    wrench_age_s=1.0,
    command_age_s=0.5,
)


class TestSimulatedRobot(RobotDriverContract):
    limits = LIMITS

    def make_driver(self) -> RobotDriver:
        return SimulatedRobot(CableCell(CableCellSpec(image_px=64, rendered=False)), self.step_s)


class PaperRobot:
    """Goes where it is told, on paper; a test breaks it."""

    name, has_wrench, has_gripper = "paper", True, True

    def __init__(self) -> None:
        self.home_m = HOME_M.copy()
        self.position_m = HOME_M.copy()
        self.wrench = np.zeros(6)
        self.fault: Exception | None = None
        self.silent_since_ns: int | None = None
        self.opening_m, self.closed = 0.08, False
        self.motions: list[Motion] = []

    def read(self) -> RobotReading:
        if self.fault is not None:
            raise self.fault
        at_ns = self.silent_since_ns or time.time_ns()
        return RobotReading(at_ns, self.position_m.copy(), np.zeros(3), np.zeros(6), self.wrench, self.opening_m)

    def follow(self, motion: Motion) -> None:
        self.motions.append(motion)
        self.position_m = motion.position_m

    def grip(self, opening_m: float, force_n: float) -> float:
        self.opening_m = opening_m
        return opening_m

    def close(self) -> None:
        self.closed = True


class TestPaperRobot(RobotDriverContract):
    limits = LIMITS

    def make_driver(self) -> RobotDriver:
        return PaperRobot()

    def test_it_grips(self, client: RobotClient) -> None:
        assert client.grip(0.02, 10.0) == pytest.approx(0.02)
        self.until(client, lambda now: now.opening_m == pytest.approx(0.02))


@pytest.fixture
def paper() -> PaperRobot:
    return PaperRobot()


@pytest.fixture
def robot(paper: PaperRobot) -> Iterator[GatedRobot]:
    with GatedRobot(paper, LIMITS) as robot:
        yield robot
    assert paper.closed


def until(robot: GatedRobot, mode: Mode) -> str:
    state, end = robot.state, time.monotonic() + PATIENCE_S
    while state.mode is not mode:
        assert time.monotonic() < end, state
        robot.command(UP)
        state = robot.after(state.sequence, PATIENCE_S) or state
    return state.reason


@pytest.mark.parametrize("fault", [RobotError("the cable is out"), ZeroDivisionError("oh")])
def test_a_driver_that_fails_stops_the_robot_and_is_asked_again(
    fault: Exception, robot: GatedRobot, paper: PaperRobot
) -> None:
    until(robot, Mode.MOVING)
    paper.fault = fault
    assert str(fault) in until(robot, Mode.STOPPED)
    # It cannot be read, and is told to brake all the same.
    assert robot.after(robot.state.sequence + 30, PATIENCE_S) is not None
    assert paper.motions[-1].at_rest
    paper.fault = None
    assert robot.after(robot.state.sequence + 1, PATIENCE_S)  # a step that had met the fault is over
    assert robot.resume()
    until(robot, Mode.MOVING)


def test_a_robot_whose_news_are_old_is_held(robot: GatedRobot, paper: PaperRobot) -> None:
    until(robot, Mode.MOVING)
    paper.silent_since_ns = time.time_ns() - int(5e9)
    assert until(robot, Mode.HOLDING) == "the robot says nothing of itself"
    paper.silent_since_ns = None
    until(robot, Mode.MOVING)


def test_a_collision_stops_it_and_is_written_down(robot: GatedRobot, paper: PaperRobot) -> None:
    until(robot, Mode.MOVING)
    paper.wrench = np.array([0, 0, 80.0, 0, 0, 0])
    assert "80.0 N push on the tool" in until(robot, Mode.STOPPED)
    assert [each.reason for each in robot.interventions if each.mode is Mode.STOPPED] == [robot.state.reason]


def test_a_robot_that_was_moved_out_by_hand_is_not_driven_on(robot: GatedRobot, paper: PaperRobot) -> None:
    robot.stop("moving it by hand")
    until(robot, Mode.STOPPED)
    # It stands by now, and is told nothing that would move it.
    assert robot.after(robot.state.sequence + 30, PATIENCE_S)
    paper.follow = lambda motion: None  # type: ignore[method-assign]
    paper.position_m = np.array([0.0, 0.0, 0.5])
    assert robot.after(robot.state.sequence + 1, PATIENCE_S)
    with pytest.raises(SafetyError, match="outside of the workspace on the z axis"):
        robot.resume()
    paper.position_m = HOME_M + np.array([0.02, 0, 0])
    assert robot.after(robot.state.sequence + 1, PATIENCE_S)
    assert robot.resume()
    del paper.follow
    until(robot, Mode.MOVING)


def test_closing_brings_it_to_rest_first(paper: PaperRobot) -> None:
    robot = GatedRobot(paper, LIMITS)
    until(robot, Mode.MOVING)
    robot.close()
    robot.close()
    assert paper.motions[-1].at_rest
    assert not [thread for thread in threading.enumerate() if thread.name == "robot-paper"]


def test_a_client_without_a_robot_says_so() -> None:
    with RobotClient("127.0.0.1:9", deadline_s=0.5) as client:
        with pytest.raises(ServiceUnavailableError, match=r"no robot at 127\.0\.0\.1:9 within 0\.3 s"):
            client.wait_ready(0.3)
        with pytest.raises(RobotError, match="nothing is known yet"):
            client.state()
        with pytest.raises(ServiceUnavailableError):
            client.command(UP)


def test_what_the_plug_touches_pushes_back() -> None:
    cell = CableCell(CableCellSpec(image_px=64, rendered=False))
    cell.reset(0)
    assert np.linalg.norm(cell.contact_force_n()) == 0
    for _ in range(20):
        cell.command(np.array([0.0, 0.02, -0.05, 0, 0, 0]))
    force_n = cell.contact_force_n()
    assert force_n[2] > 0.2, "the table pushes up"
    cell.stop()


def test_however_many_watch_a_robot_can_be_stopped(paper: PaperRobot) -> None:
    robot = GatedRobot(paper, LIMITS)
    server = RobotServer(robot, "127.0.0.1:0")
    server.start()
    watchers = [RobotClient(server.address, state_age_s=PATIENCE_S) for _ in range(20)]
    try:
        watchers[0].wait_ready(PATIENCE_S)
        with RobotClient(server.address, deadline_s=PATIENCE_S) as client:
            client.stop("one too many")
        assert until(robot, Mode.STOPPED) == "one too many"
    finally:
        for watcher in watchers:
            watcher.close()
        server.stop(0.2)
