"""Episodes wherever they lie, a run's recordings or Parquet, and what is wrong with each."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from actors.insertion import ACTION_SIZE
from actors.recording import DEMONSTRATIONS, SEATED_DEPTH, RecordedEpisode, load_recording
from deploy.run_folder import RunFolder
from learners.ddpg.offline import read_sound_episodes
from s3k_dist.episodes import ACTION_TOLERANCE, EpisodeChunk
from s3k_dist.errors import StorageError
from s3k_dist.stream.reader import StreamReader

GRIPPER_NUMBERS, KEYPOINTS, AXES = 12, 3, 3


@dataclass(frozen=True)
class FoundEpisode:
    """What a table shows of an episode.

    Attributes:
        episode_id: names it; of a damaged file, the file.
        cell_id: where it was acted; empty where unknown.
        kind: of a recording: demonstration, human, noisy, random; of Parquet: parquet. Empty where unknown.
        steps: how many; None where unknown.
        episode_return: sum of rewards; None where there are none: a recording gets its rewards from a keypoint model.
        success: by the simulator's truth in a recording, by the task's verdict in Parquet; None where unknown.
        problems: what makes it unusable, in words.
    """

    episode_id: str
    cell_id: str = ""
    kind: str = ""
    steps: int | None = None
    episode_return: float | None = None
    success: bool | None = None
    problems: list[str] = field(default_factory=list)


def find_episodes(path: Path) -> list[FoundEpisode]:
    """All episodes at ``path`` with what is wrong with them; a damaged file is one of them and hides no other.

    Args:
        path: the folder of a run, its folder of recordings, or Parquet: a file or a folder with some.

    Raises:
        StorageError: there are none.
    """
    if not path.exists():
        raise StorageError(f"{path} does not exist; expected a run, its recordings, or Parquet")
    folder = RunFolder(path)
    if folder.recordings.is_dir():
        return _recordings(folder.recordings, folder.stream)
    if path.is_dir() and any(path.glob("*.npz")):
        return _recordings(path, RunFolder(path.absolute().parent).stream)
    if path.is_dir() and not any(path.rglob("*.parquet")):
        raise StorageError(f"no episodes in {path}; expected a run, its recordings (*.npz), or Parquet (*.parquet)")
    return _parquet(path)


def _recordings(recordings: Path, stream: Path) -> list[FoundEpisode]:
    files = sorted(recordings.glob("*.npz"))
    if not files:
        raise StorageError(f"no recorded episodes in {recordings}; `s3k demos record` and `s3k collect` make them")
    frames = _Frames(stream)
    found = []
    for file in files:
        try:
            found.append(_recording(load_recording(file), frames))
        except StorageError as error:
            found.append(FoundEpisode(str(file), problems=[str(error)]))
    return found


def _recording(episode: RecordedEpisode, frames: "_Frames") -> FoundEpisode:
    problems = list(_wrong_shapes(episode))
    if problems:  # nothing else can be said of such an episode
        return FoundEpisode(episode.episode_id, episode.cell_id, episode.kind, problems=problems)
    for name in ("actions", "grippers", "true_keypoints_m", "true_depth"):
        problems += _not_finite(name, getattr(episode, name))
    problems += _out_of_limits(episode.actions)
    problems += frames.problems(episode)
    seated = bool((episode.true_depth >= SEATED_DEPTH).any())
    demonstrates = episode.kind in DEMONSTRATIONS
    if demonstrates and not seated:
        problems.append(f"failure: never seated, {np.nanmax([0.0, *episode.true_depth]):.0%} of the depth at most")
    steps = len(episode.actions)
    return FoundEpisode(
        episode.episode_id, episode.cell_id, episode.kind, steps, None, seated if demonstrates else None, problems
    )


def _parquet(path: Path) -> list[FoundEpisode]:
    episodes, damaged = read_sound_episodes(path)
    found = [_chunk(episode) for episode in episodes]
    found += [FoundEpisode(name, problems=[reason]) for name, reason in damaged.items()]
    if not found:
        raise StorageError(f"no episodes in {path}")
    return found


def _chunk(episode: EpisodeChunk) -> FoundEpisode:
    problems: list[str] = []
    for name in ("observations", "actions", "rewards"):
        problems += _not_finite(name, getattr(episode, name))
    problems += _out_of_limits(episode.actions)
    if episode.start_step != 0:
        problems.append(f"gap: begins at step {episode.start_step}")
    if episode.success is False:
        problems.append("failure: not successful")
    total = float(np.sum(episode.rewards, dtype=np.float64))
    return FoundEpisode(episode.episode_id, episode.cell_id, "parquet", len(episode), total, episode.success, problems)


class _Frames:
    """What the stream has of recorded episodes."""

    def __init__(self, stream: Path) -> None:
        self._reader = StreamReader(stream)
        self._reader.refresh()

    def problems(self, episode: RecordedEpisode) -> Iterable[str]:
        """Gaps in the sequences, frames that are missing, damaged, or of another episode."""
        sequences = [int(sequence) for sequence in episode.sequences]
        jumps = [f"{before} to {after}" for before, after in pairwise(sequences) if after != before + 1]
        if jumps:
            yield f"gap: frames jump from {_some(jumps)}"
        names = [f"{episode.cell_id}/{sequence:08d}" for sequence in sequences]
        if missing := [name for name in names if self._reader.index_of(name) is None]:
            yield f"gap: the stream lacks {len(missing)} of {len(names)} frames: {_some(missing)}"
        for step, name in enumerate(names):
            if self._reader.index_of(name) is None:
                continue
            try:
                record = self._reader.read_by_id(name)
            except StorageError as error:
                yield f"frame {name} is damaged: {error}"
                continue
            if (record.episode_id, record.step) != (episode.episode_id, step):
                yield f"gap: frame {name} is step {record.step} of {record.episode_id}, expected step {step}"
                return  # the others are off by as much


def _wrong_shapes(episode: RecordedEpisode) -> Iterable[str]:
    steps = episode.actions.shape[0] if episode.actions.ndim else 0
    for name, expected in (
        ("actions", (steps, ACTION_SIZE)),
        ("sequences", (steps + 1,)),
        ("grippers", (steps + 1, GRIPPER_NUMBERS)),
        ("true_keypoints_m", (steps + 1, KEYPOINTS, AXES)),
        ("true_depth", (steps + 1,)),
    ):
        shape = getattr(episode, name).shape
        if shape != expected:
            yield f"{name} has shape {shape}, expected {expected}"
    if steps == 0:
        yield "it has no steps"


def _not_finite(name: str, array: np.ndarray) -> Iterable[str]:
    bad = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1).astype(np.float64)).all(axis=1))
    if len(bad):
        yield f"{name} not finite at step {_some(bad.tolist())}"


def _out_of_limits(actions: np.ndarray) -> Iterable[str]:
    reach = np.abs(np.nan_to_num(actions.astype(np.float64), posinf=0.0, neginf=0.0)).max(axis=1, initial=0.0)
    bad = np.flatnonzero(reach > 1 + ACTION_TOLERANCE)
    if len(bad):
        yield f"actions reach {reach.max():.3g}, expected [-1, 1], at step {_some(bad.tolist())}"


def _some(values: list[object] | list[str] | list[int]) -> str:
    shown = ", ".join(map(str, values[:3]))
    return shown if len(values) <= 3 else f"{shown} and {len(values) - 3} more"
