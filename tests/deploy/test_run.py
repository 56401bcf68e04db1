"""``s3k run --preset smoke`` as a person runs it: to its end, and stopped and resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from learners.ddpg.offline import read_episodes

DEADLINE_S = 280
STOP_S = 30  # a run promises 10; the rest is for a busy machine

pytestmark = pytest.mark.timeout(2 * DEADLINE_S)


@contextmanager
def s3k(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command under way; nothing of it outlives the block, whatever a test finds."""
    with subprocess.Popen(
        [sys.executable, "-m", "deploy.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                for child in psutil.Process(process.pid).children(recursive=True):
                    with suppress(psutil.NoSuchProcess):
                        child.kill()
                process.kill()


def finish(*arguments: str) -> str:
    """Standard output of a command that succeeds."""
    with s3k(*arguments) as process:
        output, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, errors
    return output


def ray_processes() -> set[int]:
    found = set()
    for process in psutil.process_iter(["name", "cmdline"]):
        words = [process.info["name"] or "", *(process.info["cmdline"] or [])]
        if any("raylet" in word or word.startswith("ray::") or "gcs_server" in word for word in words):
            found.add(process.pid)
    return found


def until(condition: Callable[[], bool], process: subprocess.Popen[str], timeout_s: float = DEADLINE_S) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it did not get there in time"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A smoke run to its end."""
    root = tmp_path_factory.mktemp("runs") / "smoke"
    before = ray_processes()
    output = finish("run", "--preset", "smoke", "--out", str(root), "--set", "control.port=0")
    until_gone(before)
    return root, output


def until_gone(before: set[int]) -> None:
    end = time.monotonic() + STOP_S
    while ray_processes() - before and time.monotonic() < end:
        time.sleep(0.2)
    assert not ray_processes() - before, "processes outlive the run"


def test_a_run_goes_through_every_part(finished):
    root, output = finished
    summary = json.loads((root / "summary.json").read_text())
    assert summary["preset"] == "smoke"
    assert summary["keypoints"]["labelled_frames"] == 24
    assert summary["keypoints"]["heldout_frames"] == 8
    assert summary["keypoints"]["model_version"] >= 1
    assert set(summary["keypoints"]["per_keypoint_median_mm"]) == {"plug_tip", "plug_base", "socket"}
    assert summary["policy"]["env_steps"] >= 120
    assert summary["policy"]["updates"] > 0
    assert summary["policy"]["eval_episodes"] == 4
    assert 0 <= summary["policy"]["eval_success_rate"] <= 1
    assert summary["service"]["p99_ms"] >= summary["service"]["p50_ms"] > 0
    assert summary["drift"] == {"alarms": 0, "by_signal": {}, "moved_cameras": {}}
    assert set(summary["stream"]["cells"]) == {"cell0", "cell1"}
    assert summary["stream"]["frames"] == sum(summary["stream"]["cells"].values())
    assert summary["policy"]["intervention_rate"] == 0
    assert "report.html" in output
    assert "take over cell0 at http://127.0.0.1:" in output


def test_a_run_leaves_everything_it_promises(finished):
    root, _ = finished
    for name in ("config.yaml", "report.html", "metrics.jsonl", "policy.safetensors", "labels.json", "pictures.npz"):
        assert (root / name).stat().st_size > 0, name
    progress = json.loads((root / "progress.json").read_text())
    assert len(read_episodes(root / "demonstrations.parquet")) == progress["demonstrations"] > 0
    assert list((root / "tensorboard").glob("events*"))
    assert list((root / "checkpoints").glob("checkpoint-*"))
    stages = {json.loads(line)["stage"] for line in (root / "episodes.jsonl").read_text().splitlines()}
    assert stages == {"cloned", "train", "evaluate"}


def test_the_stages_can_be_asked_one_by_one(finished):
    root, _ = finished
    assert json.loads(finish("evaluate", "keypoints", "--run", str(root)))["frames"] == 8


def test_stage_by_stage_on_one_folder_with_the_same_data_for_the_same_seed(finished, tmp_path):
    root, _ = finished
    finish("collect", "--preset", "smoke", "--out", str(tmp_path / "again"))
    assert (tmp_path / "again" / "labels.json").read_bytes() == (root / "labels.json").read_bytes()
    names = sorted(path.name for path in (root / "recordings").iterdir())
    assert sorted(path.name for path in (tmp_path / "again" / "recordings").iterdir()) == names
    run, shorter = ("--run", str(tmp_path / "again")), ("--set", "evaluation.cloned_episodes=1")
    assert "s3k train policy" in finish("train", "keypoints", *run)
    assert "s3k evaluate policy" in finish("train", "policy", *run, "--set", "policy.env_steps=60", *shorter)
    finish("evaluate", "policy", *run, "--set", "evaluation.episodes=2")
    stages = [json.loads(line)["stage"] for line in (tmp_path / "again" / "episodes.jsonl").read_text().splitlines()]
    assert stages.count("evaluate") == 2


def cell_processes(since: set[int]) -> set[int]:
    found = set()
    for pid in ray_processes() - since:
        with suppress(psutil.NoSuchProcess):
            if any("CellProcess" in word for word in psutil.Process(pid).cmdline()):
                found.add(pid)
    return found


@pytest.mark.faults
def test_a_killed_cell_is_replaced_ctrl_c_stops_and_resume_goes_on(tmp_path):
    root, before = tmp_path / "run", ray_processes()
    episodes = root / "episodes.jsonl"

    def trained() -> int:
        return episodes.read_text().count('"train"') if episodes.exists() else 0

    with s3k("run", "--preset", "smoke", "--out", str(root), "--set", "policy.env_steps=100000") as process:
        until(lambda: trained() >= 3, process)
        cells = cell_processes(before)
        assert len(cells) == 2
        os.kill(min(cells), signal.SIGKILL)
        until(lambda: bool(cell_processes(before) - cells), process)
        seen = trained()
        until(lambda: trained() >= seen + 6, process)

        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=STOP_S)
    assert process.returncode == 130
    assert "--resume" in errors
    assert "Traceback" not in errors
    until_gone(before)
    episodes_before = trained()
    kept = {path: path.stat().st_mtime_ns for path in (root / "recordings").iterdir()}
    assert list((root / "checkpoints").glob("checkpoint-*"))

    finish("run", "--resume", str(root), "--set", "policy.env_steps=150")
    summary = json.loads((root / "summary.json").read_text())
    assert summary["policy"]["training_episodes"] >= episodes_before
    assert {path: path.stat().st_mtime_ns for path in (root / "recordings").iterdir()} == kept
    until_gone(before)


def listens_at(pid: int) -> set[str]:
    """Addresses at which a process and all that it began wait for somebody."""
    found = set()
    for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            found |= {each.laddr.ip for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN}
    return {address.removeprefix("::ffff:") for address in found}


def test_a_run_listens_on_loopback_and_a_second_ctrl_c_ends_it_at_once_and_leaves_nothing_behind(tmp_path):
    root, before = tmp_path / "run", ray_processes()
    with s3k("run", "--preset", "smoke", "--out", str(root)) as process:
        until(lambda: any((root / "recordings").glob("*.npz")), process)
        assert listens_at(process.pid) == {"127.0.0.1"}
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=STOP_S)
    assert process.returncode == 130
    until_gone(before)
