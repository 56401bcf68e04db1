"""A cell and all that acts in it, against a real feature service."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from actors.collector import Collector, CollectorSpec, reprojected_pixels
from actors.insertion import KEYPOINTS, InsertionConfig
from actors.observation import KEYPOINT_OBSERVATION_SIZE
from actors.recording import load_recordings
from actors.sim.cell import CableCellSpec
from s3k_dist.drift.monitor import DriftConfig
from s3k_dist.episodes import EpisodeChunk
from s3k_dist.errors import ServiceUnavailableError, StorageError
from s3k_dist.features.server import FeatureServer
from s3k_dist.features.server_thread import FeatureServerThread
from s3k_dist.features.types import FrameFeatures
from s3k_dist.folders import make_folder
from s3k_dist.frames import MultiViewFrame
from s3k_dist.stream.reader import StreamReader
from tests.actors.moments import seen_at

HANG_GUARD_S = 30.0


class TruthfulDetector:
    """Knows the keypoints of recorded frames by name; says of any other frame that the plug is above the socket."""

    version = 4
    keypoint_names = KEYPOINTS
    image_size_px = 64
    published_at_ns = 1

    def __init__(self, recordings: Path) -> None:
        self._recordings = recordings
        self.residual_px = 0.5

    def detect(self, frames: Sequence[MultiViewFrame]) -> list[FrameFeatures]:
        known = {
            (episode.cell_id, int(sequence)): truth
            for episode in load_recordings(self._recordings)
            for sequence, truth in zip(episode.sequences, episode.true_keypoints_m, strict=True)
        }
        above = np.array([[0, 0, 0.05], [0, 0, 0.08], [0, 0, 0.03]])
        return [
            seen_at(
                known.get((frame.cell_id, frame.sequence), above),
                residual_px=self.residual_px,
                model_version=self.version,
                frame=frame,
            )
            for frame in frames
        ]


class Still:
    """Does nothing, and keeps what it hands over."""

    version = 2

    def __init__(self) -> None:
        self.chunks: list[EpisodeChunk] = []

    def refresh(self) -> None:
        pass

    def begin_episode(self) -> None:
        pass

    def act(self, observation: np.ndarray) -> np.ndarray:
        return np.zeros(6)

    def submit(self, chunk: EpisodeChunk) -> None:
        self.chunks.append(chunk)


@pytest.fixture
def spec(tmp_path: Path) -> CollectorSpec:
    make_folder(tmp_path / "recordings")
    task = InsertionConfig(max_episode_s=1.5)
    return CollectorSpec(
        CableCellSpec(cell_id="cell3", image_px=64),
        task,
        tmp_path / "stream",
        tmp_path / "recordings",
        drift=DriftConfig(reference_frames=40),
    )


@pytest.fixture
def collector(spec: CollectorSpec) -> Iterator[Collector]:
    collector = Collector(spec)
    yield collector
    collector.stop()


@pytest.fixture
def detector(spec: CollectorSpec) -> TruthfulDetector:
    return TruthfulDetector(spec.recordings)


@pytest.fixture
def service(detector: TruthfulDetector) -> Iterator[str]:
    with FeatureServerThread(FeatureServer(lambda: 4, lambda version: detector, poll_s=0.02)) as thread:
        yield thread.address
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("s3k-")]


def frame_ids(spec: CollectorSpec) -> list[str]:
    reader = StreamReader(spec.stream)
    reader.refresh()
    return reader.frame_ids()


def test_what_is_recorded_is_safe_when_it_returns(spec: CollectorSpec, collector: Collector) -> None:
    count = collector.record([("demonstration", 0), ("random", 1)])
    assert len(frame_ids(spec)) == count
    demonstration, random = load_recordings(spec.recordings)
    assert (demonstration.episode_id, random.episode_id) == ("cell3-demonstration-0", "cell3-random-1")
    assert len(demonstration.sequences) + len(random.sequences) == count


def test_demonstrations_carry_served_features(spec: CollectorSpec, collector: Collector, service: str) -> None:
    collector.record([("demonstration", 0), ("random", 1)])
    collector.connect(service, HANG_GUARD_S)
    # The task of this test is too short for an agent; a demonstration may take longer.
    (chunk,) = collector.demonstrations(["cell3-demonstration-0", "cell3-random-1"])
    chunk.check(KEYPOINT_OBSERVATION_SIZE, 6)
    assert (chunk.episode_id, chunk.success, chunk.policy_version) == ("cell3-demonstration-0", True, -1)
    assert set(chunk.model_versions) == {4}
    latency = collector.latency()
    assert latency is not None
    assert latency.frames >= len(chunk)
    unbelieving = InsertionConfig(success_distance_m=0.001)
    collector._spec = CollectorSpec(spec.cell, unbelieving, spec.stream, spec.recordings)
    assert collector.demonstrations(["cell3-demonstration-0", "cell3-random-1"]) == []


def test_an_episode_is_streamed_handed_over_and_filmed(spec: CollectorSpec, collector: Collector, service: str) -> None:
    collector.record([("random", 0)])
    recorded = len(frame_ids(spec))
    collector.connect(service, HANG_GUARD_S)
    policy = Still()
    outcome, film = collector.run_episode(policy, seed=9, film=True)
    assert outcome.steps == 6
    assert sum(len(chunk) for chunk in policy.chunks) == 6
    assert policy.chunks[-1].truncated
    assert film is not None
    assert len(film.frames) == len(film.features) == len(film.steps) == len(film.true_depth) == 7
    assert frame_ids(spec)[recorded:] == [frame.frame_id for frame in film.frames]
    _, film = collector.run_episode(policy, seed=10)
    assert film is None


def test_views_that_begin_to_disagree_are_told_with_the_episode(
    spec: CollectorSpec, collector: Collector, service: str, detector: TruthfulDetector
) -> None:
    collector.record([("random", 0)])
    collector.connect(service, HANG_GUARD_S)
    for seed in range(5):
        outcome, _ = collector.run_episode(Still(), seed)
        assert outcome.drift.lines() == []
    assert outcome.drift.levels == {}, "the reference is not full yet"
    collector.run_episode(Still(), 5)
    detector.residual_px = 2.0
    told = [collector.run_episode(Still(), seed)[0].drift for seed in range(6, 9)]
    assert {event.signal for report in told for event in report.events} == {"residual"}
    assert told[-1].active == 7  # three keypoints, four cameras
    lines = [line for report in told for line in report.lines()]
    assert any("drift: cell3, keypoint plug_tip: residual 2.00 px, was 0.50 px" in line for line in lines)


def test_a_cell_that_comes_back_goes_on_counting(spec: CollectorSpec) -> None:
    first = Collector(spec)
    first.record([("random", 0)])
    first.stop()
    second = Collector(spec)
    second.record([("random", 1)])
    second.stop()
    ids = frame_ids(spec)
    assert ids == [f"cell3/{sequence:08d}" for sequence in range(len(ids))]


def test_two_collectors_of_one_cell_are_refused(spec: CollectorSpec, collector: Collector) -> None:
    with pytest.raises(StorageError, match=r"cell3"):
        Collector(spec)
    assert collector.record([("random", 0)]) > 0


def test_an_unreachable_service_is_named(collector: Collector) -> None:
    with pytest.raises(ServiceUnavailableError, match=r"127\.0\.0\.1:9 is not ready after 0\.2 s"):
        collector.connect("127.0.0.1:9", wait_s=0.2)


def test_it_stops_twice(spec: CollectorSpec) -> None:
    collector = Collector(spec)
    collector.stop()
    collector.stop()


def test_reprojected_pixels_are_where_the_views_look(collector: Collector) -> None:
    frame = collector._cell.reset(0).frame
    points = np.array([[0.0, 0.0, 0.062], [0.0, 0.0, 0.08]])
    pixels = reprojected_pixels(frame, points)
    assert pixels.shape == (4, 2, 2)
    np.testing.assert_allclose(pixels[:, 0], 31.5, atol=1e-6)  # the cameras look at this point
    assert (pixels[:, 1, 1] < 31).all()  # up in the world is up in the image
