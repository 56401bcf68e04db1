"""Faults of cameras, robot and sensor on the emulated cell while it is driven: is the arm still in time, is all back?

python -m experiments.cell_faults            # some three minutes; writes docs/experiments/cell_faults.md
"""

import argparse
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from actors.physical import rendered
from actors.physical.basler import BaslerCamera
from actors.physical.emulated_cell import EmulatedCell, EmulatedCellSpec
from actors.robots.client import RobotClient
from actors.robots.simulated_process import SimulatedRobotSpec
from actors.safety.limits import Box, SafetyLimits
from actors.sim.arrangement import Randomisation
from actors.sim.cell import CableCellSpec
from experiments.faulty_robot import NAN, SILENT, WORKS, begin_faulty_robot
from experiments.machine import machine
from experiments.pages import table
from s3k_dist.atomic import write_atomic
from s3k_dist.errors import CellError, RobotError

PAGE = Path("docs/experiments/cell_faults.md")
LIMITS = SafetyLimits(
    workspace=Box(low_m=(-0.15, -0.15, 0.03), high_m=(0.15, 0.15, 0.3)),
    speed=(0.05, 0.05, 0.05, 0.5, 0.5, 0.5),
    tracking_m=0.015,
)
AT_HOME = Randomisation(bend_rad=0.2, socket_m=0.01, gripper_m=0.0, tilt_rad=0.0)
SPEED_M_S, TURN_S = 0.03, 2.0  # to and fro
STILL_M_S, MOVES_M_S = 0.002, 0.01
WARM_UP_S, PATIENCE_S, EVERY_S = 3.0, 60.0, 0.005


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        name: for people.
        begin: lets it go wrong, on a cell and its cameras.
        end: lets it go right again; what ends by itself needs nothing.
        lasts_s: in between.
        stops: whether the arm is to be still.
    """

    name: str
    begin: Callable[["Bench"], object]
    end: Callable[["Bench"], object] = lambda bench: None
    lasts_s: float = 3.0
    stops: bool = False


@dataclass
class Bench:
    """An emulated cell that is driven to and fro, and what is known of it over time.

    Attributes:
        cell: the cell.
        cameras: as they were opened, the newest of each serial number last.
        sensor: file that says how the force-torque sensor is.
        speeds: of the tool, (time, m/s), seen by somebody else.
        reasons: why the gate let no commands through, (time, reason), likewise.
        looks: (time, views), 0 where there was no frame, or no command got through.
        said: what the cell said when it failed last.
    """

    cell: EmulatedCell
    cameras: list[BaslerCamera]
    sensor: Path
    speeds: list[tuple[float, float]] = field(default_factory=list)
    reasons: list[tuple[float, str]] = field(default_factory=list)
    looks: list[tuple[float, int]] = field(default_factory=list)
    said: str = ""

    def drive(self, until: Callable[[], bool]) -> None:
        """Control it, four times a second; after an error the episode is over, and the next one begins."""
        while not until():
            try:
                seen = self.cell.observe()
                way = 1 if time.monotonic() % (2 * TURN_S) < TURN_S else -1
                self.cell.command(np.array([0, way * SPEED_M_S, 0, 0, 0, 0]))
                self.looks.append((time.monotonic(), len(seen.frame.views)))
            except CellError as error:
                self.said = str(error)
                self.looks.append((time.monotonic(), 0))
                self._begin_anew(until)

    def _begin_anew(self, until: Callable[[], bool]) -> None:
        while not until():
            try:
                self.cell.reset(0)
                return
            except CellError as error:
                self.said = str(error)
                time.sleep(0.1)


@dataclass(frozen=True)
class Measured:
    """What a fault did, seconds.

    Attributes:
        noticed_s: until a view was missing, or the cell said that it cannot go on; None if neither happened.
        still_s: until the arm was still, and stayed so; None if it moved on.
        back_s: from the fault's end until all views were there and the arm moved.
        said: by the cell, or by the gate of a cell that went on; empty if both did.
    """

    noticed_s: float | None
    still_s: float | None
    back_s: float
    said: str


def measure(bench: Bench, fault: Fault) -> Measured:
    """Drive, let it go wrong, drive, let it go right, drive until all is well."""
    views = len(bench.cell.cameras)
    bench.drive(_after(WARM_UP_S))
    bench.said = ""
    began = time.monotonic()
    fault.begin(bench)
    bench.drive(_after(fault.lasts_s))
    ended = time.monotonic()
    fault.end(bench)

    def well() -> bool:
        moves = any(at > ended and speed > MOVES_M_S for at, speed in bench.speeds[-200:])
        return moves and any(at > ended and seen == views for at, seen in bench.looks[-3:])

    giving_up = _after(PATIENCE_S)
    bench.drive(lambda: well() or giving_up())
    if not well():
        raise RobotError(f"{fault.name}: not back after {PATIENCE_S:.0f} s; {bench.said}")
    back_s = time.monotonic() - ended
    missed = [at for at, seen in bench.looks if at > began and seen < views]
    moved = [at for at, speed in bench.speeds if began < at < ended and speed > STILL_M_S]
    still_s = (moved[-1] - began if moved else 0.0) if fault.stops else None
    held = next((f"the gate: {reason}" for at, reason in bench.reasons if began < at < ended and reason), "")
    return Measured(missed[0] - began if missed else None, still_s, back_s, bench.said or (held if fault.stops else ""))


def allowed_s(limits: SafetyLimits = LIMITS) -> float:
    """Within which the arm has to be still: the watchdog's time and that of a stop from the speed it is driven at.

    A stop within limits of acceleration a and jerk j takes v / a + a / j.
    """
    acceleration, jerk = limits.acceleration[1], limits.jerk[1]
    return limits.command_age_s + SPEED_M_S / acceleration + acceleration / jerk + 2 * EmulatedCellSpec.step_s


def _camera(bench: Bench, number: int) -> BaslerCamera:
    serial = bench.cell.rendered.serials[number]
    return next(camera for camera in reversed(bench.cameras) if camera.serial == serial)


def _fail(camera: BaslerCamera) -> None:
    camera.nodes.GetNode("ForceFailedBufferCount").Value = 1
    camera.nodes.GetNode("ForceFailedBuffer").Execute()


def _fail_all(bench: Bench) -> None:
    for number in range(len(bench.cell.cameras)):
        _fail(_camera(bench, number))


def _freeze(bench: Bench) -> None:
    feed, frozen = bench.cell.rendered.feed, bench.cell.rendered.serials[1]
    shown: Any = SimpleNamespace(
        show=lambda serial, image: None if serial == frozen else feed.show(serial, image), close=feed.close, thawed=feed
    )
    bench.cell.rendered.feed = shown


def _thaw(bench: Bench) -> None:
    feed: Any = bench.cell.rendered.feed
    bench.cell.rendered.feed = feed.thawed


CAMERA_FAULTS = (
    Fault("an incomplete image on one camera", lambda bench: _fail(_camera(bench, 2))),
    Fault("incomplete images on all cameras at once", _fail_all),
    Fault("a camera unplugged", lambda bench: _camera(bench, 2).nodes.GetNode("FirePnPCallback").Execute()),
    Fault("a camera frozen", _freeze, _thaw, lasts_s=4.0),
)
ROBOT_FAULTS = (
    Fault(
        "the robot's process paused",
        lambda bench: os.kill(bench.cell.robot_pid, signal.SIGSTOP),
        lambda bench: os.kill(bench.cell.robot_pid, signal.SIGCONT),
        stops=True,
    ),
    Fault("the robot's process killed", lambda bench: os.kill(bench.cell.robot_pid, signal.SIGKILL), lasts_s=0.0),
)


def _sensor(name: str, says: str) -> Fault:
    return Fault(
        f"the force-torque sensor {name}",
        lambda bench: bench.sensor.write_text(says),
        lambda bench: bench.sensor.write_text(WORKS),
        stops=True,
    )


SENSOR_FAULTS = (_sensor("silent", SILENT), _sensor("says NaN", NAN))


def measure_all(faults: Sequence[Fault] | None = None) -> dict[str, Measured]:
    """Every fault, or some; the sensor's on a robot whose sensor can fail."""
    found: dict[str, Measured] = {}
    for group, with_sensor in (((*CAMERA_FAULTS, *ROBOT_FAULTS), False), (SENSOR_FAULTS, True)):
        wanted = [fault for fault in group if faults is None or fault in faults]
        if wanted:
            with _bench(with_sensor) as bench:
                for fault in wanted:
                    found[fault.name] = measure(bench, fault)
                    print(fault.name, found[fault.name], flush=True)
    return found


@contextmanager
def _bench(with_sensor: bool) -> Iterator[Bench]:
    spec = EmulatedCellSpec(CableCellSpec(cell_id="bench0", image_px=64, randomisation=AT_HOME), LIMITS)
    opened: list[BaslerCamera] = []

    class Noted(BaslerCamera):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            opened.append(self)

    process = None
    setattr(rendered, "BaslerCamera", Noted)  # noqa: B010  # a module's name, to be put back below
    done = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        sensor = Path(folder) / "sensor"
        if with_sensor:
            robot = replace(spec.simulated, rendered=False)
            process = begin_faulty_robot(SimulatedRobotSpec(robot, LIMITS, spec.step_s), sensor)
        cell = EmulatedCell(spec, process)
        bench = Bench(cell, opened, sensor)
        watching = threading.Thread(target=_watch, args=(bench, cell._process.address, done), daemon=True)
        try:
            cell.reset(0)
            watching.start()
            yield bench
        finally:
            done.set()
            setattr(rendered, "BaslerCamera", BaslerCamera)  # noqa: B010
            cell.stop()
            if process is not None:
                process.close()


def _watch(bench: Bench, address: str, done: threading.Event) -> None:
    """Somebody else's eyes on the robot: its state stream, on a connection of their own."""
    known = -1
    with RobotClient(address, state_age_s=PATIENCE_S) as eyes:
        while not done.wait(EVERY_S):
            try:
                state = eyes.state()
            except RobotError:
                continue
            if state.captured_at_ns != known:
                known = state.captured_at_ns
                bench.speeds.append((time.monotonic(), float(np.linalg.norm(state.twist[:3]))))
                bench.reasons.append((time.monotonic(), state.reason))


def _after(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


def page(found: dict[str, Measured]) -> str:
    """The table."""
    rows = [
        [
            name,
            "–" if each.noticed_s is None else f"{each.noticed_s:.2f}",
            "–" if each.still_s is None else f"{each.still_s:.2f}",
            f"{each.back_s:.2f}",
            each.said.replace("|", "/")[:110] or "goes on",
        ]
        for name, each in found.items()
    ]
    header = [
        "what fails",
        "noticed after, s",
        "the arm is still after, s",
        "all is back after, s",
        "what the cell says",
    ]
    return (
        "# Faults of a physical cell\n\n"
        f"Made by `python -m experiments.cell_faults`; numbers are not edited. Machine: {machine()}.\n\n"
        f"An emulated cell whose tool is driven to and fro at {1e3 * SPEED_M_S:.0f} mm/s, four commands a second. "
        "Cameras fail through Basler's own emulator, the robot's process by signals, its force-torque sensor through a "
        f"driver that lies. Whatever stops the arm has {allowed_s():.2f} s for it: the watchdog's time, and a stop "
        "within the limits of acceleration and jerk. Noticed is the first frame that lacks a view, or the cell's "
        "error; back is counted from the fault's end, until all views are there and the arm moves again: after an "
        "error that is a new episode, for which the arm drives home. A robot whose process is killed is simulated "
        "no more; a real one stops by its controller's own watchdog, which its driver sets.\n\n"
        + table(header, rows)
        + "\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments.cell_faults", description=__doc__)
    parser.add_argument("--out", type=Path, default=PAGE, metavar="FILE", help="default: %(default)s")
    options = parser.parse_args(arguments)
    write_atomic(options.out, page(measure_all()).encode())
    print(f"wrote {options.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
