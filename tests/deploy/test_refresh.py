"""Stored episodes get the features of the promoted model from the frames of a real stream, a little at a time."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from actors.insertion import InsertionConfig
from actors.track import Track, save_track, track_path
from deploy.refresh import FORGOTTEN_AFTER_S, FeatureRefresher
from s3k_dist.episodes import EpisodeChunk, episode_key
from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter
from tests.actors.moments import seen_at
from tests.scenes import frame as made_frame
from tests.scenes import ring

STEPS = 3
ABOVE_M = np.array([[0.0, 0, 0.06], [0.0, 0, 0.09], [0.0, 0, 0.02]])


class Model:
    """Sees the same wherever it looks, and says when it was asked."""

    def __init__(self, version: int) -> None:
        self.version, self.asked = version, list[str]()

    def extract(self, frame: MultiViewFrame) -> FrameFeatures:
        self.asked.append(frame.frame_id)
        return seen_at(ABOVE_M, model_version=self.version, frame=frame)


class Learner:
    """Stores episodes by key with the version of their features, and remembers what it is told."""

    def __init__(self, episodes: Iterable[str]) -> None:
        self.versions = dict.fromkeys(map(episode_key, episodes), 1)
        self.said: list[str] = []
        self.restored_s = 0.0

    def features_promoted(self, version: int) -> None:
        self.said.append(f"promoted {version}")

    def stale_episodes(self, version: int) -> np.ndarray:
        return np.array([key for key, made_by in self.versions.items() if made_by != version], np.int64)

    def stored_episodes(self) -> np.ndarray:
        return np.array(list(self.versions), np.int64)

    def refresh(self, chunk: EpisodeChunk) -> None:
        (version,) = set(chunk.model_versions.tolist())
        self.versions[episode_key(chunk.episode_id)] = version
        self.said.append(f"refreshed {chunk.episode_id}")

    def put_back(self, chunk: EpisodeChunk) -> None:
        self.versions[episode_key(chunk.episode_id)] = int(chunk.model_versions[0])
        self.said.append(f"put back {chunk.episode_id}, {len(chunk)} steps")

    def restored_from_s(self) -> float:
        return self.restored_s

    def features_refreshed(self) -> None:
        self.said.append("all")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Five episodes of three steps in a stream, and their tracks."""
    (tmp_path / "tracks").mkdir()
    (tmp_path / "recordings").mkdir()
    cameras = ring()
    with StreamWriter(tmp_path / "stream", "cell0") as writer:
        for episode in range(5):
            sequences = np.arange(STEPS + 1) + episode * (STEPS + 1)
            for step, sequence in enumerate(sequences.tolist()):
                frame = made_frame(cameras, sequence=sequence)
                writer.append(StreamRecord(frame, f"episode-{episode}", step, 1))
            track = Track(f"episode-{episode}", "cell0", sequences, np.zeros((STEPS + 1, 12)), np.zeros((STEPS, 6)))
            save_track(tmp_path / "tracks", track)
    return tmp_path


def refresher(run: Path, learner: Learner) -> FeatureRefresher:
    reader = StreamReader(run / "stream")

    def read(frame_ids: list[str]) -> Iterable[MultiViewFrame]:
        reader.refresh()
        return (reader.read_by_id(frame_id).frame for frame_id in frame_ids)

    return FeatureRefresher(learner, run / "tracks", run / "recordings", read, InsertionConfig(), 64)


def names(count: int) -> list[str]:
    return [f"episode-{number}" for number in range(count)]


def test_every_stored_episode_is_refreshed_a_little_at_a_time(run: Path) -> None:
    learner = Learner(names(3))
    refreshing = refresher(run, learner)
    assert refreshing.advance(1.0).version == 0
    model = Model(2)
    refreshing.begin(2, model)
    status = refreshing.advance(0.0)
    assert (status.version, status.left, status.refreshed, status.done) == (2, 2, 1, False)
    assert learner.said == ["promoted 2", "refreshed episode-0"]
    assert model.asked == [f"cell0/{sequence:08d}" for sequence in range(STEPS + 1)]
    while not (status := refreshing.advance(0.0)).done:
        pass
    assert (status.refreshed, status.lost) == (3, 0)
    assert set(learner.versions.values()) == {2}
    assert learner.said[-1] == "all"
    refreshing.advance(0.0)
    assert learner.said.count("all") == 1


def test_enough_is_said_before_all_is_done(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.refresh.ENOUGH_EPISODES", 2)
    learner = Learner(names(4))
    refreshing = refresher(run, learner)
    refreshing.begin(2, Model(2))
    while not refreshing.advance(0.0).done:
        pass
    assert learner.said.index("all") == 3
    assert learner.said.count("all") == 1
    assert learner.said[-1] == "refreshed episode-3"


def test_an_episode_that_ends_later_is_found_later(run: Path) -> None:
    learner = Learner(names(1))
    refreshing = refresher(run, learner)
    refreshing.begin(2, Model(2))
    assert refreshing.advance(1.0).done
    learner.versions[episode_key("episode-4")] = 1  # it was under way when the model was promoted
    assert refreshing.advance(1.0).refreshed == 2
    assert set(learner.versions.values()) == {2}


def test_what_is_lost_is_counted_and_holds_nobody_up(run: Path) -> None:
    learner = Learner(["without a track", *names(4)])
    track_path(run / "tracks", episode_key("episode-0")).write_bytes(b"torn")
    shard = next((run / "stream" / "cell0").glob("*.s3k"))
    save_track(
        run / "tracks", Track("episode-1", "cell0", np.arange(90, 94), np.zeros((STEPS + 1, 12)), np.zeros((STEPS, 6)))
    )
    refreshing = refresher(run, learner)
    refreshing.begin(2, Model(2))
    status = refreshing.advance(5.0)
    assert (status.left, status.refreshed, status.lost) == (0, 2, 2)
    assert learner.said[-1] == "all"
    assert shard.exists()


def test_a_newer_model_begins_anew(run: Path) -> None:
    learner = Learner(names(3))
    refreshing = refresher(run, learner)
    refreshing.begin(2, Model(2))
    refreshing.advance(0.0)
    refreshing.begin(3, Model(3))
    assert refreshing.advance(5.0).refreshed == 3
    assert set(learner.versions.values()) == {3}


def test_tracks_of_forgotten_episodes_go_when_they_are_old(run: Path) -> None:
    learner = Learner(names(2))
    long_ago = time.time() - FORGOTTEN_AFTER_S - 1
    for name in names(4):
        os.utime(track_path(run / "tracks", episode_key(name)), (long_ago, long_ago))
    refreshing = refresher(run, learner)
    refreshing.begin(2, Model(2))
    refreshing.advance(5.0)
    left = {path.name for path in (run / "tracks").iterdir()}
    assert left == {track_path(run / "tracks", episode_key(f"episode-{number}")).name for number in (0, 1, 4)}


def test_a_learner_gets_again_what_it_lost_with_its_process(run: Path) -> None:
    learner = Learner(names(2))
    for number in range(5):
        os.utime(track_path(run / "tracks", episode_key(f"episode-{number}")), (1000 + number, 1000 + number))
    learner.restored_s = 1002.5  # episodes 3 and 4 ended after the checkpoint; 2 was forgotten before
    refreshing = refresher(run, learner)
    refreshing.begin(2, Model(2), put_back=True)
    status = refreshing.advance(5.0)
    assert status.put_back == 2
    assert learner.said[:3] == ["promoted 2", "put back episode-3, 3 steps", "put back episode-4, 3 steps"]
    assert set(learner.said[3:]) == {"refreshed episode-0", "refreshed episode-1", "all"}
    refreshing.begin(3, Model(3))
    assert refreshing.advance(5.0).put_back == 2, "once"
