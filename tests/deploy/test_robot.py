"""``s3k robot`` as a person uses it: served, watched, stopped; and files that are wrong."""

import os
import signal
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
import yaml

from deploy.cli import main
from deploy.robot_file import RobotFile, make_driver, read_robot_file
from s3k_dist.access.audit import read_audit
from s3k_dist.errors import ConfigError

DEADLINE_S = 60
LIMITS = {"workspace": {"low_m": [0, 0, 0], "high_m": [1, 1, 1]}}


def test_a_robot_is_served_sent_home_stopped_and_brought_to_rest(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    audit = tmp_path / "audit.jsonl"
    with subprocess.Popen(
        [sys.executable, "-m", "deploy.cli", "robot", "serve", "--address", "127.0.0.1:0", "--audit", str(audit)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "MUJOCO_GL": "egl"},
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "simulated behind its gate at 127.0.0.1:" in line
            at = ["--address", line.split(" at ")[1].split(";")[0]]
            assert main(["robot", "state", *at]) == 0
            assert "no fresh command" in capsys.readouterr().out
            assert main(["robot", "home", *at]) == 0
            assert main(["robot", "state", *at]) == 0
            position_mm = capsys.readouterr().out.split(" at ")[1].split(" mm")[0]
            assert [float(value) for value in position_mm.split(",")] == pytest.approx([0, 0, 165], abs=3)
            assert main(["robot", "stop", *at]) == 0
            assert main(["robot", "home", *at]) == 1
            assert "not home: s3k robot stop" in capsys.readouterr().err
            assert main(["robot", "resume", *at]) == 0
            assert main(["robot", "stop", "--emergency", *at]) == 0
            assert main(["robot", "resume", *at]) == 1
            assert "a person takes this back" in capsys.readouterr().err
            process.send_signal(signal.SIGINT)
            assert process.wait(DEADLINE_S) == 0
        finally:
            process.kill()
    assert main(["robot", "state", *at]) == 1
    assert "no robot at" in capsys.readouterr().err
    assert [entry.action.removeprefix("robot.") for entry in read_audit(audit)] == [
        *("connect", "home", "stop", "home", "resume", "stop", "resume", "resume.refused"),
    ]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"limits": {"workspace": {"low_m": [1, 0, 0], "high_m": [0, 1, 1]}}}, "must be below high_m"),
        ({"driver": "rm -rf"}, "driver: String should match"),
        ({"limits": {}}, r"limits\.workspace: Field required"),
        ({"step_s": 1.0}, "step_s: Input should be less than or equal to 0.1"),
    ],
)
def test_a_wrong_robot_file_is_told_what_is_wrong(changes: dict[str, object], says: str, tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump({"driver": "simulated", "limits": LIMITS} | changes))
    with pytest.raises(ConfigError, match=says):
        read_robot_file(path)


@pytest.mark.parametrize(
    ("driver", "says"),
    [
        ("no_such_module:Robot", "No module named 'no_such_module'"),
        ("json:Robot", "has no attribute 'Robot'"),
        ("json:JSONDecoder", "lacks name, has_wrench, has_gripper, home_m, read, follow, grip, close"),
        ("actors.robots.simulated:SimulatedRobot", "missing 2 required positional arguments"),
    ],
)
def test_a_driver_that_cannot_be_made_is_named(driver: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump({"driver": driver, "limits": LIMITS}))
    with pytest.raises(ConfigError, match=says):
        make_driver(read_robot_file(path))


def test_a_served_simulated_robot_is_within_its_own_limits() -> None:
    robot = read_robot_file(Path(__file__).parents[2] / "deploy/robots/simulated.yaml")
    driver = make_driver(robot)
    assert robot.limits.tight_workspace.contains(driver.home_m)
    driver.close()


@pytest.mark.parametrize("name", ["sawyer", "ur", "simulated"])
def test_the_files_that_are_shipped_are_robot_files(name: str) -> None:
    file = read_robot_file(Path(str(resources.files("deploy") / "robots" / f"{name}.yaml")))
    assert file.driver == name


def test_a_shipped_driver_refuses_options_it_does_not_have() -> None:
    for name in ("sawyer", "ur"):
        with pytest.raises(ConfigError, match=f"driver {name}: .*unexpected keyword argument 'port_number'"):
            make_driver(RobotFile.model_validate({"driver": name, "options": {"port_number": 1}, "limits": LIMITS}))
