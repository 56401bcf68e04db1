"""``s3k train keypoints --data``: a keypoint model from a data set, without a run around it."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from deploy.checkpoint import CHECKPOINT_NAME, TrainingCheckpoint
from deploy.device import compute_device
from deploy.live_view import LiveView
from deploy.settings import set_value, validated
from deploy.training_loop import advance
from deploy.unlabelled import layout, read_unlabelled, require_memory
from learners.keypoint.batches import LabelledFrames, UnlabelledFrames
from learners.keypoint.calibration import calibrate
from learners.keypoint.config import TrainerConfig
from learners.keypoint.data import labelled_frames
from learners.keypoint.evaluation import KeypointMetrics, evaluate
from learners.keypoint.recipes import RECIPES, sigma_of
from learners.keypoint.trainer import KeypointTrainer, StepReport
from s3k_dist.allocator import keep_large_blocks
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.errors import ConfigError, FrameError, StorageError
from s3k_dist.file_lock import file_lock
from s3k_dist.folders import make_folder
from s3k_dist.keypoints.detector import MODEL_KIND, NOISE_METRIC, KeypointDetector
from s3k_dist.keypoints.network import NetworkConfig
from s3k_dist.stream.reader import StreamReader
from s3k_dist.weights import ModelManifest, WeightsRegistry

LOCK_NAME = ".training.lock"
LOCK_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class Training:
    """What is trained on what.

    Attributes:
        data: folder of the data set: labels of split ``train``, and all frames as unlabelled ones.
        recipe: one of ``RECIPES``.
        steps: of the optimiser.
        seed: of weights, batches and augmentation.
        settings: changes to the recipe, ``key=value`` each.
    """

    data: Path
    recipe: str
    steps: int
    seed: int
    settings: Sequence[str] = ()

    def config(self) -> TrainerConfig:
        """The recipe with its changes, annealed over the whole training.

        Raises:
            ConfigError: there is no such recipe or setting, or a value does not fit.
        """
        if self.recipe not in RECIPES:
            raise ConfigError(f"unknown recipe {self.recipe!r}; there are {', '.join(sorted(RECIPES))}")
        if self.steps < 1 or self.seed < 0:
            raise ConfigError(f"expected 1 step or more and a seed of 0 or more; got {self.steps} and {self.seed}")
        tree = RECIPES[self.recipe].trainer.model_dump() | {"anneal_steps": self.steps}
        for setting in self.settings:
            set_value(tree, setting)
        return validated(TrainerConfig, tree, f"recipe {self.recipe!r}")


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """What a training learns from.

    Attributes:
        reader: of all frames.
        labelled: to train on.
        held_out: to judge by, if there are any.
        network: shape of the network that fits the frames.
        identity: which training it is; one with another is not gone on with.
    """

    reader: StreamReader
    labelled: LabelledFrames
    held_out: LabelledFrames | None
    network: NetworkConfig
    identity: dict[str, Any]

    def unlabelled(self, view: LiveView) -> UnlabelledFrames:
        """Every frame of the stream.

        Raises:
            FrameError: they are not of the labelled ones' layout.
        """
        frames = read_unlabelled(self.reader, view)
        if frames is None or frames.images.shape[1:] != self.labelled.images.shape[1:]:
            raise FrameError(
                f"the labelled frames are {layout(self.labelled)}, the first of the stream "
                f"{'damaged' if frames is None else layout(frames)}: expected frames of one layout"
            )
        return frames


def training_set(training: Training, copies: int = 1) -> TrainingSet:
    """Read the labelled frames, and look at the others.

    Args:
        training: what to do.
        copies: of all frames that have to fit into this machine's memory.

    Raises:
        ConfigError: an unknown recipe or setting.
        StorageError: the data set has no labels or is damaged.
        FrameError: the frames are not square, of a single view, or of several layouts.
        PreflightError: the frames do not fit into the memory.
    """
    config, dataset = training.config(), DatasetFolder(training.data)
    reader, labels = dataset.open_stream(), dataset.read_labels()
    if labels is None or not labels.finished("train"):
        raise StorageError(f"{training.data} has no labels of split train to learn from; docs/data.md says how to add")
    labelled = labelled_frames(reader, labels.finished("train"), labels.keypoints)
    size_px = _side_px(labelled)
    network = NetworkConfig(
        keypoint_names=labels.keypoints,
        image_size_px=size_px,
        sigma=sigma_of(size_px),
        **RECIPES[training.recipe].network,
    )
    require_memory(copies * len(reader), labelled.images[0].numel())
    held_out = None
    if labels.finished("held_out"):
        held_out = labelled_frames(reader, labels.finished("held_out"), labels.keypoints)
    digest = hashlib.sha256(dataset.labels.read_bytes()).hexdigest()[:16]
    identity = {"data": str(training.data.resolve()), "frames": len(reader), "labels": digest, "seed": training.seed}
    return TrainingSet(
        reader, labelled, held_out, network, {**identity, "steps": training.steps, **config.model_dump()}
    )


def train(training: Training, out: Path) -> int:
    """Train, or go on from the checkpoint in ``out``; publish the model there and promote it.

    Args:
        training: what to do.
        out: folder of a registry; made where it is missing.

    Raises:
        ConfigError: an unknown recipe or setting, or the checkpoint in ``out`` is of another training.
        StorageError: the data set has no labels or is damaged, or ``out`` cannot be written.
        FrameError: the frames are not square, of a single view, or of several layouts.
        PreflightError: the frames do not fit into the memory.
    """
    data = training_set(training)
    make_folder(out)
    keep_large_blocks()
    torch.set_flush_denormal(True)  # optimiser states go denormal, and are slow then
    device = compute_device()
    trainer = KeypointTrainer(data.network, training.config(), data.labelled.to(device), seed=training.seed)
    checkpoint = TrainingCheckpoint(out / CHECKPOINT_NAME, data.identity)
    view = live_view(training)
    with file_lock(out / LOCK_NAME, LOCK_TIMEOUT_S):
        checkpoint.restore(trainer)
        with view:
            view.phase("read")
            unlabelled = data.unlabelled(view).to(device)
            view.phase("train")
            _advance(trainer, unlabelled, training.steps, checkpoint, view)
            view.phase("judge")
            version, metrics = publish(trainer, data.held_out, WeightsRegistry(out))
        checkpoint.path.unlink(missing_ok=True)
    print(trained(training, out, version, metrics))  # noqa: T201
    return 0


def live_view(training: Training, quiet: bool = False) -> LiveView:
    """Of a training; a quiet one shows nothing."""
    title = f"s3k train keypoints, recipe {training.recipe}, seed {training.seed}"
    return LiveView(title, ("read", "train", "judge"), Console(quiet=True) if quiet else None)


def trained(training: Training, out: Path, version: int, metrics: KeypointMetrics | None) -> str:
    """What came out, for a person."""
    accuracy = f"{metrics.median_mm:.1f} mm median on {metrics.frames} held-out frames" if metrics else "not judged"
    return (
        f"trained: {out}, version {version}, {accuracy}\n"
        f"next: s3k evaluate keypoints --weights {out} --data {training.data}"
    )


def _advance(
    trainer: KeypointTrainer, unlabelled: UnlabelledFrames, steps: int, checkpoint: TrainingCheckpoint, view: LiveView
) -> None:
    if steps <= trainer.config.warm_start_steps:
        view.event(f"the unlabelled frames enter after step {trainer.config.warm_start_steps}: never in this training")

    advance(trainer, steps, lambda: shown(trainer.step(unlabelled)), checkpoint, view)


def shown(report: StepReport) -> dict[str, float]:
    """Of a step, to a person."""
    return {
        "loss": report.supervised,
        "unlabelled_loss": report.unsupervised,
        "gate_open": report.gate_open,
    }


def publish(
    trainer: KeypointTrainer, held_out: LabelledFrames | None, registry: WeightsRegistry
) -> tuple[int, KeypointMetrics | None]:
    """Publish the teacher and promote it; returns the version, and how it did on held-out frames if there are any.

    Raises:
        StorageError: the registry cannot be written.
    """
    weights = {name: tensor.detach().cpu().clone() for name, tensor in trainer.teacher.state_dict().items()}
    metrics, measured = None, {}
    if held_out is not None:
        metrics = evaluate(KeypointDetector(trainer.network, weights), held_out)
        measured = {name: float(value) for name, value in asdict(metrics).items() if isinstance(value, int | float)}
        measured |= {f"median_mm/{name}": value for name, value in metrics.per_keypoint_median_mm.items()}
        measured |= calibrate(KeypointDetector(trainer.network, weights, noise_px=metrics.noise_px), held_out)
        measured[NOISE_METRIC] = metrics.noise_px
    manifest = ModelManifest(kind=MODEL_KIND, config=trainer.network.model_dump(mode="json"), metrics=measured)
    version = registry.publish(weights, manifest)
    registry.promote(version)
    return version, metrics


def _side_px(labelled: LabelledFrames) -> int:
    views, height, width = labelled.images.shape[1:4]
    if views < 2 or height != width or height < 32 or height % 2:
        raise FrameError(
            f"the labelled frames are {layout(labelled)}; expected 2 views or more, square, with an even side of "
            "32 px or more"
        )
    return height
