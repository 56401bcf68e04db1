"""The loop around the trainer: when it publishes, what it promotes, how it comes back."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from learners.keypoint import learner as module
from learners.keypoint.config import KeypointLearnerConfig, PromotionConfig, TrainerConfig
from learners.keypoint.evaluation import KeypointMetrics
from learners.keypoint.learner import KeypointLearner
from learners.keypoint.overseer import Decision
from s3k_dist.errors import StorageError
from s3k_dist.features.figures import ServingFigures
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
    folder: Path,
    network: NetworkConfig,
    scenes: Scenes,
    models: str = "models",
    seed: int = 0,
    config: KeypointLearnerConfig = CONFIG,
) -> KeypointLearner:
    return KeypointLearner(
        network,
        config,
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


def flip(path: Path) -> None:
    """One bit of a file, in its middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_where_the_served_version_is_damaged_the_one_before_serves_again(
    folder: Path, network: NetworkConfig, scenes: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "VERIFY_EVERY_S", 0.0)
    medians(monkeypatch, 2.0, 1.0, 9.0)
    registry, learner = WeightsRegistry(folder / "models"), make(folder, network, scenes)
    assert learner.advance(6).version == 2
    flip(folder / "models" / "v000002" / "weights.safetensors")
    status = learner.advance(1)
    assert (status.version, status.rolled_back, registry.current()) == (1, 1, 1)
    (news,) = status.news
    assert news.startswith("keypoint model 1 serves in place of 2: version 2 in ")
    assert "does not match the sha256" in news
    assert learner.advance(1).rejected == 1, "it is the version before that a candidate has to beat now"


def test_where_no_whole_version_is_left_what_is_trained_serves(
    folder: Path, network: NetworkConfig, scenes: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, learner = WeightsRegistry(folder / "models"), make(folder, network, scenes)
    learner.advance(4)
    learner.save(folder / "trainer.pt")
    flip(folder / "models" / "v000001" / "weights.safetensors")
    back = make(folder, network, scenes)
    back.restore(folder / "trainer.pt")
    assert registry.current() == 2
    assert back.status().version == 2
    flip(folder / "models" / "v000002" / "weights.safetensors")
    with pytest.raises(StorageError, match=r"version 1 in .* is damaged"):
        make(folder, network, scenes).begin_from_served()


def test_without_a_state_it_begins_from_the_served_weights(
    folder: Path, network: NetworkConfig, scenes: Scenes
) -> None:
    make(folder, network, scenes).advance(4)
    served, _ = WeightsRegistry(folder / "models").load(1)
    learner = make(folder, network, scenes, seed=1)
    learner.begin_from_served()
    status = learner.status()
    assert (status.steps, status.version) == (0, 1)
    assert status.metrics is not None
    for name, value in learner._weights().items():
        assert torch.equal(value, served[name]), name


@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "cut", "bit", "list", "foreign", "other network"])
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
        case "bit":
            flip(path)
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


def at_work(root: Path, serving: int) -> None:
    """A service writes its figures."""
    (root / "figures").mkdir(parents=True, exist_ok=True)
    figures = ServingFigures(serving=serving, at_ns=time.time_ns())
    (root / "figures" / "a.json").write_text(figures.model_dump_json())


def test_a_candidate_is_tried_first_where_a_service_is_at_work(
    folder: Path, network: NetworkConfig, scenes: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner, registry = make(folder, network, scenes), WeightsRegistry(folder / "models")
    medians(monkeypatch, 2.0, 2.0, 1.0)
    assert learner.advance(4).news == ("keypoint model 1 promoted",)
    at_work(registry.root, 1)
    status = learner.advance(2)
    assert (status.version, status.canary, status.news) == (1, 2, ())
    assert learner.advance(2).canary == 2, "nothing is published while a version is on trial"
    assert registry.versions() == [1, 2]
    learner.publish(trial=False)  # the run ends: the trial is decided, and what was learned since is published
    status = learner.status()
    assert (status.version, status.canary) == (3, 0)
    assert status.news == ("keypoint model 2 promoted", "keypoint model 3 promoted")


def test_a_candidate_that_does_worse_on_fresh_frames_is_rejected_with_the_reason(
    folder: Path, network: NetworkConfig, scenes: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = CONFIG.model_copy(update={"promotion": PromotionConfig(fresh_runs=4)})
    learner, registry = make(folder, network, scenes, config=config), WeightsRegistry(folder / "models")
    shown = iter([{"residual_px": 2.0}, {"residual_px": 0.5}])
    runs: list[int] = []

    def label_free(detector: object, frames: list[object]) -> dict[str, float]:
        runs.append(len(frames))
        return next(shown)

    monkeypatch.setattr(module, "label_free", label_free)
    learner.advance(4)
    medians(monkeypatch, 0.001)
    status = learner.advance(2)
    assert runs == [4, 4]
    assert (status.version, status.rejected) == (1, 1)
    assert registry.status(2).reason == "on fresh frames residual_px 2, the other's 0.5"
    assert status.news[-1] == "keypoint model 2 rejected: on fresh frames residual_px 2, the other's 0.5"


def test_a_collapse_while_it_follows_the_stream_goes_back_to_what_serves(
    folder: Path, network: NetworkConfig, scenes: Scenes
) -> None:
    config = CONFIG.model_copy(
        update={"publish_every": 1000, "trainer": CONFIG.trainer.model_copy(update={"entry_plausible": 0.0})}
    )
    learner, registry = make(folder, network, scenes, config=config), WeightsRegistry(folder / "models")
    learner.advance(8)
    good = registry.load(1)[0]
    trainer = learner._trainer
    assert any(not torch.equal(value, good[name]) for name, value in trainer.teacher.state_dict().items())
    alpha = trainer._entry.alpha
    # All keypoints run together: no distance is one that a label could have.
    trainer._entry._share, trainer._entry._observed = 0.0, 200
    trainer._entry._low = torch.full_like(trainer._entry._low, 100.0)
    status = learner.advance(1)
    assert status.report is not None
    assert status.report.recoveries == 1
    for state in (trainer.teacher.state_dict(), trainer.student.state_dict()):
        assert all(torch.equal(value, good[name]) for name, value in state.items())
    assert trainer._entry.alpha == status.report.alpha == alpha / 2
    assert not trainer._entry.entered
    assert status.news == (f"training collapsed at step 9; the unlabelled loss goes on with weight {alpha / 2:.3g}",)
    assert learner.advance(2).news == ()


def test_a_version_that_is_rolled_back_takes_training_back_with_it(
    folder: Path, network: NetworkConfig, scenes: Scenes
) -> None:
    learner, registry = make(folder, network, scenes), WeightsRegistry(folder / "models")
    learner.advance(6)
    registry.promote(1)
    registry.promote(2)
    registry.roll_back("misbehaved")
    learner._heed(Decision("rolled back", 2, "misbehaved"))
    good = registry.load(1)[0]
    assert all(torch.equal(value, good[name]) for name, value in learner._trainer.student.state_dict().items())
    status = learner.status()
    assert (status.version, status.rolled_back) == (1, 1)
    assert learner.advance(1).steps == 7


LEARN = """
import sys
from pathlib import Path
from learners.keypoint import learner as module
from tests.learners.keypoint import test_learner as tests
from tests.learners.keypoint.conftest import network_config, scenes_of

module.FOLLOW_FRAMES = 3
folder = Path(sys.argv[1])
learner = tests.make(folder, network_config(), scenes_of(), "killed")
while True:
    learner.save(folder / "trainer.pt")
    print(learner.advance(1).steps, flush=True)
"""


def test_a_killed_learner_goes_on_where_it_was(
    folder: Path, network: NetworkConfig, scenes: Scenes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same weights and the same versions as if it had never been killed: stream, pool and all."""
    monkeypatch.setattr(module, "FOLLOW_FRAMES", 3)
    environment = os.environ | {"PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", LEARN, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 5:
                break
        process.send_signal(signal.SIGKILL)
    torch.set_num_threads(1)
    whole, back = make(folder, network, scenes, "whole"), make(folder, network, scenes, "killed")
    back.restore(folder / "trainer.pt")
    done = back.status()
    assert 4 <= done.steps < 12
    assert done.unlabelled_frames == min(24, 3 * done.steps)
    whole.advance(12)
    back.advance(12 - done.steps)
    for name, value in whole._trainer.student.state_dict().items():
        assert torch.equal(value, back._trainer.student.state_dict()[name]), name
    assert back.status().unlabelled_frames == whole.status().unlabelled_frames == 24
    assert back._pool._names == whole._pool._names
