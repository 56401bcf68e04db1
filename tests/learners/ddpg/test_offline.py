"""Episodes go to files and come back, between this project and RLlib, both ways."""

from pathlib import Path
from types import SimpleNamespace

import msgpack
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ray.rllib.algorithms.bc import BCConfig
from ray.rllib.offline.offline_env_runner import OfflineSingleAgentEnvRunner
from ray.rllib.offline.offline_prelearner import OfflinePreLearner

from learners.ddpg.episodes import episode_from_chunk
from learners.ddpg.offline import read_episodes, read_sound_episodes, write_episodes
from s3k_dist.episodes import EpisodeChunk
from s3k_dist.errors import StorageError

OBSERVATION_SIZE, ACTION_SIZE = 3, 1


def episode(number: int, steps: int = 6, *, terminated: bool = True, success: bool | None = True) -> EpisodeChunk:
    """A person drove some steps of every second one."""
    rng = np.random.default_rng(number)
    return EpisodeChunk(
        episode_id=f"demo-{number}",
        cell_id="cell3",
        observations=rng.normal(size=(steps + 1, OBSERVATION_SIZE)).astype(np.float32),
        actions=rng.uniform(-1, 1, (steps, ACTION_SIZE)).astype(np.float32),
        rewards=rng.normal(size=steps).astype(np.float32),
        terminated=terminated,
        truncated=not terminated,
        start_step=0,
        policy_version=-1,
        model_versions=np.full(steps, 7),
        success=success,
        intervened=rng.random(steps) < 0.5 * (number % 2),
    )


def assert_same(first: EpisodeChunk, second: EpisodeChunk) -> None:
    for name in ("observations", "actions", "rewards", "model_versions", "intervened"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), name)
    for name in ("episode_id", "cell_id", "terminated", "truncated", "start_step", "policy_version", "success"):
        assert getattr(first, name) == getattr(second, name), name


def test_what_was_written_is_read(tmp_path: Path) -> None:
    episodes = [episode(0), episode(1, steps=1), episode(2, terminated=False, success=None), episode(3, success=False)]
    assert write_episodes(tmp_path / "demos.parquet", episodes) == 6 + 1 + 6 + 6
    for path in (tmp_path, tmp_path / "demos.parquet"):
        found = read_episodes(path)
        assert len(found) == len(episodes)
        for one, other in zip(episodes, found, strict=True):
            other.check(OBSERVATION_SIZE, ACTION_SIZE)
            assert_same(one, other)


def test_nothing_to_write_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no episode to write"):
        write_episodes(tmp_path / "demos.parquet", [])
    assert not list(tmp_path.iterdir())


def test_two_episodes_of_one_name_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="two episodes are named 'demo-1'"):
        write_episodes(tmp_path / "demos.parquet", [episode(0), episode(1), episode(1)])
    assert not list(tmp_path.iterdir())


def test_a_folder_without_episodes_and_files_of_another_kind_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no Parquet file in"):
        read_episodes(tmp_path)
    pq.write_table(pa.table({"eps_id": ["a"], "obs": [[1.0]]}), tmp_path / "other.parquet")
    with pytest.raises(StorageError, match=r"other\.parquet has no column actions, rewards.*there are eps_id, obs"):
        read_episodes(tmp_path)
    (tmp_path / "other.parquet").write_bytes(b"PAR1 but torn")
    with pytest.raises(StorageError, match=r"other\.parquet is not a file of episodes"):
        read_episodes(tmp_path)


def test_an_episode_that_lacks_a_step_is_named_and_hides_no_other(tmp_path: Path) -> None:
    write_episodes(tmp_path / "demos.parquet", [episode(0), episode(1)])
    table = pq.read_table(tmp_path / "demos.parquet")
    pq.write_table(table.filter(np.arange(len(table)) != 8), tmp_path / "demos.parquet")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 but torn")
    sound, damaged = read_sound_episodes(tmp_path)
    assert [one.episode_id for one in sound] == ["demo-0"]
    assert_same(sound[0], episode(0))
    assert set(damaged) == {"demo-1", str(tmp_path / "torn.parquet")}
    assert "step 3 follows step 1" in damaged["demo-1"]
    with pytest.raises(StorageError, match=r"torn\.parquet is not a file of episodes"):
        read_episodes(tmp_path)
    (tmp_path / "torn.parquet").unlink()
    with pytest.raises(StorageError, match="episode 'demo-1': step 3 follows step 1"):
        read_episodes(tmp_path)


def test_files_from_before_people_could_intervene_are_read(tmp_path: Path) -> None:
    write_episodes(tmp_path / "demos.parquet", [episode(1)])
    table = pq.read_table(tmp_path / "demos.parquet").drop_columns(["intervened"])
    pq.write_table(table, tmp_path / "demos.parquet")
    assert not read_episodes(tmp_path)[0].intervened.any()


def test_compressed_pickles_are_refused_with_advice(tmp_path: Path) -> None:
    row = {"eps_id": ["a"], "obs": ["BCJNGGhA"], "actions": [[0.0]], "rewards": [0.0]}
    pq.write_table(pa.table(row), tmp_path / "packed.parquet")
    with pytest.raises(StorageError, match=r"column obs of .*packed\.parquet.*output_compress_columns=\[\]"):
        read_episodes(tmp_path)


def test_a_pickle_in_a_recorded_episode_is_never_loaded(tmp_path: Path) -> None:
    """RLlib's recorded episodes may hold arrays of Python objects, which ``msgpack_numpy`` would unpickle."""
    state = episode_from_chunk(episode(0)).get_state()
    packed = msgpack.packb(state, default=as_msgpack_numpy_does)
    pq.write_table(pa.table({"item": [packed]}), tmp_path / "recorded.parquet")
    assert_same(read_episodes(tmp_path)[0], episode(0))
    state["observations"]["data"] = np.array([None, {}], dtype=object)
    pq.write_table(
        pa.table({"item": [msgpack.packb(state, default=as_msgpack_numpy_does)]}), tmp_path / "recorded.parquet"
    )
    with pytest.raises(StorageError, match="not a file of episodes"):
        read_episodes(tmp_path)


def as_msgpack_numpy_does(value: object) -> object:
    if isinstance(value, np.ndarray):
        pickled = value.dtype == object
        return {
            b"nd": True,
            b"type": value.dtype.descr if pickled else value.dtype.str,
            b"kind": b"O" if pickled else b"",
            b"shape": value.shape,
            b"data": value.dumps() if pickled else value.tobytes(),
        }
    if isinstance(value, np.generic):
        return {b"nd": False, b"type": value.dtype.str, b"data": value.tobytes()}
    raise TypeError(type(value))


def test_rllib_reads_the_same_steps_from_our_file(tmp_path: Path) -> None:
    """By what its algorithms map offline data with, without the Ray Data around it."""
    episodes = [episode(0), episode(1, terminated=False, success=None)]
    write_episodes(tmp_path / "demos.parquet", episodes)
    table = pq.read_table(tmp_path / "demos.parquet")
    batch = {name: table[name].to_pandas().to_numpy() for name in table.column_names}
    reader = SimpleNamespace(config=BCConfig())
    steps = OfflinePreLearner._map_to_episodes(reader, batch)["episodes"]
    assert len(steps) == 12
    for row, step in enumerate(steps):
        source, index = episodes[row // 6], row % 6
        np.testing.assert_array_equal(step.get_observations(0), source.observations[index])
        np.testing.assert_array_equal(step.get_observations(1), source.observations[index + 1])
        np.testing.assert_array_equal(step.get_actions(0), source.actions[index])
        assert step.get_rewards(0) == source.rewards[index]
        assert step.is_terminated == (source.terminated and index == 5)
        assert step.is_truncated == (source.truncated and index == 5)


def test_we_read_what_rllib_records(tmp_path: Path) -> None:
    """Its env runners write one row for each step, over several files."""
    source = episode(4, terminated=False, success=None)
    recorder = SimpleNamespace(output_compress_columns=[], _samples=[])
    OfflineSingleAgentEnvRunner._map_episodes_to_data(recorder, [episode_from_chunk(source)])
    for number, rows in enumerate((recorder._samples[:4], recorder._samples[4:])):
        folder = tmp_path / f"run-{number:06d}"
        folder.mkdir()
        columns = {name: [_plain(row[name]) for row in rows] for name in rows[0]}
        pq.write_table(pa.table(columns), folder / "part.parquet")
    found = read_episodes(tmp_path)
    assert len(found) == 1
    found[0].check(OBSERVATION_SIZE, ACTION_SIZE)
    assert found[0].episode_id == source.episode_id
    assert found[0].truncated
    for name in ("observations", "actions", "rewards"):
        np.testing.assert_array_equal(getattr(found[0], name), getattr(source, name), name)


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray) else value
