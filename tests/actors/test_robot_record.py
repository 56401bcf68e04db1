"""Who drove a robot, when and how: one line for each drive, and none is lost or late for a stop."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from actors.robots.client import RobotClient
from actors.robots.gated import GatedRobot
from actors.robots.record import RobotRecord
from actors.robots.server import RobotServer
from actors.safety.gate import Mode
from s3k_dist.access.audit import AuditLog, read_audit
from s3k_dist.errors import SafetyError
from tests.attacks.targets import LIMITS, PATIENCE_S, PaperRobot


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_drive_is_two_lines_however_long(tmp_path: Path) -> None:
    clock, log = Clock(), AuditLog(tmp_path / "audit.jsonl")
    record = RobotRecord(log, "paper", clock)
    for step in range(400):
        clock.now_s = step * 0.025
        record.twist("cell/a", np.array([0.03, 0.04, 0, 0, 0, 0]))
    clock.now_s += 4.0
    record.end_drives()
    assert len(list(read_audit(log.path))) == 1
    clock.now_s += 1.0
    record.end_drives()
    record.twist("cell/a", np.zeros(6))
    record.close()
    lines = [(entry.who, entry.action, entry.facts) for entry in read_audit(log.path)]
    assert [action for _, action, _ in lines] == ["robot.drive.begin", "robot.drive.end"] * 2
    assert lines[1] == (
        "cell/a",
        "robot.drive.end",
        {"robot": "paper", "commands": 400, "seconds": 9.98, "fastest_m_s": 0.05},
    )


@pytest.fixture
def robot() -> Iterator[GatedRobot]:
    with GatedRobot(PaperRobot(), LIMITS) as robot:
        yield robot


def test_what_a_robot_is_asked_is_written_down(robot: GatedRobot, tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    server = RobotServer(robot, "127.0.0.1:0", audit=log)
    server.start()
    with RobotClient(server.address, PATIENCE_S, PATIENCE_S) as client:
        client.wait_ready(PATIENCE_S)
        client.command(np.zeros(6))
        client.grip(0.02, 10.0)
        client.stop("a person in the way\n{}", emergency=True)
        with pytest.raises(SafetyError, match="a person takes this back"):
            client.resume()
    server.stop(0.2)
    entries = list(read_audit(log.path))
    assert {entry.who for entry in entries} == {"local"}
    assert [entry.action for entry in entries] == [
        *("robot.connect", "robot.drive.begin", "robot.grip", "robot.stop", "robot.resume", "robot.resume.refused"),
        "robot.drive.end",
    ]
    assert entries[2].facts == {"robot": "paper", "opening_m": 0.02, "force_n": 10.0}
    assert entries[3].facts["reason"] == "a person in the way\n{}"


def test_what_cannot_be_recorded_is_not_done_but_a_stop_is(robot: GatedRobot, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    server = RobotServer(robot, "127.0.0.1:0", audit=AuditLog(tmp_path / "file" / "audit.jsonl"))
    server.start()
    with RobotClient(server.address, PATIENCE_S, PATIENCE_S) as client:
        client.wait_ready(PATIENCE_S)
        with pytest.raises(SafetyError, match="what cannot be recorded is not done"):
            client.command(np.zeros(6))
        client.stop("now")
        end = time.monotonic() + PATIENCE_S
        while client.state().mode is not Mode.STOPPED:
            assert time.monotonic() < end
            time.sleep(0.01)
    server.stop(0.2)
