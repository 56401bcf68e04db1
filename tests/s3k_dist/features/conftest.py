"""A stand-in detector, a registry that can be moved by hand, and real servers on free ports."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from s3k_dist.errors import FrameError
from s3k_dist.features.client import FeatureClient
from s3k_dist.features.server import FeatureServer
from s3k_dist.features.server_thread import FeatureServerThread
from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.geometry.camera import Camera

HANG_GUARD_S = 30.0

MakeFrame = Callable[..., MultiViewFrame]
Serve = Callable[..., FeatureServerThread]


@dataclass
class FakeDetector:
    """Says where the mean brightness of each frame lies; waits where a test tells it to."""

    version: int
    keypoint_names: tuple[str, ...] = ("tip", "base")
    image_size_px: int = 8
    published_at_ns: int = 123
    batches: list[list[int]] = field(default_factory=list)
    entered: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.go_on.set()

    def detect(self, frames: Sequence[MultiViewFrame]) -> list[FrameFeatures]:
        self.batches.append([frame.sequence for frame in frames])
        self.entered.set()
        assert self.go_on.wait(HANG_GUARD_S)
        assert len({tuple(view.image.shape for view in frame.views) for frame in frames}) == 1
        for frame in frames:
            if frame.cell_id == "bad":
                raise FrameError("this frame is all dark")
            if frame.cell_id == "crash":
                raise RuntimeError("out of memory")
        return [self._features(frame) for frame in frames]

    def _features(self, frame: MultiViewFrame) -> FrameFeatures:
        k, v = len(self.keypoint_names), len(frame.views)
        return FrameFeatures(
            cell_id=frame.cell_id,
            sequence=frame.sequence,
            captured_at_ns=frame.captured_at_ns,
            model_version=self.version,
            keypoint_names=self.keypoint_names,
            camera_names=tuple(camera.name for camera in frame.cameras),
            positions_m=np.full((k, 3), frame.views[0].image.mean()),
            covariance_m2=np.tile(np.eye(3), (k, 1, 1)),
            pixels=np.zeros((v, k, 2)),
            confidence=np.ones((v, k)),
            residual_px=np.zeros((v, k)),
        )


@dataclass
class FakeModels:
    """Versions that a test promotes; a version in ``broken`` fails to load."""

    promoted: int | None = 1
    broken: set[int] = field(default_factory=set)
    detectors: dict[int, FakeDetector] = field(default_factory=dict)

    def current(self) -> int | None:
        return self.promoted

    def load(self, version: int) -> FakeDetector:
        if version in self.broken:
            raise OSError(f"version {version} is torn")
        return self.detectors.setdefault(version, FakeDetector(version))


@pytest.fixture
def models() -> FakeModels:
    return FakeModels()


@pytest.fixture
def serve(models: FakeModels) -> Iterator[Serve]:
    """Starts real servers; all are stopped at the end, and leave no thread behind."""
    started: list[FeatureServerThread] = []

    def start(**settings: Any) -> FeatureServerThread:
        service = FeatureServerThread(FeatureServer(models.current, models.load, **{"poll_s": 0.02} | settings))
        service.start(HANG_GUARD_S)
        started.append(service)
        return service

    yield start
    for detector in models.detectors.values():
        detector.go_on.set()
    for service in started:
        service.stop(grace_s=1.0)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("s3k-")]


@pytest.fixture
def client(serve: Serve) -> Iterator[FeatureClient]:
    """A client of a ready service."""
    with FeatureClient(serve().address, deadline_s=HANG_GUARD_S) as client:
        client.wait_ready(HANG_GUARD_S)
        yield client


@pytest.fixture
def make_frame() -> MakeFrame:
    def make(sequence: int = 0, views: int = 2, size: int = 8, cell_id: str = "sim0", value: int = 7) -> MultiViewFrame:
        intrinsics = np.array([[10.0, 0, 3.5], [0, 10.0, 3.5], [0, 0, 1]])
        now_ns = time.time_ns()
        return MultiViewFrame(
            cell_id,
            sequence,
            now_ns,
            tuple(
                View(
                    Camera(f"cam{i}", size, size, intrinsics, np.zeros(5), np.eye(3), np.zeros(3)),
                    np.full((size, size, 3), value, np.uint8),
                    now_ns,
                )
                for i in range(views)
            ),
        )

    return make
