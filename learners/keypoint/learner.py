"""The keypoint learner: trains on labels and stream, publishes versions, and keeps following what the cells see."""

import io
import math
import pickle
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from learners.keypoint.batches import LabelledFrames
from learners.keypoint.calibration import calibrate
from learners.keypoint.config import KeypointLearnerConfig
from learners.keypoint.data import UnlabelledPool
from learners.keypoint.evaluation import KeypointMetrics, evaluate
from learners.keypoint.trainer import KeypointTrainer, StepReport
from s3k_dist.atomic import write_atomic
from s3k_dist.errors import StorageError
from s3k_dist.keypoints.detector import MODEL_KIND, NOISE_METRIC, KeypointDetector
from s3k_dist.keypoints.network import NetworkConfig
from s3k_dist.stream.reader import StreamReader
from s3k_dist.weights import ModelManifest, WeightsRegistry

FOLLOW_FRAMES = 64  # new frames taken between two steps: bounds how long a step can be held up
# What torch.load and load_state_dict raise on a torn or foreign file.
DAMAGED = (
    OSError,
    EOFError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    IndexError,
    AttributeError,
    pickle.UnpicklingError,
)


@dataclass(frozen=True)
class LearnerStatus:
    """Where the learner is.

    Attributes:
        steps: optimiser steps done.
        unlabelled_frames: of the stream taken in.
        version: last promoted, 0 for none.
        rejected: versions that were no improvement.
        metrics: of the last evaluation on held-out frames.
        report: of the last step.
    """

    steps: int
    unlabelled_frames: int
    version: int
    rejected: int
    metrics: KeypointMetrics | None
    report: StepReport | None


class KeypointLearner:
    """Owns a trainer, the unlabelled pool and the registry of versions.

    Args:
        network: shape of the network.
        config: the recipe.
        labelled: to train on.
        held_out: to judge versions by.
        reader: the stream.
        registry: where versions go.
        seed: decides initial weights, batches and augmentation.
    """

    def __init__(
        self,
        network: NetworkConfig,
        config: KeypointLearnerConfig,
        labelled: LabelledFrames,
        held_out: LabelledFrames,
        reader: StreamReader,
        registry: WeightsRegistry,
        *,
        seed: int,
    ) -> None:
        self._network = network
        self._config = config
        self._held_out = held_out
        self._reader = reader
        self._registry = registry
        self._trainer = KeypointTrainer(network, config.trainer, labelled, seed=seed)
        self._pool = UnlabelledPool(config.pool_frames, seed)
        self._taken = 0
        self._rejected = 0
        self._metrics: KeypointMetrics | None = None
        self._served: KeypointMetrics | None = None
        self._report: StepReport | None = None

    def advance(self, steps: int) -> LearnerStatus:
        """Train for ``steps``; from the configured number on, publish a version every ``publish_every`` steps."""
        config = self._config
        for _ in range(steps):
            self._taken += self._pool.follow(self._reader, FOLLOW_FRAMES)
            self._report = self._trainer.step(self._pool.frames())
            done = self._trainer.steps
            if done >= config.steps and (done - config.steps) % config.publish_every == 0:
                self.publish()
        return self.status()

    def publish(self) -> int:
        """Publish the teacher; promote it unless it does worse on the held-out frames. Returns the served version."""
        metrics = self.measure()
        weights = self._weights()
        # On the frames that noise_px is from: the model was not trained on them.
        calibration = calibrate(KeypointDetector(self._network, weights, noise_px=metrics.noise_px), self._held_out)
        measured = _measured(metrics) | calibration
        version = self._registry.publish(
            weights, ModelManifest(kind=MODEL_KIND, config=self._network.model_dump(mode="json"), metrics=measured)
        )
        current = self._registry.current()
        served = self._served
        better = (
            served is None
            or math.isnan(served.median_mm)
            or metrics.median_mm <= self._config.max_regression * served.median_mm
        )
        if better or current is None:
            self._registry.promote(version)
            self._served = metrics
            return version
        self._rejected += 1
        return current

    def measure(self) -> KeypointMetrics:
        """Judge the teacher on the held-out frames."""
        self._metrics = evaluate(KeypointDetector(self._network, self._weights()), self._held_out)
        return self._metrics

    def status(self) -> LearnerStatus:
        """Where the learner is."""
        return LearnerStatus(
            self._trainer.steps,
            self._taken,
            self._registry.current() or 0,
            self._rejected,
            self._metrics,
            self._report,
        )

    def save(self, path: Path) -> None:
        """Write all that :meth:`restore` needs, whole or not at all.

        Raises:
            StorageError: it cannot be written.
        """
        data = io.BytesIO()
        torch.save(self._trainer.state_dict(), data)
        write_atomic(path, data.getvalue())

    def restore(self, path: Path) -> None:
        """Go on from :meth:`save`, with the promoted version as the one to beat.

        Raises:
            StorageError: the file is damaged, or the promoted version is.
        """
        try:
            self._trainer.load_state_dict(torch.load(path, weights_only=True))
        except DAMAGED as error:
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise StorageError(f"{path} is not the state of a keypoint trainer: {reason}") from error
        current = self._registry.current()
        if current is not None:
            self._served = self._metrics = evaluate(KeypointDetector.load(self._registry, current), self._held_out)

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: tensor.clone() for name, tensor in self._trainer.teacher.state_dict().items()}


def _measured(metrics: KeypointMetrics) -> dict[str, float]:
    flat = {name: float(value) for name, value in asdict(metrics).items() if isinstance(value, (int, float))}
    per_keypoint = {f"median_mm/{name}": value for name, value in metrics.per_keypoint_median_mm.items()}
    return {**flat, **per_keypoint, NOISE_METRIC: metrics.noise_px}
