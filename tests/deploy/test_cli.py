"""The command: whatever is wrong is one line on stderr and a non-zero exit, and nothing is left half-written."""

import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from actors.insertion import KEYPOINTS
from deploy.cli import main
from deploy.config import load_config, save_config
from s3k_dist.features.client import FeatureClient
from s3k_dist.keypoints.detector import MODEL_KIND
from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig
from s3k_dist.weights import ModelManifest, WeightsRegistry

HANG_GUARD_S = 60.0


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that was begun and has recorded nothing."""
    folder = tmp_path / "run"
    folder.mkdir()
    save_config(folder, load_config("smoke"))
    return folder


@pytest.fixture
def seeing_run(run: Path) -> Path:
    """A run with a tiny promoted keypoint model."""
    network = NetworkConfig(keypoint_names=KEYPOINTS, image_size_px=64, channels=(8, 8), residual_blocks=0)
    registry = WeightsRegistry(run / "models")
    manifest = ModelManifest(kind=MODEL_KIND, config=network.model_dump(mode="json"))
    registry.promote(registry.publish(KeypointNetwork(network).state_dict(), manifest))
    return run


def refusal(arguments: Sequence[str | Path], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that the command says when it refuses."""
    assert main([str(argument) for argument in arguments]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("s3k: ")
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err
    return printed.err


@pytest.mark.parametrize("command", ["run", "collect"])
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--preset", "desktop"], "unknown preset 'desktop'; there are cluster, cluster-local, laptop, smoke"),
        (["--preset", "smoke", "--set", "polcy.batch=3"], "unknown key 'polcy'; available there: preset, seed"),
        (["--preset", "smoke", "--set", "policy.batch=many"], "policy.batch: Input should be a valid integer"),
        (["--preset", "smoke", "--set", "policy.batch"], "--set takes key=value"),
        (["--preset", "smoke", "--seed", "-1"], "seed: Input should be greater than or equal to 0, got -1"),
    ],
)
def test_a_wrong_setting_starts_nothing(
    command: str, arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert says in refusal([command, *arguments, "--out", tmp_path / "new"], capsys)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("command", ["run", "collect"])
def test_a_used_folder_is_not_written_over(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    says = refusal([command, "--preset", "smoke", "--out", tmp_path], capsys)
    assert "is not empty; `s3k run --resume" in says
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("command", ["run", "collect"])
@pytest.mark.parametrize("below", ["", "below"])
def test_a_folder_that_cannot_be_made_is_named(
    command: str, below: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    says = refusal([command, "--preset", "smoke", "--out", tmp_path / "file" / below], capsys)
    assert "run folder" in says
    assert (tmp_path / "file").read_bytes() == b""


def test_resuming_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is not a run: no config.yaml in it" in refusal(["run", "--resume", tmp_path], capsys)
    assert "is not a run" in refusal(["run", "--resume", tmp_path / "nowhere"], capsys)
    assert list(tmp_path.iterdir()) == []


def test_resuming_takes_no_other_seed_or_folder(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "leave out --seed and --out" in refusal(["run", "--resume", run, "--seed", "3"], capsys)
    assert "leave out --seed and --out" in refusal(["run", "--resume", run, "--out", run], capsys)


@pytest.mark.parametrize(
    "command", [("train", "keypoints"), ("train", "policy"), ("evaluate", "policy"), ("evaluate", "keypoints")]
)
def test_a_stage_needs_a_run(command: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    says = refusal([*command, "--run", tmp_path], capsys)
    assert "is not a run" in says or "no keypoint model" in says
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [("evaluate", "keypoints"), ("serve",)])
def test_a_run_without_a_model_says_what_makes_one(
    command: tuple[str, ...], run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    says = refusal([*command, "--run", run], capsys)
    assert "keypoint model" in says
    assert f"`s3k train keypoints --run {run}` makes one" in says
    assert not (run / "models").exists()


def test_evaluating_a_model_without_labels_says_so(seeing_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no labels at" in refusal(["evaluate", "keypoints", "--run", seeing_run], capsys)


def test_serving_on_a_port_in_use_says_so(seeing_run: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        answer = subprocess.run(
            [sys.executable, "-m", "deploy.cli", "serve", "--run", str(seeing_run), "--address", address],
            capture_output=True,
            text=True,
            timeout=HANG_GUARD_S,
            check=False,
        )
    assert answer.returncode == 1
    assert answer.stdout == ""
    lines = answer.stderr.splitlines()
    assert lines[-1].startswith(f"s3k: cannot listen on {address}: port {address.rpartition(':')[2]} is in use")
    assert "Traceback" not in answer.stderr


def test_serving_answers_and_ends_cleanly_when_told_to(seeing_run: Path) -> None:
    command = [sys.executable, "-m", "deploy.cli", "serve", "--run", str(seeing_run), "--address", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert "serving model version 1 at 127.0.0.1:" in line
            with FeatureClient(line.split(" at ")[1].partition(";")[0]) as client:
                client.wait_ready(HANG_GUARD_S)
                assert client.model().keypoint_names == KEYPOINTS
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=HANG_GUARD_S)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_no_command_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["dance"], ["train"], ["train", "keypoints"], ["run", "--seed", "x"]])
def test_a_wrong_command_line_shows_how_it_goes(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: s3k" in capsys.readouterr().err


def test_ctrl_c_has_an_exit_status_of_its_own(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(root: Path) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("deploy.evaluate_keypoints.print_evaluation", interrupt)
    assert main(["evaluate", "keypoints", "--run", str(run)]) == 130
