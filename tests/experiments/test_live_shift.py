"""A scene that changes, with runs that a stand-in for the `s3k` command writes: changes as asked, figures, page."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.sim.cell import CableCell, CableCellSpec
from deploy.config import load_config
from deploy.run_folder import RunFolder
from experiments import live_shift, shared_start
from experiments.live_shift import SETTINGS, due_changes
from experiments.live_shift_figures import true_motion_m
from experiments.run_course import read_course, windows
from s3k_dist.errors import StorageError
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter

PLAN = SETTINGS["smoke"].plan
RECORDED, EPISODE_STEPS = 5, 9
# Of the made-up models: usual error, and its factor at first and at the end of the time after a change.
USUAL_MM, AT_FIRST, AT_LAST = 0.5, 4.0, {"adapting": 1.1, "frozen": 4.0}


class Command:
    """Does with a folder what `s3k` would, in no time; notes what it was asked."""

    def __init__(self, cell: CableCell) -> None:
        self.asked: list[list[str]] = []
        self._cell = cell

    def __call__(self, arguments: Sequence[str], ends_s: float | None) -> bool:
        self.asked.append(list(arguments))
        match arguments[:2]:
            case ["collect", _]:
                folder = RunFolder(_value(arguments, "--out"))
                folder.create()
                with StreamWriter(folder.stream, self._cell.cell_id) as writer:
                    for step in range(RECORDED):
                        writer.append(StreamRecord(self._cell.observe().frame, "e", step, model_version=0))
                folder.note(recorded=True)
            case ["train", "keypoints"]:
                RunFolder(_value(arguments, "--run")).note(sees=True)
            case _:
                settings = [words for flag, words in pairwise(arguments) if flag == "--set"]
                way = "frozen" if "keypoints.follow_stream=false" in settings else "adapting"
                config = load_config("smoke", settings)
                assert config.cells.count == 2, "that there is one cell is set in what runs share"
                _write_run(RunFolder(_value(arguments, "--resume")), way, list(config.cells.changes))
        return True


@pytest.fixture(scope="module")
def cell() -> Iterator[CableCell]:
    cell = CableCell(CableCellSpec(image_px=64))
    cell.reset(0)
    yield cell
    cell.stop()


@pytest.fixture
def command(cell: CableCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    cell.resume_after(-1)
    command = Command(cell)
    monkeypatch.setattr(shared_start, "s3k", command)
    return command


def test_both_ways_begin_alike_and_the_page_tells_them_apart(command: Command) -> None:
    assert live_shift.main(["--preset", "smoke"]) == 0
    assert [words[0] for words in command.asked] == ["collect", "train", "run", "run"]
    assert "cells.count=1" in command.asked[0]
    text = Path("docs/experiments/live_shift_smoke.md").read_text()
    goals = dict(re.findall(r"^\| (.*?) \| .* \| (yes|no|too short to say) \|$", text, re.MULTILINE))
    assert goals == {
        "the frozen model at least doubles its error at some change": "yes",
        "the adapting one returns to 1.25 of it": "yes",
        "an alarm within 60 s of each change, at 4 Hz": "yes",
        "no false alarm in an hour": "too short to say",
        "the moved camera is named": "no",  # the frozen run names none
        "its motion is found within 20%": "no",
    }
    assert "| 1 in 1 minutes of all runs before the first change |" in text
    rows = [line for line in text.splitlines() if line.startswith("| distractors")]
    # Before, worst, end; the made-up error is the same for all keypoints of a frame.
    assert re.search(r"adapting \| 0\.50 / 1\.\d\d / 0\.55 \| .* \| 1\.10 \|", rows[0])
    assert re.search(r"frozen \| 0\.50 / 2\.00 / 2\.00 \| .* \| 4\.00 \| 4\.00 \|", rows[1])
    assert rows[0].endswith("| 5 s (10) |")  # an alarm after 20 frames, on a cell of 2 frames a second
    assert "| frozen | " in text
    assert rows[1].endswith("| on |")
    assert "| adapting, seed 0 | cam2 after 15 s | cam2 | 9.0 | 1.0 | 0.00 | 0 | 0 |" in text
    assert "| frozen, seed 0 | not named | – | – | – | – | 0 | 0 |" in text
    for picture in re.findall(r"!\[.*?\]\(\.\./(images/.*?)\)", text):
        assert (Path("docs") / picture).stat().st_size > 5000
    # Nothing is done twice; what is missing is said.
    command.asked.clear()
    assert live_shift.main(["--preset", "smoke"]) == 0
    assert command.asked == []


def test_one_run_alone_has_a_page_that_says_so(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert live_shift.main(["--preset", "smoke", "--curve", "frozen-seed0"]) == 0
    assert "Not run: adapting-seed0." in Path("docs/experiments/live_shift_smoke.md").read_text()
    assert live_shift.main(["--preset", "smoke", "--list"]) == 0
    assert "open  adapting-seed0\ndone  frozen-seed0" in capsys.readouterr().out
    assert live_shift.main(["--preset", "smoke", "--curve", "thawed"]) == 1
    assert "no curve 'thawed'; there are: adapting-seed0, frozen-seed0" in capsys.readouterr().err


@pytest.mark.parametrize("preset", SETTINGS)
def test_changes_come_an_interval_apart_after_what_was_recorded(preset: str) -> None:
    plan = SETTINGS[preset].plan
    due = due_changes(plan, 1000)
    assert [change.after_frames for change in due] == [
        1000 + number * plan.interval_frames for number in range(1, len(due) + 1)
    ]
    assert 1e3 * np.linalg.norm(true_motion_m(due[-1])) == pytest.approx(10.0)


def test_a_run_without_what_is_needed_is_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with pytest.raises(StorageError, match="no training episodes"):
        read_course(folder)
    folder.episodes.write_text('{"stage": "train", "steps": 3, "t_s": 1.0}\n')
    with pytest.raises(StorageError, match="has no first_sequence, error_mm: it was made by an older version"):
        read_course(folder)


def test_windows_are_of_the_frames_before_them(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    _write_run(folder, "frozen", due_changes(PLAN, RECORDED))
    course = read_course(folder)
    rolling = windows(course, 20, 10)
    for index, median, p95, success in zip(
        rolling.index, rolling.median_mm, rolling.p95_mm, rolling.success, strict=True
    ):
        within = course.error_mm[index - 20 : index]
        np.testing.assert_allclose((median, p95), np.percentile(within, [50, 95]))
        assert success in (0.0, 0.5, 1.0)
    assert course.seconds_at(course.sequence[course.ends[3]]) == course.t_s[3]
    assert len(windows(course, 10**6, 10).index) == 1


def _write_run(folder: RunFolder, way: str, changes: Sequence[Any]) -> None:
    """Episodes of 9 steps, and errors as the made-up model has them; a frame takes half a second."""
    lines, drift = list[dict[str, Any]](), list[dict[str, Any]]()
    sequence, seen, since = RECORDED, 0, RECORDED
    end = RECORDED + (1 + len(changes)) * PLAN.interval_frames
    while sequence < end:
        if seen < len(changes) and sequence >= changes[seen].after_frames:
            since, seen = sequence, seen + 1
            # The frozen one's first alarm stays on.
            if way == "adapting":
                drift += [_alarm("began", sequence + 20), _alarm("over", sequence + 60)]
            elif seen == 1:
                drift.append(_alarm("began", sequence - 3))
            if way == "adapting" and changes[seen - 1].camera is not None:
                drift.append(_moved(0.9 * true_motion_m(changes[seen - 1]), sequence + 60))
        frames = np.arange(sequence, sequence + EPISODE_STEPS + 1)
        settled = np.clip((frames - since) / 60, 0, 1)
        factor = 1.0 if not seen else AT_FIRST + settled * (AT_LAST[way] - AT_FIRST)
        error = USUAL_MM * factor * np.ones((3, len(frames)))
        lines.append(
            {
                "t_s": 0.5 * (sequence + EPISODE_STEPS),
                "stage": "train",
                "first_sequence": sequence,
                "steps": EPISODE_STEPS,
                "truly_inserted": seen == 0 or way == "adapting",
                "model_version": 1 + seen,
                "error_mm": np.round(error, 2).tolist(),
            }
        )
        sequence += EPISODE_STEPS + 1
    folder.create()
    folder.episodes.write_text("".join(json.dumps(line) + "\n" for line in lines))
    folder.drift.write_text("".join(json.dumps({"at_s": 0.0, "cell": "cell0"} | line) + "\n" for line in drift))
    summary = {"wall_s": 60.0, "machine": {"cpu": "a CPU", "cores": 2}, "keypoints": {"labelled_frames": 24}}
    folder.summary.write_text(json.dumps(summary))


def _alarm(state: str, at: int) -> dict[str, Any]:
    return {
        "kind": "alarm",
        "state": state,
        "signal": "residual",
        "subject": "camera",
        "name": "cam2",
        "at_sequence": at,
    }


def _moved(centre_m: np.ndarray, at: int) -> dict[str, Any]:
    found = {"centre_m": centre_m.tolist(), "turned_rad": [0.0, 0.0, 0.0], "settled": True}
    return {"kind": "moved camera", "camera": "cam2", "at_sequence": at, **found}


def _value(arguments: Sequence[str], flag: str) -> Path:
    return Path(arguments[list(arguments).index(flag) + 1])
