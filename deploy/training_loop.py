"""The loop of `s3k train keypoints --data` and `s3k train vae`: step, show, keep a checkpoint."""

import math
import time
from collections.abc import Callable, Mapping

from deploy.checkpoint import TrainingCheckpoint
from deploy.live_view import LiveView
from learners.keypoint.trainer import KeypointTrainer
from learners.vae.trainer import VaeTrainer
from s3k_dist.errors import S3KError

SAVE_EVERY_S = 60.0


def advance(
    trainer: KeypointTrainer | VaeTrainer,
    steps: int,
    step: Callable[[], Mapping[str, float]],
    checkpoint: TrainingCheckpoint,
    view: LiveView,
) -> None:
    """Train up to ``steps`` steps, from wherever the trainer is.

    Args:
        trainer: counts its steps.
        steps: of the optimiser, in all.
        step: takes one; returns what to show of it, losses and the like.
        checkpoint: written once a minute.
        view: shows the progress.

    Raises:
        S3KError: training has diverged.
    """
    if trainer.steps:
        view.event(f"going on from step {trainer.steps}")
    first, began = trainer.steps, time.monotonic()
    saved = began
    while trainer.steps < steps:
        shown = step()
        require_finite(trainer, shown)
        now = time.monotonic()
        view.progress(trainer.steps / steps)
        view.update(step=trainer.steps, **shown, steps_per_s=(trainer.steps - first) / (now - began))
        if now - saved >= SAVE_EVERY_S:
            checkpoint.save(trainer)
            saved = now


def require_finite(trainer: KeypointTrainer | VaeTrainer, shown: Mapping[str, float]) -> None:
    """Raise S3KError where a loss is no number any more."""
    if not all(map(math.isfinite, shown.values())):
        raise S3KError(
            f"training has diverged at step {trainer.steps}: a loss is not finite; try a smaller learning rate, "
            f"--set learning_rate={trainer.config.learning_rate / 3:.1g}"
        )
