"""One training of an experiment: data, recipe and budget in, metrics out; stops and resumes at any step. No ray."""

import io
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from experiments.machine import machine
from experiments.scene_data import SceneData, keypoints_of, labelled, unlabelled
from learners.keypoint.batches import LabelledFrames
from learners.keypoint.calibration import COVERAGE_METRIC, calibrate
from learners.keypoint.config import TrainerConfig
from learners.keypoint.detections import look
from learners.keypoint.evaluation import metrics_of
from learners.keypoint.recipes import RECIPES, changed
from learners.keypoint.robustness import one_view_corrupted
from learners.keypoint.trainer import KeypointTrainer, Precision
from s3k_dist.atomic import write_atomic
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.keypoints.network import NetworkConfig

SAVE_EVERY_S = 60.0
CURVE_POINTS = 5  # losses reported over a training
SPOILT_METRIC = "spoilt_ratio: "  # and what one view showed instead


@dataclass(frozen=True)
class Spent:
    """Time, by the clock and of all cores together.

    Attributes:
        wall_s: by the clock.
        core_s: that this process was computing; other processes do not count.
    """

    wall_s: float = 0.0
    core_s: float = 0.0

    @classmethod
    def now(cls) -> "Spent":
        """To take differences from."""
        return cls(time.monotonic(), time.process_time())

    def since(self, start: "Spent") -> "Spent":
        """This, and what has passed since ``start``."""
        now = Spent.now()
        return Spent(self.wall_s + now.wall_s - start.wall_s, self.core_s + now.core_s - start.core_s)


@dataclass(frozen=True)
class Training:
    """What is trained on what.

    Attributes:
        data: frames; its labels of split ``train`` are the labels.
        labelled: how many of the labels.
        unlabelled: how many of the frames; 0 trains on labels alone.
        tests: data sets with held-out labels, by name.
        steps: of the optimiser.
        recipe: one of ``RECIPES``.
        settings: changes to the recipe.
        network: fields of ``NetworkConfig`` beside names, size and what the recipe says.
        seed: of weights and batches.
        labels_of: where the labels come from, if not from ``data``.
        compiled: ``torch.compile`` the network.
        precision: of its arithmetic.
    """

    data: SceneData
    labelled: int
    unlabelled: int
    tests: Mapping[str, SceneData]
    steps: int
    recipe: str = "s3k"
    settings: Mapping[str, Any] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    labels_of: SceneData | None = None
    compiled: bool = False
    precision: Precision = "fp32"

    def config(self) -> TrainerConfig:
        """The recipe with its changes, annealed over the whole training."""
        return changed(RECIPES[self.recipe].trainer, {"anneal_steps": self.steps, **self.settings})


def train(training: Training, data_root: Path, checkpoint: Path, slice_s: float | None = None) -> dict[str, Any] | None:
    """Train and judge; the metrics of each test, and how long it took.

    Args:
        training: what to do.
        data_root: where data sets are kept.
        checkpoint: where the training is kept while it is not done.
        slice_s: give up after this long, with the checkpoint written; None goes to the end.

    Returns:
        None where the slice ended first.
    """
    folder = training.data.folder(data_root)
    labels_folder = folder if training.labels_of is None else training.labels_of.folder(data_root)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    labels = labelled(labels_folder, "train", training.labelled).to(device)
    frames = unlabelled(folder, training.unlabelled).to(device) if training.unlabelled else None
    network = NetworkConfig(
        keypoint_names=keypoints_of(labels_folder),
        image_size_px=training.data.spec.size_px,
        **{**RECIPES[training.recipe].network, **training.network},
    )
    trainer = KeypointTrainer(
        network,
        training.config(),
        labels,
        seed=training.seed,
        precision=training.precision,
        compiled=training.compiled,
    )
    before, curve = _restore(trainer, checkpoint)
    started = Spent.now()
    saved = started.wall_s
    while trainer.steps < training.steps:
        report = trainer.step(frames)
        if trainer.steps % max(1, training.steps // CURVE_POINTS) == 0:
            curve.append({"step": trainer.steps, **asdict(report)})
        now = time.monotonic()
        ends = slice_s is not None and now - started.wall_s > slice_s
        if ends or now - saved > SAVE_EVERY_S:
            _save(trainer, checkpoint, before.since(started), curve)
            saved = now
        if ends:
            return None
    spent = before.since(started)
    detector = KeypointDetector(network, {name: value.cpu() for name, value in trainer.teacher.state_dict().items()})
    metrics = {
        name: _judged(detector, labelled(test.folder(data_root), "held_out")) for name, test in training.tests.items()
    }
    checkpoint.unlink(missing_ok=True)
    return {
        "metrics": metrics,
        "training_s": round(spent.wall_s, 1),
        "core_s": round(spent.core_s, 1),
        "threads": torch.get_num_threads(),
        "machine": machine(),
        "curve": curve,
    }


def _judged(detector: KeypointDetector, held_out: LabelledFrames) -> dict[str, Any]:
    """Accuracy; how much of the truth the calibrated 90% ellipsoids hold; what one spoilt view costs."""
    seen = look(detector, held_out)
    spoilt = one_view_corrupted(detector, held_out, seen)
    return {
        **asdict(metrics_of(detector, seen)),
        # Of either half of the frames, with the scale that the other half fits.
        COVERAGE_METRIC: calibrate(detector, held_out)[COVERAGE_METRIC],
        **{SPOILT_METRIC + kind: error.ratio for kind, error in spoilt.items()},
    }


def _save(trainer: KeypointTrainer, checkpoint: Path, spent: Spent, curve: list[dict[str, Any]]) -> None:
    data = io.BytesIO()
    torch.save({"trainer": trainer.state_dict(), "spent": asdict(spent), "curve": curve}, data)
    write_atomic(checkpoint, data.getvalue())


def _restore(trainer: KeypointTrainer, checkpoint: Path) -> tuple[Spent, list[dict[str, Any]]]:
    if not checkpoint.exists():
        return Spent(), []
    state = torch.load(checkpoint, weights_only=True)
    trainer.load_state_dict(state["trainer"])
    return Spent(**state["spent"]), list(state["curve"])
