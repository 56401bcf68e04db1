"""An episode seen anew by the model that saw it first is the same episode; by another one, it is that one's."""

from pathlib import Path

import numpy as np
import pytest

from actors.demonstrations import refreshed_chunk
from actors.insertion import InsertionConfig, InsertionTask
from actors.rollout import Rollout
from actors.sim.cell import CableCell
from actors.sim.expert import expert_twist
from actors.track import Track, load_track, save_track, track_path
from s3k_dist.episodes import EpisodeChunk, episode_key
from s3k_dist.errors import ServiceUnavailableError, StorageError
from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame
from tests.actors.moments import seen_at


class Remembered:
    """Knows where the true keypoints were on each frame; ``offset_m`` away from it, and silent after some frames."""

    def __init__(self, cell: CableCell, answers: int = 10_000) -> None:
        self.cell, self.answers = cell, answers
        self.truth: dict[int, np.ndarray] = {}
        self.frames: list[MultiViewFrame] = []
        self.offset_m, self.version = np.zeros((3, 3)), 1

    def extract(self, frame: MultiViewFrame) -> FrameFeatures:
        if frame.sequence not in self.truth:
            if len(self.frames) >= self.answers:
                raise ServiceUnavailableError("no feature service at 127.0.0.1:1")
            self.truth[frame.sequence] = self.cell.truth().keypoints_m
            self.frames.append(frame)
        position_m = self.truth[frame.sequence] + self.offset_m
        return seen_at(position_m, model_version=self.version, frame=frame)


class Expert:
    """Steers by the truth, and keeps what it hands over."""

    version = 1

    def __init__(self, cell: CableCell) -> None:
        self.cell, self.chunks = cell, list[EpisodeChunk]()

    def refresh(self) -> None: ...

    def begin_episode(self) -> None: ...

    def act(self, observation: np.ndarray) -> np.ndarray:
        return expert_twist(self.cell) / self.cell.twist_limit

    def submit(self, chunk: EpisodeChunk) -> None:
        self.chunks.append(chunk)


def acted(cell: CableCell, answers: int = 10_000) -> tuple[Track, Remembered, EpisodeChunk]:
    """An episode in one chunk, its track, and its frames with their features."""
    seen, expert, tracks = Remembered(cell, answers), Expert(cell), list[Track]()
    task = InsertionTask(InsertionConfig(), 64)
    rollout = Rollout(cell, seen, task, chunk_steps=1000, keep_track=tracks.append)
    try:
        rollout.run(expert, seed=1)
    except ServiceUnavailableError:
        assert answers < 10_000
    (track,), (chunk,) = tracks, expert.chunks
    return track, seen, chunk


@pytest.mark.parametrize("answers", [10_000, 6])
def test_seen_anew_by_the_same_model_it_is_the_same_episode(
    shared_cell: CableCell, tmp_path: Path, answers: int
) -> None:
    track, seen, chunk = acted(shared_cell, answers)
    save_track(tmp_path, track)
    kept = load_track(track_path(tmp_path, episode_key(chunk.episode_id)))
    assert kept.frame_ids == [frame.frame_id for frame in seen.frames]
    anew = refreshed_chunk(kept, seen.frames, seen, InsertionTask(InsertionConfig(), 64))
    assert (anew.episode_id, anew.cell_id, len(anew)) == (chunk.episode_id, chunk.cell_id, len(chunk))
    assert (anew.terminated, anew.truncated) == (chunk.terminated, chunk.truncated)
    for name in ("observations", "actions", "rewards"):
        np.testing.assert_allclose(getattr(anew, name), getattr(chunk, name), atol=1e-6, err_msg=name)


def test_a_success_that_another_model_does_not_see_is_none(shared_cell: CableCell) -> None:
    track, seen, chunk = acted(shared_cell)
    assert chunk.success
    seen.version = 2
    seen.offset_m[2] = [0.02, 0, 0]  # the socket, 2 cm away
    anew = refreshed_chunk(track, seen.frames, seen, InsertionTask(InsertionConfig(), 64))
    assert set(anew.model_versions.tolist()) == {2}
    assert not anew.success
    assert not anew.terminated
    assert anew.truncated
    assert anew.rewards[-1] < 0.5 < chunk.rewards[-1]
    assert np.abs(anew.observations - chunk.observations).max() > 0.5


def test_a_damaged_track_says_so(tmp_path: Path) -> None:
    path = track_path(tmp_path, 5)
    path.write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(StorageError, match="not a recorded episode"):
        load_track(path)
    with pytest.raises(StorageError, match="not a recorded episode"):
        load_track(tmp_path / "none.npz")
