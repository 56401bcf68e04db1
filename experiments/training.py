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
from learners.keypoint.config import TrainerConfig
from learners.keypoint.evaluation import evaluate
from learners.keypoint.recipes import RECIPES, changed
from learners.keypoint.trainer import KeypointTrainer, Precision
from s3k_dist.atomic import write_atomic
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.keypoints.network import NetworkConfig

SAVE_EVERY_S = 60.0
CURVE_POINTS = 5  # losses reported over a training


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
        network: fields of ``NetworkConfig`` beside names and size.
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
        return changed(RECIPES[self.recipe], {"anneal_steps": self.steps, **self.settings})


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
        keypoint_names=keypoints_of(labels_folder), image_size_px=training.data.spec.size_px, **training.network
    )
    trainer = KeypointTrainer(
        network,
        training.config(),
        labels,
        seed=training.seed,
        precision=training.precision,
        compiled=training.compiled,
    )
    spent_s, curve = _restore(trainer, checkpoint)
    started = saved = time.monotonic()
    while trainer.steps < training.steps:
        report = trainer.step(frames)
        if trainer.steps % max(1, training.steps // CURVE_POINTS) == 0:
            curve.append({"step": trainer.steps, **asdict(report)})
        now = time.monotonic()
        if now - saved > SAVE_EVERY_S or (slice_s is not None and now - started > slice_s):
            _save(trainer, checkpoint, spent_s + now - started, curve)
            saved = now
            if slice_s is not None and now - started > slice_s:
                return None
    spent_s += time.monotonic() - started
    detector = KeypointDetector(network, {name: value.cpu() for name, value in trainer.teacher.state_dict().items()})
    metrics = {
        name: asdict(evaluate(detector, labelled(test.folder(data_root), "held_out")))
        for name, test in training.tests.items()
    }
    checkpoint.unlink(missing_ok=True)
    return {
        "metrics": metrics,
        "training_s": round(spent_s, 1),
        "threads": torch.get_num_threads(),
        "machine": machine(),
        "curve": curve,
    }


def _save(trainer: KeypointTrainer, checkpoint: Path, spent_s: float, curve: list[dict[str, Any]]) -> None:
    data = io.BytesIO()
    torch.save({"trainer": trainer.state_dict(), "spent_s": spent_s, "curve": curve}, data)
    write_atomic(checkpoint, data.getvalue())


def _restore(trainer: KeypointTrainer, checkpoint: Path) -> tuple[float, list[dict[str, Any]]]:
    if not checkpoint.exists():
        return 0.0, []
    state = torch.load(checkpoint, weights_only=True)
    trainer.load_state_dict(state["trainer"])
    return float(state["spent_s"]), list(state["curve"])
