"""The loop around the trainer: when it publishes, what it promotes, how it comes back."""

from pathlib import Path

import pytest
import torch

from learners.keypoint import learner as module
from learners.keypoint.config import KeypointLearnerConfig, PromotionConfig, TrainerConfig
from learners.keypoint.evaluation import KeypointMetrics
from learners.keypoint.learner import KeypointLearner
from s3k_dist.errors import StorageError
from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.keypoints.detector import NOISE_METRIC, KeypointDetector
from s3k_dist.keypoints.network import NetworkConfig
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter
from s3k_dist.weights import WeightsRegistry
from tests.learners.keypoint.conftest import NAMES, SIZE_PX, VIEWS, Scenes
from tests.scenes import ring

CONFIG = KeypointLearnerConfig(
    steps=4,
    publish_every=2,
    pool_frames=8,
    promotion=PromotionConfig(fresh_runs=0),
    trainer=TrainerConfig(warm_start_steps=3, ramp_steps=1, anneal_steps=4, labelled_batch=2, unlabelled_batch=2),
)


@pytest.fixture
def folder(tmp_path: Path, scenes: Scenes) -> Path:
    """A stream of the unlabelled scenes."""
    cameras = ring(VIEWS, size_px=SIZE_PX, focal_px=150.0)
    with StreamWriter(tmp_path / "stream", "cell0") as writer:
        for sequence, images in enumerate(scenes.unlabelled.images.numpy()):
            views = tuple(View(camera, image, 1) for camera, image in zip(cameras, images, strict=True))
            writer.append(StreamRecord(MultiViewFrame("cell0", sequence, 1, views), "episode", sequence, 0))
    return tmp_path


def make(
    folder: Path, network: NetworkConfig, scenes: Scenes, models: str = "models", seed: int = 0
) -> KeypointLearner:
    return KeypointLearner(
        network,
        CONFIG,
        scenes.labelled,
        scenes.held_out,
        StreamReader(folder / "stream"),
        WeightsRegistry(folder / models),
        seed=seed,
    )


def medians(monkeypatch: pytest.MonkeyPatch, *values_mm: float) -> None:
    """Let the versions to come measure as this good, one after the other."""
    values = iter(values_mm)

    def evaluate(detector: object, frames: object) -> KeypointMetrics:
        value = next(values)
        return KeypointMetrics(6, 1.0, 1.0, value, value, dict.fromkeys(NAMES, value), 0.8)

    monkeypatch.setattr(module, "evaluate", evaluate)


def test_it_publishes_at_the_configured_steps(folder: Path, network: NetworkConfig, scenes: Scenes) -> None:
    learner, registry = make(folder, network, scenes), WeightsRegistry(folder / "models")
    published = []
    for _ in range(9):
        status = learner.advance(1)
        published.append(len(registry.versions()))
    assert published == [0, 0, 0, 1, 1, 2, 2, 3, 3]
    assert status.steps == 9
    assert status.unlabelled_frames == 24
    assert status.metrics is not None
    assert status.report is not None
    assert status.version == registry.current()


def test_what_is_published_is_the_teacher_with_its_measurements(
    folder: Path, network: NetworkConfig, scenes: Scenes
) -> None:
    learner, registry = make(folder, network, scenes), WeightsRegistry(folder / "models")
    status = learner.advance(4)
    weights, manifest = registry.load(1)
    for name, value in learner._trainer.teacher.state_dict().items():
        assert torch.equal(weights[name], value)
    assert status.metrics is not None
    assert manifest.metrics["median_mm"] == pytest.approx(status.metrics.median_mm)
    assert manifest.metrics[NOISE_METRIC] == pytest.approx(status.metrics.noise_px)
    assert f"median_mm/{NAMES[0]}" in manifest.metrics
    assert KeypointDetector.load(registry, 1).keypoint_names == NAMES


def test_only_a_version_that_is_no_worse_is_promoted(
    folder: Path, network: NetworkConfig, scenes: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner, registry = make(folder, network, scenes), WeightsRegistry(folder / "models")
    medians(monkeypatch, 2.0, 5.0, 2.09, 2.2, 1.0)
    promoted, rejected = [], []
    for steps in (4, 2, 2, 2, 2):
        status = learner.advance(steps)
        promoted.append(registry.current())
        rejected.append(status.rejected)
    assert promoted == [1, 1, 3, 3, 5]  # 2.09 is within a twentieth of 2.0, 2.2 is not within one of 2.09
    assert rejected == [0, 1, 1, 2, 2]
    assert registry.versions() == [1, 2, 3, 4, 5]
    assert status.steps == 12


def test_a_restored_learner_goes_on_as_if_nothing_had_happened(
    folder: Path, network: NetworkConfig, scenes: Scenes
) -> None:
    whole, stopped, back = (make(folder, network, scenes, models) for models in ("whole", "models", "models"))
    whole.advance(6)
    stopped.advance(3)
    stopped.save(folder / "trainer.pt")
    back.restore(folder / "trainer.pt")
    assert back.status().steps == 3
    status = back.advance(3)
    assert (status.steps, status.unlabelled_frames) == (6, 24)
    weights, _ = WeightsRegistry(folder / "whole").load(2)
    for name, value in WeightsRegistry(folder / "models").load(2)[0].items():
        assert torch.equal(value, weights[name]), name


def test_a_restored_learner_has_the_served_version_to_beat(
    folder: Path, network: NetworkConfig, scenes: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = WeightsRegistry(folder / "models")
    medians(monkeypatch, 2.0, 2.0, 9.0, 1.0)  # published; measured again when restored; two more
    stopped = make(folder, network, scenes)
    stopped.advance(4)
    stopped.save(folder / "trainer.pt")
    back = make(folder, network, scenes)
    back.restore(folder / "trainer.pt")
    assert back.status().version == 1
    back.advance(2)
    assert registry.current() == 1
    back.advance(2)
    assert registry.current() == 3


@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "cut", "list", "foreign", "other network"])
def test_a_damaged_state_is_named(folder: Path, network: NetworkConfig, scenes: Scenes, damage: str) -> None:
    path = folder / "trainer.pt"
    make(folder, network, scenes).save(path)
    match damage:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "garbage":
            path.write_bytes(b"garbage" * 100)
        case "cut":
            path.write_bytes(path.read_bytes()[:-2000])
        case "list":
            torch.save([1, 2, 3], path)
        case "foreign":
            torch.save({"steps": 3}, path)
        case "other network":
            other = network.model_copy(update={"channels": (8, 8)})
            make(folder, other, scenes, "others").save(path)
    with pytest.raises(StorageError, match=r"trainer\.pt is not the state of a keypoint trainer: .+") as refused:
        make(folder, network, scenes).restore(path)
    assert "\n" not in str(refused.value)


def test_a_state_that_cannot_be_written_leaves_the_old_one(
    folder: Path, network: NetworkConfig, scenes: Scenes
) -> None:
    with pytest.raises(StorageError, match="cannot write"):
        make(folder, network, scenes).save(folder / "nowhere" / "trainer.pt")
