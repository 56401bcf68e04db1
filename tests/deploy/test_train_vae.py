"""`s3k train vae`: an encoder from the frames of a data set, pictures to judge it by, and the encoder of a run."""

import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from deploy import training_loop
from deploy.checkpoint import CHECKPOINT_NAME
from deploy.cli import main
from deploy.config import load_config
from deploy.encoders import ready_encoder
from deploy.live_view import LiveView
from deploy.run_folder import RunFolder
from deploy.train_vae import RECONSTRUCTIONS, TRAVERSALS, split
from learners.vae.trainer import VaeStepReport, VaeTrainer
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.embeddings.encoder import FrameEncoder, encoder_source
from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.geometry.camera import Camera
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter
from s3k_dist.weights import ModelManifest, WeightsRegistry
from tests.learners.vae.conftest import blobs
from tests.scenes import frame, ring

FRAMES, STEPS = 60, 6
SMALL = ["--set=batch=4", "--set=latent_size=3"]


def write(root: Path, frames: Sequence[MultiViewFrame]) -> Path:
    folder = DatasetFolder(root)
    folder.create()
    with StreamWriter(folder.stream, "cell0") as writer:
        for index, one in enumerate(frames):
            writer.append(StreamRecord(one, "episode", index, 0))
    return root


def noise(cameras: Sequence[Camera], count: int) -> list[MultiViewFrame]:
    return [frame(list(cameras), sequence=index, seed=index) for index in range(count)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Moving blobs, without a label."""
    cameras, drawn = ring(3, size_px=64, focal_px=150.0), blobs(FRAMES, 5)
    frames = [
        MultiViewFrame("cell0", i, 1, tuple(View(camera, one, 1) for camera, one in zip(cameras, images, strict=True)))
        for i, images in enumerate(drawn.images.numpy())
    ]
    return write(tmp_path_factory.mktemp("data") / "blobs", frames)


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> WeightsRegistry:
    """An encoder, trained without interruption."""
    out = tmp_path_factory.mktemp("models") / "vae"
    assert train(data, out) == 0
    return WeightsRegistry(out)


def train(data: Path, out: Path, *more: str) -> int:
    """The command, for a few small steps."""
    return main(["train", "vae", "--data", str(data), "--out", str(out), "--steps", str(STEPS), *SMALL, *more])


def test_the_encoder_is_published_promoted_and_measured(data: Path, trained: WeightsRegistry) -> None:
    assert trained.current() == 1
    manifest = trained.manifest(1)
    assert manifest.kind == "vae"
    assert {"reconstruction_rmse", "explained_variance", "kl_nats", "active_dimensions"} <= manifest.metrics.keys()
    assert (manifest.metrics["frames"], manifest.metrics["steps"]) == (3, STEPS)
    encoder = FrameEncoder.load(trained, 1)
    seen = DatasetFolder(data).open_stream().read(0).frame
    assert encoder.embed([seen])[0].values.shape == (3,)
    assert not (trained.root / CHECKPOINT_NAME).exists()


def test_pictures_are_written_next_to_the_weights(trained: WeightsRegistry) -> None:
    for name in (RECONSTRUCTIONS, TRAVERSALS):
        picture = cv2.imread(str(trained.root / name))
        assert min(picture.shape[:2]) > 300
        assert len(np.unique(picture)) > 50


def test_what_was_trained_is_said_and_a_repeated_command_publishes_another_version(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for version in (1, 2):
        assert train(data, tmp_path) == 0
        printed = capsys.readouterr()
        assert printed.err == ""
        assert f"trained: {tmp_path}, version {version}, " in printed.out
        assert " of 3 dimensions active, " in printed.out
        assert f"look at: {tmp_path / RECONSTRUCTIONS}, {tmp_path / TRAVERSALS}\n" in printed.out
    assert WeightsRegistry(tmp_path).current() == 2


def stopped_at(steps: int) -> Any:
    """A trainer's step, and Ctrl-C before the one after ``steps``."""
    step = VaeTrainer.step

    def stopped(trainer: VaeTrainer) -> VaeStepReport:
        if trainer.steps == steps:
            raise KeyboardInterrupt
        return step(trainer)

    return stopped


def test_a_stopped_training_goes_on_as_if_nothing_had_happened(
    data: Path,
    trained: WeightsRegistry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(training_loop, "SAVE_EVERY_S", 0.0)
        patch.setattr(VaeTrainer, "step", stopped_at(4))
        assert train(data, tmp_path) == 130
    assert WeightsRegistry(tmp_path).versions() == []
    capsys.readouterr()
    assert main(["train", "vae", "--data", str(data), "--out", str(tmp_path), "--seed", "3"]) == 1
    assert "is of another training, with seed 0, here 3" in capsys.readouterr().err
    assert train(data, tmp_path) == 0
    assert "going on from step 4" in capsys.readouterr().out
    resumed, straight = WeightsRegistry(tmp_path).load(1)[0], trained.load(1)[0]
    assert all(torch.equal(resumed[name], tensor) for name, tensor in straight.items())


def test_a_training_that_diverges_publishes_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(VaeTrainer, "step", lambda trainer: VaeStepReport(math.nan, 0.0))
    assert train(data, tmp_path) == 1
    assert "a loss is not finite; try a smaller learning rate, --set learning_rate=0.0003" in capsys.readouterr().err
    assert WeightsRegistry(tmp_path).versions() == []


def test_frames_that_no_vae_can_take_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    square, wide = ring(2, size_px=32), [camera.resized(64, 48) for camera in ring(2, size_px=64)]
    for name, frames, says in (
        ("few", noise(square, 3), "stream holds 3 frames, expected 40 or more"),
        ("wide", noise(wide, 40), "the frames are 2 views of 64 x 48 px; expected square ones"),
        ("odd", noise(ring(2, size_px=48), 40), "48 x 48 px; expected square ones of one side, a multiple of 32 px"),
    ):
        out = tmp_path / "models"
        assert train(write(tmp_path / name, frames), out) == 1
        printed = capsys.readouterr()
        assert says in printed.err
        assert printed.err.count("\n") == 1
        assert not out.exists()
    assert train(tmp_path / "nowhere", tmp_path / "models") == 1
    assert "is no data set" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--set=bta=1"], "the VAE: unknown key 'bta'; available there: steps, latent_size, beta"),
        (["--set=beta=-1"], "beta: Input should be greater than or equal to 0, got -1"),
        (["--steps=0"], "steps: Input should be greater than or equal to 1, got 0"),
        (["--seed=-1"], "expected a seed of 0 or more, got -1"),
    ],
)
def test_a_wrong_setting_trains_nothing(
    more: list[str], says: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(data, tmp_path / "models", *more) == 1
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [40, 319, 1000])
def test_a_twentieth_is_held_out_in_blocks(count: int) -> None:
    frames = blobs(1, 0)
    many = type(frames)(torch.arange(count).view(-1, 1, 1, 1, 1).to(torch.uint8).expand(-1, 1, 2, 2, 3), frames.cameras)
    cameras = frames.cameras[torch.zeros(count, dtype=torch.long)]
    train_frames, held_out = split(type(frames)(many.images, cameras))
    assert len(train_frames) + len(held_out) == count
    assert 2 <= len(held_out) <= 0.08 * count
    jumps = (held_out.images[1:, 0, 0, 0, 0].int() - held_out.images[:-1, 0, 0, 0, 0].int()) % 256 != 1
    assert jumps.sum() <= math.ceil(count / 320)


def session(root: Path, *settings: str) -> Any:
    """What `ready_encoder` needs of a session."""
    added: dict[str, float] = {}
    return SimpleNamespace(
        config=load_config("smoke", settings),
        folder=RunFolder(root),
        view=LiveView("a run"),
        log=SimpleNamespace(add=lambda name, value, step: added.update({name: value})),
        added=added,
    )


def test_a_run_makes_the_encoder_that_its_agent_observes_once(data: Path, tmp_path: Path) -> None:
    root = tmp_path / "run"
    root.mkdir()
    (root / "stream").symlink_to(data / "stream")
    seen = DatasetFolder(data).open_stream().read(0).frame
    small = ("task.embedding_size=4", "vae.steps=3", "vae.batch=4")
    for kind in ("vae", "pixels-frozen"):
        sitting = session(root, f"task.observation={kind}", *small)
        ready_encoder(sitting)
        registry = WeightsRegistry(sitting.folder.encoder(kind))
        assert registry.versions() == [1]
        encoder = encoder_source(registry).load(1)
        (embedding,) = encoder.embed([seen])
        assert (embedding.kind, embedding.values.shape) == (kind, (4,))
        assert ("vae/active_dimensions" in sitting.added) == (kind == "vae")
        ready_encoder(sitting)  # a policy keeps the encoder that it began with
        assert registry.versions() == [1]


@pytest.mark.parametrize("observation", ["keypoints", "state"])
def test_a_run_that_observes_no_embedding_makes_none(observation: str, tmp_path: Path) -> None:
    ready_encoder(session(tmp_path, f"task.observation={observation}"))
    assert list(tmp_path.iterdir()) == []


def test_serving_without_a_promoted_encoder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = WeightsRegistry(tmp_path / "run" / "models")
    models.promote(models.publish({"a": torch.zeros(1)}, ModelManifest(kind="keypoints")))
    assert main(["serve", "--run", str(tmp_path / "run"), "--encoder", str(tmp_path / "none")]) == 1
    assert f"{tmp_path / 'none'} has no promoted encoder; `s3k train vae --out" in capsys.readouterr().err
