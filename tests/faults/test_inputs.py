"""What no camera, clock or calibration should say: nothing of it is believed, and nothing breaks by it."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from actors.collector import Collector, CollectorSpec
from actors.insertion import KEYPOINTS, InsertionConfig
from actors.sim.cell import CableCellSpec
from learners.keypoint.augment import AugmentConfig
from learners.keypoint.config import TrainerConfig
from learners.keypoint.data import UnlabelledPool
from learners.keypoint.fresh import fresh_runs
from learners.keypoint.trainer import KeypointTrainer
from s3k_dist.drift.monitor import DriftConfig
from s3k_dist.errors import GeometryError
from s3k_dist.features.client import FeatureClient
from s3k_dist.features.server import FeatureServer
from s3k_dist.features.server_thread import FeatureServerThread
from s3k_dist.features.types import FrameFeatures
from s3k_dist.folders import make_folder
from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.geometry.camera import Camera
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.stream.reader import StreamReader
from tests.actors.moments import seen_at
from tests.actors.test_collector import Still
from tests.learners.keypoint.conftest import SIZE_PX, VIEWS, cameras_of, draw, network_config, points, scenes_of
from tests.scenes import ring

DAY_NS = 86_400 * 10**9
SEEN = 20  # frames that a detector is asked about


class Above:
    """Says of any frame that the plug is above the socket."""

    version = 1
    keypoint_names = KEYPOINTS
    image_size_px = 64
    published_at_ns = 1

    def detect(self, frames: Sequence[MultiViewFrame]) -> list[FrameFeatures]:
        above = np.array([[0, 0, 0.05], [0, 0, 0.08], [0, 0, 0.03]])
        return [seen_at(above, residual_px=0.5, frame=frame) for frame in frames]


def test_a_clock_that_is_wrong_and_jumps_costs_no_frame_and_holds_up_no_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumps = itertools.cycle([1, 4 * 365 * DAY_NS, 10**18, 10**18 - DAY_NS, 2 * 10**18, 0])
    monkeypatch.setattr("actors.sim.cell.time.time_ns", lambda: next(jumps))
    make_folder(tmp_path / "recordings")
    spec = CollectorSpec(
        CableCellSpec(cell_id="cell0", image_px=64),
        InsertionConfig(max_episode_s=2.0),
        tmp_path / "stream",
        tmp_path / "recordings",
        drift=DriftConfig(reference_frames=40),
    )
    collector = Collector(spec)
    with FeatureServerThread(FeatureServer(lambda: 1, lambda version: Above(), poll_s=0.02)) as service:
        try:
            collector.record([("random", 0)])
            collector.connect(service.address)
            outcome, _ = collector.run_episode(Still(), seed=1)
        finally:
            collector.stop()
        with FeatureClient(service.address) as client:
            reader = StreamReader(spec.stream)
            reader.refresh()
            frames = [reader.read(index).frame for index in range(len(reader))]
            for frame in frames:
                client.extract(frame)
                latest = client.latest()
                assert latest is not None
                assert latest.sequence == frame.sequence
    assert outcome.steps == 8
    assert [frame.sequence for frame in frames] == list(range(len(frames)))
    assert not np.all(np.diff([frame.captured_at_ns for frame in frames]) > 0), "the clock did not jump"
    pool = UnlabelledPool(100, seed=0)
    assert pool.follow(reader) == len(frames) == len(pool)
    assert fresh_runs(reader, 4, 64)[-1][-1].sequence == frames[-1].sequence


@pytest.fixture(scope="module")
def detector() -> KeypointDetector:
    """Has learned to see the blobs of the synthetic scenes."""
    plain = AugmentConfig(roll_rad=0, log_zoom=0, shift_px=0, crop=1, plain=1, contrast=0, tint=0, noise=0, occlusion=0)
    recipe = TrainerConfig(
        warm_start_steps=180, ramp_steps=20, anneal_steps=180, labelled_batch=4, unlabelled_batch=2, augment=plain
    )
    network = network_config()
    trainer = KeypointTrainer(network, recipe, scenes_of().labelled, seed=0)
    for _ in range(180):
        trainer.step(None)
    return KeypointDetector(network, trainer.teacher.state_dict())


Spoil = Callable[[MultiViewFrame, MultiViewFrame], MultiViewFrame]


def black(frame: MultiViewFrame, before: MultiViewFrame) -> MultiViewFrame:
    return with_images(frame, [np.zeros_like(view.image) for view in frame.views])


def white(frame: MultiViewFrame, before: MultiViewFrame) -> MultiViewFrame:
    return with_images(frame, [np.full_like(view.image, 255) for view in frame.views])


def noise(frame: MultiViewFrame, before: MultiViewFrame) -> MultiViewFrame:
    rng = np.random.default_rng(frame.sequence)
    return with_images(frame, [rng.integers(0, 256, view.image.shape, np.uint8) for view in frame.views])


def one_frozen(frame: MultiViewFrame, before: MultiViewFrame) -> MultiViewFrame:
    return with_images(frame, [before.views[0].image, *(view.image for view in frame.views[1:])])


def two_cameras_swapped(frame: MultiViewFrame, before: MultiViewFrame) -> MultiViewFrame:
    first, second, *others = frame.cameras
    return with_cameras(frame, [second, first, *others])


def far_off(frame: MultiViewFrame, before: MultiViewFrame) -> MultiViewFrame:
    first = frame.cameras[0]
    return with_cameras(frame, [replace(first, translation_m=first.translation_m + 1000.0), *frame.cameras[1:]])


def turned(frame: MultiViewFrame, before: MultiViewFrame) -> MultiViewFrame:
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    first = frame.cameras[0]
    return with_cameras(frame, [replace(first, rotation=quarter @ first.rotation), *frame.cameras[1:]])


def all_at_one_place(frame: MultiViewFrame, before: MultiViewFrame) -> MultiViewFrame:
    return with_cameras(frame, [replace(frame.cameras[0], name=camera.name) for camera in frame.cameras])


def hardly_any_focal_length(frame: MultiViewFrame, before: MultiViewFrame) -> MultiViewFrame:
    wide = np.array([[1e-3, 0, 31.5], [0, 1e-3, 31.5], [0, 0, 1]])
    return with_cameras(frame, [replace(camera, intrinsics=wide) for camera in frame.cameras])


def with_images(frame: MultiViewFrame, images: Sequence[np.ndarray]) -> MultiViewFrame:
    views = tuple(replace(view, image=image) for view, image in zip(frame.views, images, strict=True))
    return replace(frame, views=views)


def with_cameras(frame: MultiViewFrame, cameras: Sequence[Camera]) -> MultiViewFrame:
    views = tuple(replace(view, camera=camera) for view, camera in zip(frame.views, cameras, strict=True))
    return replace(frame, views=views)


@pytest.fixture(scope="module")
def frames() -> list[MultiViewFrame]:
    """Of scenes that it has not seen."""
    cameras = ring(VIEWS, size_px=SIZE_PX, focal_px=150.0)
    images = draw(points(SEEN, 7), cameras_of(SEEN), 7).numpy()
    return [
        MultiViewFrame("cell0", at, 1 + at, tuple(View(*pair, 1 + at) for pair in zip(cameras, each, strict=True)))
        for at, each in enumerate(images)
    ]


def trusted(detector: KeypointDetector, frames: Sequence[MultiViewFrame]) -> np.ndarray:
    """Whether a task would believe all keypoints of each frame, by the thresholds that it has by default."""
    task = InsertionConfig()
    seen = [detector.extract(frame) for frame in frames]
    return np.array([each.consistent(task.max_residual_px, task.min_confidence).all() for each in seen])


def test_what_can_be_seen_is_trusted(detector: KeypointDetector, frames: list[MultiViewFrame]) -> None:
    assert trusted(detector, frames).mean() > 0.7


@pytest.mark.parametrize(
    "spoil",
    [black, white, noise, one_frozen, two_cameras_swapped, far_off, turned, all_at_one_place, hardly_any_focal_length],
)
def test_what_cannot_be_is_not_trusted(spoil: Spoil, detector: KeypointDetector, frames: list[MultiViewFrame]) -> None:
    spoilt = [spoil(frame, frames[at - 1]) for at, frame in enumerate(frames)]
    assert not trusted(detector, spoilt).any()


@pytest.mark.parametrize("rotation", [np.zeros((3, 3)), 2 * np.eye(3), np.diag([1.0, 1, -1]), np.full((3, 3), np.nan)])
def test_a_rotation_that_is_none_is_no_camera(rotation: np.ndarray) -> None:
    with pytest.raises(GeometryError, match="cam0"):
        replace(ring(2)[0], rotation=rotation)
