"""`s3k train keypoints --data`: a served model from a data set, and a training that goes on where it was stopped."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from actors.sim.scenes.catalogue import SceneSpec
from actors.sim.scenes.simulate import LabelPlan, simulate
from deploy import training_loop, unlabelled
from deploy.checkpoint import CHECKPOINT_NAME
from deploy.cli import main
from learners.keypoint.trainer import KeypointTrainer, StepReport
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.geometry.camera import Camera
from s3k_dist.keypoints.detector import MODEL_KIND, KeypointDetector
from s3k_dist.labels.store import Label, load_labels, save_labels
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter
from s3k_dist.weights import WeightsRegistry
from tests.scenes import frame, ring

SMALL = [f"--set={key}" for key in ("labelled_batch=1", "unlabelled_batch=1", "warm_start_steps=2")]
STEPS = 6


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten scenes of the box; two labelled to train on, three held out."""
    folder = DatasetFolder(tmp_path_factory.mktemp("data") / "box")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("actors.sim.scenes.studio.TABLE_TOPS", 4)  # for speed
        simulate(SceneSpec("box", seed=0, size_px=32), 10, LabelPlan(train=2, held_out=3), folder)
    return folder.root


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> WeightsRegistry:
    """A model, trained without interruption."""
    out = tmp_path_factory.mktemp("models") / "box"
    assert train(data, out) == 0
    return WeightsRegistry(out)


def train(data: Path, out: Path, *more: str) -> int:
    """The command, for a few small steps."""
    return main(["train", "keypoints", "--data", str(data), "--out", str(out), "--steps", str(STEPS), *SMALL, *more])


def test_the_model_is_published_promoted_and_calibrated(trained: WeightsRegistry) -> None:
    assert trained.current() == 1
    manifest = trained.manifest(1)
    assert manifest.kind == MODEL_KIND
    assert manifest.metrics["frames"] == 3
    corners = ("top_left", "top_right", "bottom_left")
    names = {"median_mm", "rms_px", "noise_px", "coverage_90", *(f"noise_scale/{name}" for name in corners)}
    assert names <= manifest.metrics.keys()
    assert KeypointDetector.load(trained, 1).keypoint_names == corners
    assert not (trained.root / CHECKPOINT_NAME).exists()


def test_what_comes_next_is_named_and_a_repeated_command_publishes_another_version(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for version in (1, 2):
        assert train(data, tmp_path, "--recipe", "paper") == 0
        printed = capsys.readouterr()
        assert printed.err == ""
        assert f"trained: {tmp_path}, version {version}, " in printed.out
        assert " mm median on 3 held-out frames\n" in printed.out
        assert f"next: s3k evaluate keypoints --weights {tmp_path} --data {data}\n" in printed.out
        assert f"step {STEPS} | loss " in printed.out
    assert WeightsRegistry(tmp_path).current() == 2


def test_a_stopped_training_goes_on_as_if_nothing_had_happened(
    data: Path,
    trained: WeightsRegistry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(training_loop, "SAVE_EVERY_S", 0.0)
        patch.setattr(KeypointTrainer, "step", stopped_at(4))
        assert train(data, tmp_path) == 130
    assert WeightsRegistry(tmp_path).versions() == []
    assert (tmp_path / CHECKPOINT_NAME).exists()
    capsys.readouterr()
    assert train(data, tmp_path) == 0
    assert "going on from step 4" in capsys.readouterr().out
    resumed, straight = WeightsRegistry(tmp_path).load(1)[0], trained.load(1)[0]
    assert resumed.keys() == straight.keys()
    for name, tensor in straight.items():
        assert torch.equal(resumed[name], tensor), name


def test_the_checkpoint_of_another_training_is_left_alone(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(training_loop, "SAVE_EVERY_S", 0.0)
        patch.setattr(KeypointTrainer, "step", stopped_at(1))
        assert train(data, tmp_path) == 130
    before = (tmp_path / CHECKPOINT_NAME).read_bytes()
    capsys.readouterr()
    says = refusal(["--data", data, "--out", tmp_path, "--steps", STEPS, *SMALL, "--seed", 3], capsys)
    assert f"{CHECKPOINT_NAME} is of another training, with seed 0, here 3: finish that one" in says
    assert (tmp_path / CHECKPOINT_NAME).read_bytes() == before
    (tmp_path / CHECKPOINT_NAME).write_bytes(before[:1000])
    says = refusal(["--data", data, "--out", tmp_path, "--steps", STEPS, *SMALL], capsys)
    assert f"{CHECKPOINT_NAME} is no checkpoint: " in says


def test_labels_alone_are_enough(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = load_labels(data / "labels.json")
    relabelled(data, tmp_path / "data", labels.of_split("train"))
    assert train(tmp_path / "data", tmp_path / "models") == 0
    assert "version 1, not judged\n" in capsys.readouterr().out
    assert WeightsRegistry(tmp_path / "models").manifest(1).metrics == {}


def test_unlabelled_frames_that_would_never_enter_are_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, tmp_path, "--steps", "2") == 0
    assert "the unlabelled frames enter after step 2: never in this training" in capsys.readouterr().out


def test_a_training_that_diverges_publishes_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(KeypointTrainer, "step", lambda trainer, frames: StepReport(math.nan, 0.0, 0.0))
    assert train(data, tmp_path) == 1
    says = capsys.readouterr().err
    assert "a loss is not finite; try a smaller learning rate, --set learning_rate=0.001" in says
    assert WeightsRegistry(tmp_path).versions() == []


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--recipe", "s4k"], "unknown recipe 's4k'; there are paper, s3k"),
        (["--set", "learning_rat=1"], "recipe 's3k': unknown key 'learning_rat'; available there: warm_start_steps,"),
        (["--set", "augment.crop=2"], "augment.crop: Input should be less than or equal to 1, got 2"),
        (["--set", "augment.cop=1"], "unknown key 'augment.cop'; available there: roll_rad, log_zoom"),
        (["--set", "alpha"], "--set takes key=value"),
        (["--steps", "0"], "expected 1 step or more and a seed of 0 or more; got 0 and 0"),
        (["--seed", "-1"], "got 3000 and -1"),
    ],
)
def test_a_wrong_setting_trains_nothing(
    more: list[str], says: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert says in refusal(["--data", data, "--out", tmp_path / "models", *more], capsys)
    assert list(tmp_path.iterdir()) == []


def test_the_two_forms_are_kept_apart(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "name its folder with --out" in refusal(["--data", data], capsys)
    for name, value in (("out", "x"), ("recipe", "s3k"), ("steps", "3"), ("seed", "3")):
        assert f"--{name} goes with --data" in refusal(["--run", tmp_path, f"--{name}", value], capsys)
    for arguments in (["--run", str(tmp_path), "--data", str(data)], []):
        with pytest.raises(SystemExit) as ended:
            main(["train", "keypoints", *arguments])
        assert ended.value.code == 2
        assert "usage: s3k train keypoints" in capsys.readouterr().err


def test_what_is_no_data_set_or_has_no_labels_is_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", tmp_path / "models"]
    assert "is no data set" in refusal(["--data", tmp_path / "nowhere", *out], capsys)
    held_out = load_labels(data / "labels.json").of_split("held_out")
    relabelled(data, tmp_path / "data", held_out)
    assert "has no labels of split train" in refusal(["--data", tmp_path / "data", *out], capsys)
    (tmp_path / "data" / "labels.json").unlink()
    assert "has no labels of split train" in refusal(["--data", tmp_path / "data", *out], capsys)
    assert not (tmp_path / "models").exists()


def test_frames_that_the_network_cannot_take_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    square, wide = ring(3, size_px=64), [camera.resized(64, 48) for camera in ring(3, size_px=64)]
    for name, layouts, labelled, says in (
        ("wide", [wide], 0, "the labelled frames are 3 views of 64 x 48 px; expected 2 views or more, square"),
        ("single", [square[:1]], 0, "the labelled frames are 1 views of 64 x 64 px"),
        ("mixed", [square, square[:2]], 1, "2 views of 64 x 64 px, the first of the stream 3 views of 64 x 64 px"),
    ):
        write(tmp_path / name, layouts, labelled)
        arguments = ["train", "keypoints", "--data", str(tmp_path / name), "--out", str(tmp_path / "models")]
        assert main(arguments) == 1
        assert says in capsys.readouterr().err


def test_a_stream_that_the_memory_does_not_hold_is_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(unlabelled, "MEMORY_SHARE", 1e-9)
    says = refusal(["--data", data, "--out", tmp_path / "models"], capsys)
    assert "10 frames take 0.0 GB in memory, " in says


def refusal(arguments: Sequence[object], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that the command says when it refuses."""
    assert main(["train", "keypoints", *map(str, arguments)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("s3k: ")
    assert printed.err.count("\n") == 1
    return printed.err


def stopped_at(steps: int) -> object:
    """A trainer's step, and Ctrl-C before the one after ``steps``."""
    step = KeypointTrainer.step

    def stopped(trainer: KeypointTrainer, *arguments: object) -> StepReport:
        if trainer.steps == steps:
            raise KeyboardInterrupt
        return step(trainer, *arguments)  # type: ignore[arg-type]

    return stopped


def relabelled(data: Path, root: Path, labels: Sequence[Label]) -> None:
    """The same stream with other labels."""
    root.mkdir()
    (root / "stream").symlink_to(data / "stream")
    save_labels(root / "labels.json", load_labels(data / "labels.json").keypoints, labels)


def write(root: Path, layouts: Sequence[Sequence[Camera]], labelled: int) -> None:
    """A data set of one frame for each layout, one of them labelled."""
    folder = DatasetFolder(root)
    folder.create()
    with StreamWriter(folder.stream, "cell0") as writer:
        for index, cameras in enumerate(layouts):
            writer.append(StreamRecord(frame(list(cameras), sequence=index), "episode", index, 0))
    label = Label(frame=f"cell0/{labelled:08d}", split="train", points_m={"tip": (0.0, 0.0, 0.0)})
    save_labels(folder.labels, ("tip",), [label])


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")  # among Ray's own parts
def test_two_workers_publish_one_model(
    data: Path, trained: WeightsRegistry, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    batches = ["--set", "labelled_batch=2", "--set", "unlabelled_batch=2"]
    assert train(data, tmp_path, "--workers", "2", *batches) == 0
    assert f"trained: {tmp_path}, version 1, " in capfd.readouterr().out
    registry = WeightsRegistry(tmp_path)
    assert registry.manifest(1).metrics["frames"] == 3
    assert KeypointDetector.load(registry, 1).keypoint_names == KeypointDetector.load(trained, 1).keypoint_names
    assert {path.name for path in tmp_path.iterdir()}.isdisjoint({CHECKPOINT_NAME, ".ray_train"})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--workers", "2"], "labelled_batch=1 cannot be shared out evenly to 2 workers"),
        (["--workers", "0"], "expected 1 worker or more; got 0"),
    ],
)
def test_workers_that_cannot_be_are_refused_before_anything_starts(
    data: Path, tmp_path: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, tmp_path, *arguments) == 1
    assert said in capsys.readouterr().err
    assert main(["train", "keypoints", "--run", str(tmp_path), "--workers", "2"]) == 1
    assert "--workers goes with --data" in capsys.readouterr().err
