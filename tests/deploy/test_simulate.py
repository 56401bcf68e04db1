"""`s3k simulate`: a data set that the project reads, one line for every fault, and a clean end by Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.cli import main
from s3k_dist.datasets.folder import DatasetFolder

GUARD_S = 60.0


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """The command takes them for its process, which here is that of all tests."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_data_set_is_made_and_the_next_command_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "data"
    sizes = ["--scenes", "12", "--labels", "2", "--held-out", "3", "--size", "32", "--seed", "7"]
    more = ["--label-mode", "start", "--click-noise", "0.5", "--option", "mode=so3", "--option", "distractors=1"]
    assert main(["simulate", "box", *sizes, *more, "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert f"simulated: {out}, 12 scenes, 2 labels to train on, 3 held out\n" in printed.out
    assert f"next: s3k train keypoints --data {out} --out {out}-models\n" in printed.out
    folder = DatasetFolder(out)
    labels = folder.read_labels()
    assert labels is not None
    assert [label.frame for label in labels.of_split("train")] == ["box/00000000", "box/00000001"]
    assert all(label.clicks for label in labels.of_split("train"))
    assert len(labels.of_split("held_out")) == 3
    assert len(folder.open_stream()) == 12


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sphere"], "unknown scene 'sphere'; there are box, domain-shift, shoes, plush"),
        (["box", "--option", "colour=red"], "scene 'box' has no option 'colour'; it has mode, distractors, phases"),
        (["box", "--option", "mode=flat"], "unknown box mode 'flat'; there are tilt, so3"),
        (["box", "--label-mode", "end"], "unknown label mode 'end'; there are full, start"),
        (["box", "--scenes", "30"], "100 held out do not fit into 30 scenes"),
        (["box", "--scenes", "-3"], "expected 1 scene or more"),
        (["box", "--seed", "-3"], "the seed of a scene is 0 or more; got -3"),
        (["box", "--size", "0"], "the side of an image is 1 px or more; got 0"),
        (
            ["shoes", "--option", "meshes=/nowhere"],
            "/nowhere: expected one .obj mesh per shoe; there is no such",
        ),
    ],
)
def test_a_fault_is_one_line_and_makes_no_folder(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.simulate.require_rendering", lambda: None)  # for speed
    assert main(["simulate", *arguments, "--out", str(tmp_path / "new")]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("s3k: ")
    assert says in printed.err
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_used_folder_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    arguments = ["simulate", "box", "--scenes", "9", "--labels", "1", "--held-out", "1", "--out", str(tmp_path)]
    assert main(arguments) == 1
    assert "is there already and not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_machine_without_opengl_is_told_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUJOCO_GL", "nothing-of-the-kind")
    assert main(["simulate", "plush", "--out", str(tmp_path / "new")]) == 1
    assert "rendering: " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_early_end_leaves_neither_files_nor_processes(number: signal.Signals, tmp_path: Path) -> None:
    sizes = ["--scenes", "100000", "--size", "32", "--out", str(tmp_path / "new")]
    command = [sys.executable, "-c", FOUR_CORES, "simulate", "box", *sizes]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            assert "s3k simulate box" in process.stdout.readline()
            assert "render" in process.stdout.readline()
            children = _workers(process)
            if number == signal.SIGINT:
                os.killpg(process.pid, number)  # a terminal's Ctrl-C reaches all of them
            else:
                process.send_signal(number)
            _, errors = process.communicate(timeout=GUARD_S)
        finally:
            process.kill()
    assert process.returncode == 130
    assert errors == "\nstopping; nothing is kept\n"
    assert list(tmp_path.iterdir()) == []
    _, alive = psutil.wait_procs(children, timeout=GUARD_S)
    assert alive == []


def _workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Once all have begun to work."""
    while True:
        assert process.poll() is None
        children = [p for p in psutil.Process(process.pid).children() if "--multiprocessing-fork" in p.cmdline()]
        if len(children) == 4 and all(child.cpu_times().user > 0.2 for child in children):
            return children
        time.sleep(0.05)


FOUR_CORES = """
import os, sys
os.sched_getaffinity = lambda pid: set(range(4))
from deploy.cli import main
if __name__ == "__main__":
    sys.exit(main())
"""
