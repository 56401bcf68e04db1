"""The whole physical path: emulated Basler cameras that show a simulated robot's process; the contract, and faults."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.cell import CellObservation, SimulatedCell, known_truth
from actors.physical import rendered
from actors.physical.basler import BaslerCamera
from actors.physical.cell import PhysicalCell
from actors.physical.emulated_cell import EmulatedCell, EmulatedCellSpec, intrinsic_rotation, turn_between
from actors.physical.lens import Lens
from actors.physical.settings import RigLimits
from actors.robots.client import RobotClient
from actors.robots.process import RobotProcess
from actors.robots.simulated_process import SimulatedRobotSpec, begin_simulated_robot
from actors.robots.simulator import SimulatorClient
from actors.safety.limits import Box, SafetyLimits
from actors.sim.arrangement import Randomisation
from actors.sim.cell import CableCell, CableCellSpec
from actors.sim.expert import KnownCell
from s3k_dist.errors import CellError, ConfigError, RobotError
from s3k_dist.geometry.rotation import rotation_matrix
from tests.actors.cell_contract import CellContract

PATIENCE_S = 60.0
LIMITS = SafetyLimits(
    workspace=Box(low_m=(-0.15, -0.15, 0.03), high_m=(0.15, 0.15, 0.3)),
    speed=(0.05, 0.05, 0.05, 0.5, 0.5, 0.5),
    tracking_m=0.015,
    feature_age_s=5.0,  # a machine that is busy with other things is no fault of the cell's
)
AT_HOME = Randomisation(bend_rad=0.2, socket_m=0.01, gripper_m=0.0, tilt_rad=0.0)  # such starts cost no drive
SPEC = EmulatedCellSpec(
    CableCellSpec(cell_id="bench7", image_px=64, randomisation=AT_HOME),
    LIMITS,
    state_age_s=5.0,
    rig=RigLimits(view_timeout_s=2.0, max_age_s=5.0, pair_within_s=2.0),
)
QUICK = replace(SPEC, state_age_s=0.5)  # for whoever waits until a robot has fallen silent
ANGLE = st.floats(-0.9, 0.9)


@pytest.fixture(scope="module")
def process() -> Iterator[RobotProcess]:
    """For cells that begin none of their own: it takes seconds."""
    with begin_simulated_robot(SimulatedRobotSpec(replace(SPEC.simulated, rendered=False), LIMITS)) as process:
        yield process


@pytest.fixture
def cell(process: RobotProcess) -> Iterator[EmulatedCell]:
    cell = EmulatedCell(SPEC, process)
    yield cell
    cell.stop()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[BaslerCamera]:
    """The cameras that the next cell opens."""
    cameras: list[BaslerCamera] = []

    class Noted(BaslerCamera):
        def __init__(self, *arguments: object, **named: object) -> None:
            super().__init__(*arguments, **named)  # type: ignore[arg-type]
            cameras.append(self)

    monkeypatch.setattr(rendered, "BaslerCamera", Noted)
    return cameras


def until_it_fails(call: Callable[[], object]) -> str:
    """What a call says when it has begun to fail."""
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        try:
            call()
        except CellError as error:
            return str(error)
    raise AssertionError("it never failed")


def until_it_works(call: Callable[[], CellObservation]) -> CellObservation:
    """What a call returns when it no longer fails."""
    until_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return call()
        except CellError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.1)


def names(seen: CellObservation) -> list[str]:
    return [view.camera.name for view in seen.frame.views]


class TestEmulatedCell(CellContract):
    """The contract."""


def test_it_is_known_as_a_simulated_cell_and_shows_what_its_lenses_make_of_it(cell: EmulatedCell) -> None:
    assert isinstance(cell, SimulatedCell)
    assert isinstance(cell, KnownCell)
    seen = cell.reset(3)
    here = CableCell(SPEC.simulated)
    here.reset(3)
    np.testing.assert_allclose(cell.truth().keypoints_m[2], here.truth().keypoints_m[2], atol=1e-9)
    here.show(cell._simulator.snapshot().state)
    for view, drawn in zip(seen.frame.views, here.cameras, strict=True):
        straight = here.render(drawn.name)
        through_lens = Lens(view.camera, drawn).seen(straight)
        noise, shift = (np.abs(view.image.astype(float) - image).mean() for image in (through_lens, straight))
        assert noise < 2
        assert shift > 2 * noise, view.camera.name
    here.stop()


def test_an_incomplete_image_on_one_camera_and_on_all(opened: list[BaslerCamera], process: RobotProcess) -> None:
    cell = EmulatedCell(SPEC, process)
    try:
        cell.reset(0)
        fail(opened[2])
        assert names(cell.observe()) == [camera.name for camera in cell.cameras if camera.name != "cam2"]
        assert names(cell.observe()) == [camera.name for camera in cell.cameras]
        for camera in opened:
            fail(camera)
        assert len(cell.observe().frame.views) == 4, "another trigger"
    finally:
        cell.stop()


def test_a_camera_that_is_frozen_is_left_out(cell: EmulatedCell, monkeypatch: pytest.MonkeyPatch) -> None:
    cell.reset(0)
    show, frozen = cell.rendered.feed.show, cell.rendered.serials[1]
    monkeypatch.setattr(
        cell.rendered, "feed", SimpleNamespace(
            show=lambda serial, image: None if serial == frozen else show(serial, image), close=cell.rendered.feed.close
        )
    )  # fmt: skip
    seen = [names(cell.observe()) for _ in range(SPEC.rig.frozen_frames + 2)]
    assert "cam1" in seen[0]
    assert seen[-1] == ["cam0", "cam2", "cam3"]


def test_a_robot_that_is_paused_is_an_error_until_it_goes_on(process: RobotProcess) -> None:
    cell = EmulatedCell(QUICK, process)
    try:
        cell.reset(0)
        os.kill(process.pid, signal.SIGSTOP)
        try:
            until_it_fails(cell.observe)
            assert "robot at 127.0.0.1:" in until_it_fails(lambda: cell.reset(1))
            until_it_fails(lambda: cell.command(np.zeros(6)))
        finally:
            os.kill(process.pid, signal.SIGCONT)
        until_it_works(cell.observe)
        until_it_works(lambda: cell.reset(2))
    finally:
        cell.stop()


def test_a_robot_that_is_killed_is_begun_anew_by_the_next_reset_and_starts_where_the_seed_says() -> None:
    astray = replace(QUICK, simulated=replace(SPEC.simulated, randomisation=Randomisation()))
    here = CableCell(replace(astray.simulated, rendered=False))
    cell = astray.make()
    try:
        first = cell.reset(0)
        pid = cell.robot_pid
        os.kill(pid, signal.SIGKILL)
        until_it_fails(cell.observe)
        until_it_fails(lambda: cell.command(np.zeros(6)))
        again = until_it_works(lambda: cell.reset(5))
        assert cell.robot_pid != pid
        assert again.frame.sequence > first.frame.sequence
        start = here.reset(5)
        np.testing.assert_allclose(again.gripper.position_m, start.gripper.position_m, atol=3e-3)
        np.testing.assert_allclose(again.gripper.rotation_rad, start.gripper.rotation_rad, atol=0.03)
        with RobotClient(cell._process.address, deadline_s=PATIENCE_S) as person:
            person.stop("a person leans on it")
            assert "it does not follow: a person leans on it" in until_it_fails(lambda: cell.command(np.zeros(6)))
            until_it_works(lambda: cell.reset(6))
            person.stop("the red button", emergency=True)
            assert "the red button" in until_it_fails(lambda: cell.reset(7))
    finally:
        cell.stop()
        here.stop()
    assert not cell._process.alive


def test_the_scene_is_set_up_only_around_a_robot_that_is_home(cell: EmulatedCell, process: RobotProcess) -> None:
    cell.reset(0)
    for _ in range(2):
        cell.command(np.array([0.05, 0, 0, 0, 0, 0]))
    simulator = SimulatorClient(process.address, PATIENCE_S)
    with pytest.raises(CellError, match="mm from home: the scene is set up around it there"):
        simulator.arrange(1)
    simulator.close()


def test_commands_that_a_gate_would_not_let_through_are_refused_at_once(process: RobotProcess) -> None:
    with RobotClient(process.address, PATIENCE_S, PATIENCE_S) as robot:
        frames = SimpleNamespace(cameras=())
        with pytest.raises(ConfigError, match=r"lets \[0\.05, .* through: raise `speed`"):
            PhysicalCell("b", frames, robot, twist_limit=(0.1, 0.1, 0.1, 0.5, 0.5, 0.5))  # type: ignore[arg-type]


def test_a_process_that_does_not_serve_says_why() -> None:
    with pytest.raises(RobotError, match=r"did not serve within 60 s; it said: no such arm"):
        RobotProcess(["sh", "-c", "echo no such arm >&2; exit 3"])


def test_a_robots_process_ends_with_whoever_began_it() -> None:
    code = (
        "import time; from actors.robots.process import RobotProcess\n"
        "robot = RobotProcess(['sh', '-c', 'echo a robot at here:1\\;; exec cat'])\n"
        "print(robot.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        robot = psutil.Process(int(owner.stdout.readline()))
        owner.kill()
    psutil.wait_procs([robot], timeout=PATIENCE_S)
    assert not robot.is_running() or robot.status() == psutil.STATUS_ZOMBIE


def test_of_a_cell_that_is_not_simulated_nothing_is_known() -> None:
    truth = known_truth(SimpleNamespace(cameras=(0, 1)))  # type: ignore[arg-type]
    assert np.isnan(truth.keypoints_m).all()
    assert np.isnan(truth.depth)
    assert not truth.visible.any()


@given(st.tuples(ANGLE, ANGLE, ANGLE), st.tuples(ANGLE, ANGLE, ANGLE))
def test_a_turn_leads_from_one_rotation_to_another(here: tuple[float, ...], there: tuple[float, ...]) -> None:
    wanted = intrinsic_rotation(np.array(there))
    turned = rotation_matrix(turn_between(np.array(here), wanted)) @ rotation_matrix(np.array(here))
    np.testing.assert_allclose(turned, wanted, atol=1e-7)  # half a turn has no one axis


def fail(camera: BaslerCamera) -> None:
    """Its next image comes incomplete."""
    camera.nodes.GetNode("ForceFailedBufferCount").Value = 1
    camera.nodes.GetNode("ForceFailedBuffer").Execute()
