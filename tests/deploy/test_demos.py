"""`s3k demos`: what is recorded is listed, what is wrong with it is named, and a run takes it from Parquet."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from actors.collector import Collector
from actors.recording import RecordedEpisode, load_recordings, save_recording
from deploy.cells import collector_spec, configured_cells
from deploy.cli import main
from deploy.config import load_config, read_config, save_config
from deploy.demos.parquet import configured_demonstrations, under_names_of_their_own
from deploy.demos.record import record_expert
from deploy.processes import demonstration_ids
from deploy.run import run as start_run
from deploy.run_folder import RunFolder
from learners.ddpg.offline import read_episodes, write_episodes
from s3k_dist.episodes import EpisodeChunk
from s3k_dist.errors import ConfigError, StorageError

KEYPOINT_NUMBERS, ACTIONS = 24, 6


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two demonstrations and one episode of exploration."""
    folder = RunFolder(tmp_path_factory.mktemp("recorded"))
    folder.create()
    config = load_config("smoke")
    save_config(folder.root, config)
    collector = Collector(collector_spec(config, folder, configured_cells(config)[0]))
    collector.record([("demonstration", 1), ("demonstration", 2), ("random", 3)])
    collector.stop()
    return folder.root


@pytest.fixture
def run(recorded: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(recorded, tmp_path / "run"))


def spoil(run: Path, episode_id: str, change: Callable[[RecordedEpisode], RecordedEpisode]) -> None:
    episodes = {episode.episode_id: episode for episode in load_recordings(run / "recordings")}
    save_recording(run / "recordings", change(episodes[episode_id]))


def printed(capsys: pytest.CaptureFixture[str], *arguments: str | Path, status: int = 0) -> str:
    assert main(["demos", *map(str, arguments)]) == status
    return capsys.readouterr().out


def changed(array: np.ndarray, index: object, value: float) -> np.ndarray:
    array = array.copy()
    array[index] = value
    return array


def chunk(name: str, steps: int = 4, size: int = KEYPOINT_NUMBERS, **fields: object) -> EpisodeChunk:
    rng = np.random.default_rng(steps)
    values: dict[str, object] = {
        "episode_id": name,
        "cell_id": "cell0",
        "observations": rng.normal(size=(steps + 1, size)).astype(np.float32),
        "actions": rng.uniform(-1, 1, (steps, ACTIONS)).astype(np.float32),
        "rewards": np.full(steps, 0.25, np.float32),
        "terminated": True,
        "truncated": False,
        "start_step": 0,
        "policy_version": -1,
        "model_versions": np.ones(steps, np.int64),
        "success": True,
    }
    return EpisodeChunk(**{**values, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize("below", ["", "recordings"])
def test_recordings_are_listed_and_good_ones_pass(
    recorded: Path, below: str, capsys: pytest.CaptureFixture[str]
) -> None:
    head, first, second, third, total = printed(capsys, "list", recorded / below).splitlines()
    assert head.split() == ["episode", "cell", "kind", "steps", "return", "success"]
    assert first.split()[:3] == ["cell0-demonstration-1", "cell0", "demonstration"]
    assert first.split()[-2:] == second.split()[-2:] == ["–", "yes"]
    assert third.split()[1:] == ["cell0", "random", "18", "–", "–"]
    assert total.startswith("3 episodes, ")
    assert total.endswith("all usable")
    assert printed(capsys, "check", recorded / below).splitlines() == [total]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda e: replace(e, true_depth=np.minimum(e.true_depth, 0.5)),
            "failure: never seated, 50% of the depth at most",
        ),
        (
            lambda e: replace(e, actions=changed(e.actions, (2, 0), 1.5)),
            "actions reach 1.5, expected [-1, 1], at step 2",
        ),
        (lambda e: replace(e, actions=changed(e.actions, (3, 1), np.nan)), "actions not finite at step 3"),
        (lambda e: replace(e, grippers=changed(e.grippers, (0, 1), np.inf)), "grippers not finite at step 0"),
        (lambda e: replace(e, sequences=changed(e.sequences, -1, 999)), "gap: frames jump from"),
        (lambda e: replace(e, sequences=changed(e.sequences, -1, 999)), "gap: the stream lacks 1 of"),
        (lambda e: replace(e, sequences=e.sequences + 1), "is step 1 of cell0-demonstration-1, expected step 0"),
        (lambda e: replace(e, grippers=e.grippers[1:]), "grippers has shape"),
        (lambda e: replace(e, actions=e.actions[:0]), "it has no steps"),
    ],
)
def test_an_unusable_recording_is_named_with_the_reason_and_no_other_is(
    run: Path, change: Callable[[RecordedEpisode], RecordedEpisode], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(run, "cell0-demonstration-1", change)
    *problems, total = printed(capsys, "check", run, status=1).splitlines()
    assert any(line.startswith("cell0-demonstration-1: ") and says in line for line in problems)
    assert all(line.startswith("cell0-demonstration-1: ") for line in problems)
    assert total.startswith("3 episodes, ")
    assert total.endswith("1 unusable")


def test_a_damaged_file_is_named_and_hides_no_other(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run / "recordings" / "cell0-demonstration-1.npz"
    path.write_bytes(path.read_bytes()[:200])
    (problem, total) = printed(capsys, "check", run, status=1).splitlines()
    assert problem.startswith(f"{path} is not a recorded episode")
    assert total.endswith("1 unusable")
    listed = printed(capsys, "list", run)
    assert "damaged" in listed
    assert "cell0-demonstration-2" in listed


def test_a_damaged_frame_is_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shard, *_) = sorted((run / "stream" / "cell0").glob("*.s3k"))
    content = bytearray(shard.read_bytes())
    content[-2000] ^= 0xFF
    shard.write_bytes(content)
    assert "is damaged" in printed(capsys, "check", run, status=1)


def test_recordings_without_their_stream_are_gaps(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(run / "stream")
    assert "gap: the stream lacks" in printed(capsys, "check", run / "recordings", status=1)


def test_parquet_is_listed_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, failed = chunk("good"), chunk("failed", 3, success=False, terminated=False, truncated=True)
    far = chunk("far", actions=np.full((4, ACTIONS), 2.0, np.float32))
    broken = chunk("broken", rewards=np.array([0, np.nan, 0, 0], np.float32))
    write_episodes(tmp_path / "demos.parquet", [good])
    assert printed(capsys, "check", tmp_path / "demos.parquet") == "1 episodes, 4 steps, all usable\n"
    assert printed(capsys, "list", tmp_path).splitlines()[1].split() == [
        "good",
        "cell0",
        "parquet",
        "4",
        "1.000",
        "yes",
    ]

    write_episodes(tmp_path / "more.parquet", [failed, far, broken])
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 but torn")
    *problems, total = printed(capsys, "check", tmp_path, status=1).splitlines()
    assert problems[:3] == [
        "failed: failure: not successful",
        "far: actions reach 2, expected [-1, 1], at step 0, 1, 2 and 1 more",
        "broken: rewards not finite at step 1",
    ]
    assert problems[3].startswith(f"{tmp_path / 'torn.parquet'} is not a file of episodes")
    assert total == "5 episodes, 15 steps, 4 unusable"


def test_a_step_that_is_missing_in_parquet_is_a_gap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_episodes(tmp_path / "demos.parquet", [chunk("whole"), chunk("holed", 6)])
    table = pq.read_table(tmp_path / "demos.parquet")
    pq.write_table(table.filter(np.arange(len(table)) != 6), tmp_path / "demos.parquet")
    assert "'holed': step 3 follows step 1" in printed(capsys, "check", tmp_path, status=1)
    assert "whole" in printed(capsys, "list", tmp_path)


@pytest.mark.parametrize("action", ["list", "check"])
def test_where_there_is_nothing_it_says_what_is_expected(
    action: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run" / "recordings").mkdir(parents=True)
    for path, says in (
        (tmp_path / "nowhere", "does not exist; expected a run, its recordings, or Parquet"),
        (tmp_path / "run", "no recorded episodes in"),
        (tmp_path, "no episodes in"),
    ):
        assert main(["demos", action, str(path)]) == 1
        assert says in capsys.readouterr().err


def test_the_expert_records_into_a_new_run_and_adds_to_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = tmp_path / "new"
    assert "recorded: 1 " in printed(capsys, "record", "--out", new, "--preset", "smoke", "--episodes", "1")
    assert read_config(new).preset == "smoke"
    config = read_config(new)
    assert record_expert(config, new, "cell1", 1, seed=None) == 1
    assert record_expert(config, new, "cell0", 2, seed=3) == 2
    assert record_expert(config, new, "cell0", 2, seed=3) == 0
    with pytest.raises(ConfigError, match="unknown cell 'cell7'; this run has cell0, cell1"):
        record_expert(config, new, "cell7", 1, seed=None)
    assert demonstration_ids(RunFolder(new), "cell0") == [
        "cell0-demonstration-3",
        "cell0-demonstration-4",
        "cell0-demonstration-50000",
    ]
    assert demonstration_ids(RunFolder(new), "cell1") == ["cell1-demonstration-50000"]
    assert printed(capsys, "check", new).startswith("4 episodes")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--preset", "smoke"], "--preset and --set go with --out"),
        (["--set", "cells.image_px=64"], "--preset and --set go with --out"),
    ],
)
def test_a_recording_that_does_not_fit_the_run_is_refused(
    run: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted((run / "recordings").iterdir())
    assert main(["demos", "record", "--run", str(run), *arguments]) == 1
    assert says in capsys.readouterr().err
    assert sorted((run / "recordings").iterdir()) == before


def test_a_run_that_would_not_learn_from_more_takes_none(run: Path) -> None:
    RunFolder(run).note(cloned=True)
    with pytest.raises(ConfigError, match=r"has cloned its demonstrations.*record with --out DIR"):
        record_expert(read_config(run), run, "cell0", 1, seed=None)


def test_a_used_folder_is_no_new_one(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demos", "record", "--out", str(run)]) == 1
    assert "is not empty" in capsys.readouterr().err


def test_what_a_person_kept_is_a_demonstration_like_the_experts(run: Path) -> None:
    (first, *_) = load_recordings(run / "recordings")
    save_recording(run / "recordings", replace(first, kind="human", episode_id="cell0-human-1"))
    assert demonstration_ids(RunFolder(run), "cell0") == [
        "cell0-demonstration-1",
        "cell0-demonstration-2",
        "cell0-human-1",
    ]


def test_a_run_takes_demonstrations_from_parquet_but_for_failures(tmp_path: Path) -> None:
    write_episodes(
        tmp_path / "demos.parquet", [chunk("good"), chunk("failed", success=False), chunk("any", success=None)]
    )
    config = load_config("smoke", [f"policy.demonstrations={tmp_path}"])
    assert [episode.episode_id for episode in configured_demonstrations(config)] == ["good", "any"]
    assert configured_demonstrations(load_config("smoke")) == []


def test_episodes_of_one_name_from_two_runs_stay_two(tmp_path: Path) -> None:
    both = under_names_of_their_own([chunk("a"), chunk("b"), chunk("a", 5), chunk("a", 6)])
    write_episodes(tmp_path / "demos.parquet", both)
    found = {episode.episode_id: len(episode) for episode in read_episodes(tmp_path)}
    assert found == {"a": 4, "b": 4, "a~2": 5, "a~3": 6}


def test_a_relative_path_means_the_same_when_a_run_is_resumed_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_config(tmp_path, load_config("smoke", ["policy.demonstrations=demos.parquet"]))
    monkeypatch.chdir("/")
    assert read_config(tmp_path).policy.demonstrations == tmp_path / "demos.parquet"


@pytest.mark.parametrize(
    ("episodes", "says"),
    [
        (
            [chunk("other", size=31)],
            r"'other' of .* has 31 numbers in an observation, this run has 24 \(task\.observation",
        ),
        ([chunk("failed", success=False)], "every episode of .* is a failure"),
        ([chunk("far", actions=np.full((4, ACTIONS), 2.0, np.float32))], "actions reach 2, expected"),
        ([chunk("two", actions=np.zeros((4, 2), np.float32))], r"expected actions of shape \(4, 6\)"),
        ([chunk("late", start_step=5)], "'late' of .* starts at step 5, expected whole episodes"),
    ],
)
def test_parquet_that_does_not_fit_the_run_is_refused(tmp_path: Path, episodes: list[EpisodeChunk], says: str) -> None:
    write_episodes(tmp_path / "demos.parquet", episodes)
    with pytest.raises(ConfigError, match=says):
        configured_demonstrations(load_config("smoke", [f"policy.demonstrations={tmp_path / 'demos.parquet'}"]))


def test_parquet_that_is_not_there_stops_a_run_before_it_begins(tmp_path: Path) -> None:
    config = load_config("smoke", [f"policy.demonstrations={tmp_path / 'nowhere.parquet'}"])
    with pytest.raises(StorageError, match=r"nowhere\.parquet is not a file of episodes"):
        start_run(config, tmp_path / "new")
    assert not (tmp_path / "new").exists()
