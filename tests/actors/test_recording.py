"""Episodes on disk, demonstrations out of them, and the labels drawn from them."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from actors.demonstrations import demonstration_chunk
from actors.insertion import KEYPOINTS, InsertionConfig, InsertionTask
from actors.labelling import click_labels
from actors.recording import Kind, RecordedEpisode, load_recordings, record_episode, save_recording
from actors.sim.cell import CableCell
from s3k_dist.errors import ConfigError, StorageError
from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.writer import StreamWriter
from tests.actors.moments import seen_at

KINDS: tuple[Kind, ...] = ("demonstration", "noisy", "random")


@pytest.fixture(scope="module")
def recorded(shared_cell: CableCell, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[RecordedEpisode]]:
    """The folder of a stream, and one episode of each kind in it."""
    root = tmp_path_factory.mktemp("stream")
    with StreamWriter(root, shared_cell.cell_id) as writer:
        shared_cell.resume_after(writer.next_sequence - 1)
        return root, [record_episode(shared_cell, writer, kind, seed) for seed, kind in enumerate(KINDS)]


@pytest.fixture
def episodes(recorded: tuple[Path, list[RecordedEpisode]]) -> list[RecordedEpisode]:
    return recorded[1]


def read_stream(root: Path) -> StreamReader:
    reader = StreamReader(root)
    reader.refresh()
    return reader


def test_every_step_is_in_the_stream_and_in_the_episode(recorded: tuple[Path, list[RecordedEpisode]]) -> None:
    root, episodes = recorded
    reader = read_stream(root)
    assert reader.frame_ids() == [f"{e.cell_id}/{int(s):08d}" for e in episodes for s in e.sequences]
    position = 0
    for episode in episodes:
        moments = len(episode.actions) + 1
        for field, shape in {
            "sequences": (moments,),
            "grippers": (moments, 12),
            "actions": (moments - 1, 6),
            "true_keypoints_m": (moments, 3, 3),
            "true_depth": (moments,),
            "visible": (moments, 4, 3),
        }.items():
            assert getattr(episode, field).shape == shape
        assert np.abs(episode.actions).max() <= 1
        for step in range(moments):
            record = reader.read(position)
            assert (record.episode_id, record.step, record.model_version) == (episode.episode_id, step, 0)
            position += 1


def test_a_demonstration_ends_inserted_and_exploration_does_not_only_repeat_it(
    episodes: list[RecordedEpisode],
) -> None:
    demonstration, noisy, random = episodes
    assert demonstration.true_depth[-1] >= 0.95
    assert demonstration.true_depth[0] == 0
    assert np.abs(noisy.actions[:4] - demonstration.actions[:4]).max() > 0.1
    assert len({tuple(action.round(2)) for action in random.actions}) > 4


def test_the_same_seed_records_the_same_episode(
    shared_cell: CableCell, tmp_path: Path, episodes: list[RecordedEpisode]
) -> None:
    with StreamWriter(tmp_path, shared_cell.cell_id) as writer:
        for seed, kind in enumerate(KINDS):
            again = record_episode(shared_cell, writer, kind, seed)
            np.testing.assert_array_equal(again.actions, episodes[seed].actions)
            np.testing.assert_array_equal(again.true_keypoints_m, episodes[seed].true_keypoints_m)


def test_what_was_saved_is_loaded(tmp_path: Path, episodes: list[RecordedEpisode]) -> None:
    for episode in episodes:
        save_recording(tmp_path, episode)
    loaded = load_recordings(tmp_path)
    assert [one.episode_id for one in loaded] == sorted(one.episode_id for one in episodes)
    for episode in episodes:
        again = next(one for one in loaded if one.episode_id == episode.episode_id)
        for field in fields(RecordedEpisode):
            np.testing.assert_array_equal(getattr(again, field.name), getattr(episode, field.name))
        np.testing.assert_array_equal(again.gripper(1).rotation_rad, episode.grippers[1, 3:6])


@pytest.mark.parametrize("damage", ["empty", "garbage", "cut", "flipped", "foreign"])
def test_a_damaged_recording_is_named(tmp_path: Path, episodes: list[RecordedEpisode], damage: str) -> None:
    save_recording(tmp_path, episodes[0])
    path = next(tmp_path.glob("*.npz"))
    content = bytearray(path.read_bytes())
    match damage:
        case "empty":
            path.write_bytes(b"")
        case "garbage":
            path.write_bytes(b"\x00garbage" * 50)
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "flipped":
            for at in range(100, len(content), 97):
                content[at] ^= 0xFF
            path.write_bytes(content)
        case "foreign":
            np.savez(path, something=np.zeros(3))
    with pytest.raises(StorageError, match=f"{path.name} is not a recorded episode") as refused:
        load_recordings(tmp_path)
    assert "\n" not in str(refused.value)


def test_whatever_byte_is_damaged_it_loads_or_is_named(tmp_path: Path, episodes: list[RecordedEpisode]) -> None:
    save_recording(tmp_path, episodes[2])
    path = next(tmp_path.glob("*.npz"))
    whole = path.read_bytes()
    refused = 0
    for at in np.random.default_rng(0).integers(0, len(whole), 150):
        content = bytearray(whole)
        content[at] ^= 0x5A
        path.write_bytes(content)
        try:
            load_recordings(tmp_path)
        except StorageError:
            refused += 1
    assert refused > 50


def test_an_empty_folder_says_what_makes_recordings(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no recorded episodes in .*; `s3k collect` makes them"):
        load_recordings(tmp_path)


def test_labels_are_drawn_from_exploration_too(episodes: list[RecordedEpisode], shared_cell: CableCell) -> None:
    labels = click_labels(episodes, shared_cell.cameras, train=8, held_out=4, click_noise_px=0.5, seed=0)
    kinds = {f"{e.cell_id}/{int(s):08d}": e.kind for e in episodes for s in e.sequences}
    drawn = [kinds[label.frame] for label in labels]
    assert len({label.frame for label in labels}) == 12
    assert drawn.count("demonstration") == 6
    assert [label.split for label in labels].count("train") == 8
    for split in ("train", "held_out"):
        assert len({kinds[label.frame] == "demonstration" for label in labels if label.split == split}) == 2


def test_labels_are_decided_by_the_seed(episodes: list[RecordedEpisode], shared_cell: CableCell) -> None:
    first, again, other = (
        click_labels(episodes, shared_cell.cameras, train=6, held_out=2, click_noise_px=0.5, seed=seed)
        for seed in (4, 4, 5)
    )
    assert first == again
    assert first != other


def test_clicks_lie_where_the_keypoints_are(episodes: list[RecordedEpisode], shared_cell: CableCell) -> None:
    def clicks(noise_px: float) -> np.ndarray:
        labels = click_labels(episodes, shared_cell.cameras, train=10, held_out=2, click_noise_px=noise_px, seed=3)
        return np.array([label.clicks["cam1"][name] for label in labels for name in KEYPOINTS])

    noise = clicks(2.0) - clicks(0.0)
    assert 1.0 < noise.std() < 3.0
    assert np.abs(noise.mean()) < 1.0


def test_a_keypoint_out_of_a_view_is_not_clicked_there(episodes: list[RecordedEpisode], shared_cell: CableCell) -> None:
    hidden = episodes[0].visible.copy()
    hidden[:, 2, 0] = False
    demonstration = replace(episodes[0], visible=hidden)
    labels = click_labels([demonstration], shared_cell.cameras, train=4, held_out=1, click_noise_px=0, seed=0)
    for label in labels:
        assert set(label.clicks["cam2"]) == {"plug_base", "socket"}
        assert set(label.clicks["cam1"]) == set(KEYPOINTS)
    hidden[:, 3, 0] = False  # now it is out of two views: a person would pass these frames over
    with pytest.raises(ConfigError, match="0 demonstration"):
        click_labels(
            [replace(episodes[0], visible=hidden)], shared_cell.cameras, train=4, held_out=1, click_noise_px=0, seed=0
        )


def test_too_few_frames_say_how_many_there_are(episodes: list[RecordedEpisode], shared_cell: CableCell) -> None:
    with pytest.raises(ConfigError, match=r"500 labels wanted, but only \d+ demonstration and \d+ exploration frames"):
        click_labels(episodes, shared_cell.cameras, train=400, held_out=100, click_noise_px=0.5, seed=0)


class Oracle:
    """Serves the recorded truth, doubted or not."""

    def __init__(self, episode: RecordedEpisode, residual_px: float = 0.0) -> None:
        self._truth = iter(episode.true_keypoints_m)
        self._residual_px = residual_px

    def extract(self, frame: MultiViewFrame) -> FrameFeatures:
        return seen_at(next(self._truth), residual_px=self._residual_px, model_version=6, frame=frame)


def test_a_recorded_demonstration_becomes_a_chunk_up_to_its_claim(
    recorded: tuple[Path, list[RecordedEpisode]],
) -> None:
    root, (episode, *_) = recorded
    reader = read_stream(root)
    frames = [reader.read(index).frame for index in range(len(episode.sequences))]
    task = InsertionTask(InsertionConfig(), 64)
    chunk = demonstration_chunk(episode, frames, Oracle(episode), task)
    assert chunk is not None
    chunk.check(24, 6)
    assert (chunk.terminated, chunk.truncated, chunk.success, chunk.start_step) == (True, False, True, 0)
    np.testing.assert_allclose(chunk.actions, episode.actions[: len(chunk)], atol=1e-6)
    assert set(chunk.model_versions) == {6}
    assert chunk.rewards[-1] > 0.9
    assert demonstration_chunk(episode, frames, Oracle(episode, residual_px=40.0), task) is None


def test_a_demonstration_may_take_longer_than_the_agent_is_given(
    recorded: tuple[Path, list[RecordedEpisode]],
) -> None:
    """A person does not hurry."""
    root, (episode, *_) = recorded
    reader = read_stream(root)
    frames = [reader.read(index).frame for index in range(len(episode.sequences))]
    chunk = demonstration_chunk(episode, frames, Oracle(episode), InsertionTask(InsertionConfig(max_episode_s=1.0), 64))
    assert chunk is not None
    assert len(chunk) > 4
    assert (chunk.terminated, chunk.truncated, chunk.success) == (True, False, True)


def test_what_a_person_recorded_is_labelled_as_a_demonstration(
    episodes: list[RecordedEpisode], shared_cell: CableCell
) -> None:
    by_hand = replace(episodes[0], kind="human")
    labels = click_labels([by_hand], shared_cell.cameras, train=4, held_out=1, click_noise_px=0, seed=0)
    assert len(labels) == 5
