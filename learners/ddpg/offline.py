"""Episodes as files in RLlib's own offline format (Parquet): its algorithms read ours, and ours read theirs.

RLlib knows two layouts. One row for each step, in columns, is what is written here, and what RLlib's algorithms read by
default. One row for each episode, a msgpack-encoded state, is what RLlib's env runners record by default; it is read,
but for arrays of Python objects, which are pickles.
"""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from s3k_dist.atomic import write_atomic
from s3k_dist.episodes import EpisodeChunk
from s3k_dist.errors import StorageError

MODULE_ID = "default_policy"
REQUIRED = ("eps_id", "obs", "actions", "rewards")
ITEM = "item"  # the column of whole episodes
PLAIN_KINDS = "biuf"  # of NumPy types: booleans, integers, floats
MOST_VALUES, MOST_BYTES = 500_000_000, 4 * 1024**3
UNREADABLE = (OSError, pa.ArrowException, ValueError, KeyError, TypeError, IndexError, msgpack.UnpackException)


def write_episodes(path: Path, episodes: Iterable[EpisodeChunk]) -> int:
    """Write episodes as one Parquet file, whole or not at all.

    Beside RLlib's columns there are ``cell_id``, ``model_version`` of each observation, ``policy_version``, ``success``
    and ``intervened``; RLlib takes them for outputs of the module.

    Args:
        path: of the file.
        episodes: whole ones, from step 0.

    Returns:
        How many steps were written.

    Raises:
        StorageError: there is no step to write, two episodes have one name, or the file cannot be written.
    """
    rows: dict[str, list[Any]] = {}
    names: set[str] = set()
    for episode in episodes:
        if episode.episode_id in names:  # read again, they would be one
            raise StorageError(f"two episodes are named {episode.episode_id!r}; nothing is written to {path}")
        names.add(episode.episode_id)
        for name, values in _columns(episode).items():
            rows.setdefault(name, []).extend(values)
    if not rows:
        raise StorageError(f"there is no episode to write to {path}")
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(rows, schema=_schema(rows)), sink, compression="zstd")
    write_atomic(path, sink.getvalue().to_pybytes())
    return len(rows["eps_id"])


def read_episodes(path: Path) -> list[EpisodeChunk]:
    """Read episodes that were written here or recorded by RLlib.

    Args:
        path: a Parquet file, or a folder with some at any depth.

    Raises:
        StorageError: there is none, one is damaged or of another layout, or an episode lacks steps; names it.
    """
    episodes, damaged = read_sound_episodes(path)
    if damaged:
        raise StorageError(next(iter(damaged.values())))
    return episodes


def read_sound_episodes(path: Path) -> tuple[list[EpisodeChunk], dict[str, str]]:
    """Like ``read_episodes``, but what is damaged hides nothing else.

    Returns:
        The episodes that could be read, and by file or episode what is wrong with each other one.

    Raises:
        StorageError: there is no file.
    """
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise StorageError(f"no Parquet file in {path}")
    episodes: list[EpisodeChunk] = []
    damaged: dict[str, str] = {}
    # RLlib spreads the steps of an episode over several files.
    rows: dict[str, list[dict[str, Any]]] = {}
    for file in files:
        try:
            _require_modest(file)
            table = pq.read_table(file)
            if ITEM in table.column_names:
                states = [msgpack.unpackb(state.as_py(), object_hook=_array) for state in table[ITEM]]
                episodes.extend([_from_state(state) for state in states])
                continue
            _require_columns(file, table)
            for row in table.to_pylist():
                rows.setdefault(str(row["eps_id"]), []).append(row)
        except StorageError as error:
            damaged[str(file)] = str(error)
        except UNREADABLE as error:
            damaged[str(file)] = f"{file} is not a file of episodes: {' '.join(str(error).split())}"
    for episode_id, steps in rows.items():
        try:
            episodes.append(_from_rows(steps))
        except UNREADABLE as error:
            reason = " ".join(str(error).split())
            damaged[episode_id] = f"{path} is not a file of episodes: episode {episode_id!r}: {reason}"
    return episodes, damaged


def _require_modest(file: Path) -> None:
    """Raises StorageError: a file whose few bytes claim more values than anybody recorded."""
    metadata = pq.read_metadata(file)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    values = sum(group.column(column).num_values for group in groups for column in range(group.num_columns))
    claimed = sum(group.total_byte_size for group in groups)
    if max(metadata.num_rows, values) > MOST_VALUES or claimed > MOST_BYTES:
        raise StorageError(
            f"{file} claims {values} values of {claimed} bytes, at most {MOST_VALUES} of {MOST_BYTES} are read"
        )


def _require_columns(file: Path, table: pa.Table) -> None:
    if missing := [name for name in REQUIRED if name not in table.column_names]:
        raise StorageError(
            f"{file} has no column {', '.join(missing)}: expected RLlib's offline columns, {', '.join(REQUIRED)} "
            f"and more, or {ITEM}; there are {', '.join(table.column_names)}"
        )
    for name in ("obs", "actions"):
        if pa.types.is_string(table.schema.field(name).type):
            raise StorageError(
                f"column {name} of {file} holds compressed pickles, which are not loaded: "
                "record with offline_data(output_compress_columns=[])"
            )


def _columns(episode: EpisodeChunk) -> dict[str, list[Any]]:
    """A row for each step."""
    steps = len(episode)
    observations = np.asarray(episode.observations, np.float32).tolist()
    last = [False] * (steps - 1)
    return {
        "eps_id": [episode.episode_id] * steps,
        "agent_id": [None] * steps,
        "module_id": [MODULE_ID] * steps,
        "t": list(range(episode.start_step, episode.start_step + steps)),
        "obs": observations[:-1],
        "actions": np.asarray(episode.actions, np.float32).tolist(),
        "rewards": np.asarray(episode.rewards, np.float32).tolist(),
        "new_obs": observations[1:],
        "terminateds": [*last, episode.terminated],
        "truncateds": [*last, episode.truncated],
        "cell_id": [episode.cell_id] * steps,
        "model_version": np.asarray(episode.model_versions, np.int64).tolist(),
        "policy_version": [episode.policy_version] * steps,
        "success": [episode.success] * steps,
        "intervened": np.asarray(episode.intervened, bool).tolist(),
    }


def _schema(names: Iterable[str]) -> pa.Schema:
    numbers = pa.list_(pa.float32())
    types = {
        **dict.fromkeys(("eps_id", "agent_id", "module_id", "cell_id"), pa.string()),
        **dict.fromkeys(("obs", "actions", "new_obs"), numbers),
        **dict.fromkeys(("t", "model_version", "policy_version"), pa.int64()),
        **dict.fromkeys(("terminateds", "truncateds", "success", "intervened"), pa.bool_()),
        "rewards": pa.float32(),
    }
    return pa.schema([(name, types[name]) for name in names])


def _from_rows(rows: list[dict[str, Any]]) -> EpisodeChunk:
    """The steps of one episode, in any order where they are numbered; ValueError where one is missing."""
    if "t" in rows[0]:
        rows = sorted(rows, key=lambda row: int(row["t"]))
        numbers = [int(row["t"]) for row in rows]
        for before, number in pairwise(numbers):
            if number != before + 1:
                raise ValueError(f"step {number} follows step {before}, of {len(rows)} steps")
    first, last = rows[0], rows[-1]
    terminated = bool(last.get("terminateds", False))
    # Without a next observation the last one stands twice, as RLlib reads it.
    final = last["obs"] if last.get("new_obs") is None else last["new_obs"]
    return EpisodeChunk(
        episode_id=str(first["eps_id"]),
        cell_id=str(first.get("cell_id", "demonstration")),
        observations=np.asarray([*(row["obs"] for row in rows), final], np.float32),
        actions=np.asarray([row["actions"] for row in rows], np.float32).reshape(len(rows), -1),
        rewards=np.asarray([row["rewards"] for row in rows], np.float32),
        terminated=terminated,
        truncated=bool(last.get("truncateds", False)) and not terminated,
        start_step=int(first.get("t", 0)),
        policy_version=int(first.get("policy_version", -1)),
        model_versions=np.asarray([row.get("model_version", 0) for row in rows], np.int64),
        success=first.get("success"),
        intervened=np.asarray([bool(row.get("intervened")) for row in rows]),
    )


def _from_state(state: dict[str, Any]) -> EpisodeChunk:
    """What ``SingleAgentEpisode.get_state`` holds."""
    observations = np.asarray(state["observations"]["data"], np.float32)
    actions = np.asarray(state["actions"]["data"], np.float32)
    lookback = int(state["actions"]["lookback"])
    steps = len(actions) - lookback
    outputs = state.get("extra_model_outputs") or {}
    versions = outputs["model_version"]["data"] if "model_version" in outputs else np.zeros(len(actions))
    intervened = outputs["intervened"]["data"] if "intervened" in outputs else np.zeros(len(actions))
    custom = state.get("custom_data") or {}
    return EpisodeChunk(
        episode_id=str(state["id_"]),
        cell_id=str(custom.get("cell_id", "demonstration")),
        observations=observations[lookback:],
        actions=actions[lookback:].reshape(steps, -1),
        rewards=np.asarray(state["rewards"]["data"], np.float32)[lookback:],
        terminated=bool(state["is_terminated"]),
        truncated=bool(state["is_truncated"]) and not state["is_terminated"],
        start_step=int(state["t_started"]),
        policy_version=int(custom.get("policy_version", -1)),
        model_versions=np.asarray(versions, np.int64)[lookback:],
        success=custom.get("success"),
        intervened=np.asarray(intervened, bool)[lookback:],
    )


def _array(value: dict[Any, Any]) -> Any:
    """What ``msgpack_numpy`` encodes, without its pickles."""
    if b"nd" not in value and "nd" not in value:
        return value
    fields = {key.decode() if isinstance(key, bytes) else key: part for key, part in value.items()}
    kind = fields["type"].decode() if isinstance(fields["type"], bytes) else fields["type"]
    dtype = np.dtype(kind) if isinstance(kind, str) else None
    if dtype is None or dtype.kind not in PLAIN_KINDS:
        return None  # infos; what an episode is made of is numbers
    if not fields["nd"]:
        return np.frombuffer(fields["data"], dtype)[0]
    return np.frombuffer(fields["data"], dtype).reshape(fields["shape"])
