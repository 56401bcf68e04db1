"""`s3k tune`: what is refused, and a search that is killed and goes on."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.cli import main
from deploy.config import PolicyConfig
from deploy.tune.config import SEARCH_NAME, SearchConfig, new_search, read_search, save_search
from deploy.tune.importance import importances, write_importance
from deploy.tune.report import best_first, write_table
from deploy.tune.space import SPACE, Choice, Span, defaults, searched, with_settings
from deploy.tune.trials import Trial, TrialFolder
from s3k_dist.errors import ConfigError, StorageError

SMALL = [
    *("--level", "easy", "--trials", "2", "--env-steps", "16", "--jobs", "1"),
    *("--set", "demonstrations=1", "--set", "evaluation_episodes=1", "--set", "reports=2", "--set", "grace=2"),
    *("--set", "policy.pretrain_updates=2", "--set", "policy.hidden_sizes=[8]", "--set", "policy.batch=8"),
]
DEADLINE_S = 300.0  # a busy machine takes minutes to start Ray twice
DEFAULT = PolicyConfig().model_dump()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "deploy.cli", "tune", *arguments]


def state(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"state": "missing"}
    return found


def wait_for(process: subprocess.Popen[bytes], path: Path, wanted: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while state(path)["state"] != wanted:
        assert process.poll() is None, "the search ended early"
        assert time.monotonic() < deadline, f"{path.name} is {state(path)['state']}, not {wanted}"
        time.sleep(0.02)


@pytest.mark.timeout(2 * DEADLINE_S + 60)
def test_a_killed_search_goes_on_with_the_trials_it_has(tmp_path: Path) -> None:
    folder = tmp_path / "search"
    first, second = (folder / "trials" / f"0000{number}.json" for number in range(2))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command(*SMALL, "--out", str(folder)), env=environment, start_new_session=True) as process:
        try:
            wait_for(process, first, "finished")
            wait_for(process, second, "running")
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    finished, begun = first.read_bytes(), state(second)["settings"]
    demonstrations = (folder / "demonstrations.parquet").read_bytes()

    answer = subprocess.run(
        command("--resume", str(folder)), env=environment, capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert answer.returncode == 0, answer.stderr
    assert "table:" in answer.stdout
    assert first.read_bytes() == finished
    assert (folder / "demonstrations.parquet").read_bytes() == demonstrations
    assert sorted(path.name for path in (folder / "trials").iterdir()) == [first.name, second.name]
    # The first is judged at the defaults; the second is what was under way.
    assert json.loads(finished)["settings"] == defaults(read_search(folder))
    assert (state(second)["state"], state(second)["settings"]) == ("finished", begun)
    with (folder / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["trial"] for row in rows} == {"0", "1"}
    assert float(rows[0]["evaluation"]) >= float(rows[1]["evaluation"])
    assert "batch" not in rows[0]
    assert "`batch=8`" in (folder / "table.md").read_text()
    assert (folder / "importance.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--level", "harder"], "no level 'harder'; there are easy, standard, hard"),
        (["--set", "policy.actr_lr=1"], "the search: unknown key 'policy.actr_lr'; available there: env_steps"),
        (["--set", "episodes=1"], "the search: unknown key 'episodes'; available there: level, noise_mm, trials"),
        (["--set", "policy.gamma=2"], "policy.gamma: Input should be less than 1, got 2"),
        (["--trials", "0"], "trials: Input should be greater than or equal to 1, got 0"),
        (["--noise-mm", "-1"], "noise_mm: Input should be greater than or equal to 0"),
        (
            [part for name in SPACE for part in ("--set", f"policy.{name}={getattr(PolicyConfig(), name)}")],
            "nothing is",
        ),
    ],
)
def test_a_wrong_setting_starts_nothing(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", *arguments, "--out", str(tmp_path / "new")]) == 1
    assert says in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_used_folder_is_not_written_over_and_a_foreign_one_not_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["tune", "--out", str(tmp_path)]) == 1
    assert "`s3k tune --resume" in capsys.readouterr().err
    assert main(["tune", "--resume", str(tmp_path)]) == 1
    assert "is not a search: no search.yaml in it" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_resuming_takes_no_other_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_search(tmp_path, SearchConfig())
    assert main(["tune", "--resume", str(tmp_path), "--level", "easy", "--set", "policy.batch=8"]) == 1
    assert "leave out --level, --set" in capsys.readouterr().err
    assert read_search(tmp_path) == SearchConfig()


def test_every_setting_of_the_space_is_the_policy_s_and_holds_its_default() -> None:
    for name, span in SPACE.items():
        default = getattr(PolicyConfig(), name)
        match span:
            case Span(low, high):
                assert low <= default <= high, name
                ends = [low, high]
            case Choice(values):
                assert default in values, name
                ends = list(values)
        for end in ends:
            assert getattr(with_settings(SearchConfig(), {name: end}), name) == end


def test_what_is_set_by_hand_is_not_drawn() -> None:
    config = new_search({"policy": {"env_steps": 10}}, ["policy.gamma=0.9", "policy.hidden_sizes=[8]", "window=3"])
    assert (config.fixed, config.window) == (("gamma", "hidden_sizes"), 3)
    assert "gamma" not in searched(config)
    policy = with_settings(config, {"n_step": 2})
    assert (policy.env_steps, policy.gamma, policy.hidden_sizes, policy.n_step) == (10, 0.9, (8,), 2)


@pytest.fixture
def trials() -> list[Trial]:
    """Twenty whose success is the actor's learning rate alone, one that was stopped, one that failed."""
    begin = defaults(SearchConfig())
    finished = [
        Trial(number, {**begin, "actor_lr": 3e-5 * 1.2**number}, "finished", [9], [0.1], number / 20)
        for number in range(20)
    ]
    return [*finished, Trial(20, begin, "failed", reason="it broke"), Trial(21, begin, "stopped", [9], [0.4])]


def test_trials_are_told_best_first_and_what_decided_is_found(trials: list[Trial], tmp_path: Path) -> None:
    config = SearchConfig()
    assert [trial.number for trial in best_first(trials)] == [*reversed(range(20)), 21, 20]
    write_table(tmp_path, config, trials)
    lines = [line for line in (tmp_path / "table.md").read_text().splitlines() if line.startswith("| ")]
    assert lines[1].startswith("| 19 | 95% | 10% | 9 |")
    assert lines[21].startswith("| 21 | stopped | 40% | 9 |")
    shares = importances(config, trials)
    assert next(iter(shares)) == "actor_lr"
    assert sum(shares.values()) == pytest.approx(1.0)
    write_importance(tmp_path, config, trials[:1])  # too few to tell: says so, and is a picture
    assert importances(config, trials[:1]) == {}
    assert (tmp_path / "importance.png").read_bytes().startswith(b"\x89PNG")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    kept = TrialFolder(tmp_path / "trials")
    kept.write(Trial(3, {"gamma": 0.9}))
    assert kept.read() == [Trial(3, {"gamma": 0.9})]
    (tmp_path / "trials" / "00004.json").write_text('{"number": 4')
    with pytest.raises(StorageError, match=r"00004\.json is not a trial"):
        kept.read()
    (tmp_path / SEARCH_NAME).write_text("level: [")
    with pytest.raises(ConfigError, match=r"search\.yaml is damaged"):
        read_search(tmp_path)
