"""The keypoint learner: trains on labels and stream, publishes versions, and keeps following what the cells see."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from learners.keypoint.batches import LabelledFrames, NewLabels
from learners.keypoint.calibration import calibrate
from learners.keypoint.config import KeypointLearnerConfig
from learners.keypoint.data import UnlabelledPool
from learners.keypoint.evaluation import KeypointMetrics, evaluate
from learners.keypoint.fresh import fresh_runs
from learners.keypoint.overseer import Decision, Overseer
from learners.keypoint.promotion import label_free, objections
from learners.keypoint.state_file import DAMAGED, load_state, save_state, why_damaged
from learners.keypoint.trainer import KeypointTrainer, StepReport
from s3k_dist.errors import StorageError
from s3k_dist.keypoints.detector import DEFAULT_NOISE_PX, MODEL_KIND, NOISE_METRIC, KeypointDetector
from s3k_dist.keypoints.network import NetworkConfig
from s3k_dist.stream.reader import StreamReader
from s3k_dist.weights import ModelManifest, WeightsRegistry

REMEMBERED_VERSIONS = 8
VERIFY_EVERY_S = 10.0  # the served version: who is begun anew has to load it
FOLLOW_FRAMES = 64  # new frames taken between two steps: bounds how long a step can be held up


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
        canary: version on trial, 0 for none.
        rolled_back: promoted versions that were withdrawn.
        news: what was decided since the status before, for a person.
    """

    steps: int
    unlabelled_frames: int
    version: int
    rejected: int
    metrics: KeypointMetrics | None
    report: StepReport | None
    canary: int = 0
    rolled_back: int = 0
    news: tuple[str, ...] = ()


class KeypointLearner:
    """Owns a trainer, the unlabelled pool and the registry of versions; decides which of them serve.

    Args:
        network: shape of the network.
        config: the recipe.
        labelled: to train on.
        held_out: to judge versions by.
        reader: the stream.
        registry: where versions go.
        seed: decides initial weights, batches and augmentation.
        new_labels: asked before every step what people have labelled meanwhile; None for nothing.
        device: that it trains and judges on.
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
        new_labels: Callable[[], NewLabels | None] = lambda: None,
        device: torch.device | str = "cpu",
    ) -> None:
        self._device = torch.device(device)
        self._new_labels = new_labels
        self._network = network
        self._config = config
        self._held_out = held_out
        self._reader = reader
        self._registry = registry
        self._trainer = KeypointTrainer(network, config.trainer, labelled.to(self._device), seed=seed)
        self._pool = UnlabelledPool(config.pool_frames, seed, self._device)
        self._overseer = Overseer(registry, config.promotion, self._compare)
        self._taken = 0
        self._rejected = 0
        self._rolled_back = 0
        self._recovered = 0
        self._metrics: KeypointMetrics | None = None
        self._held_out_of: dict[int, KeypointMetrics] = {}
        self._report: StepReport | None = None
        self._news: list[str] = []
        self._verified_s = -math.inf

    def advance(self, steps: int) -> LearnerStatus:
        """Train for ``steps``; from the configured number on, publish a version every ``publish_every`` steps."""
        config = self._config
        for _ in range(steps):
            self._relabel()
            self._taken += self._pool.follow(self._reader, FOLLOW_FRAMES)
            self._report = self._trainer.step(self._pool.frames())
            self._leave_collapse()
            done = self._trainer.steps
            if done >= config.steps and (done - config.steps) % config.publish_every == 0:
                self.publish()
        if time.monotonic() - self._verified_s > VERIFY_EVERY_S:
            self._withdraw_damaged()
        self._heed(self._overseer.look())
        return self.status()

    def _relabel(self) -> None:
        new = self._new_labels()
        if new is None:
            return
        self._news.extend(new.news)
        if new.training is not None:
            self._trainer.relabel(new.training.to(self._device))
        if new.held_out is not None:
            self._held_out = new.held_out
            self._held_out_of.clear()  # two versions are compared on the same frames

    def publish(self, *, trial: bool = True) -> int:
        """Publish the teacher, and promote it, try it or reject it. Returns the version that serves what is not tried.

        While a version is on trial nothing is published.

        Args:
            trial: let a service try it first, where one is at work; without, a trial under way is decided now.
        """
        if not trial:
            self._heed(self._overseer.settle())
        elif (canary := self._registry.canary()) is not None:
            return self._registry.current() or canary.version
        version = self._publish_candidate()
        current = self._registry.current()
        against = [] if current is None else self._objections(version, current)
        if against:
            reason = "; ".join(against)
            self._registry.reject(version, reason)
            self._heed(Decision("rejected", version, reason))
        elif current is not None and trial and self._overseer.wants_trial():
            self._registry.start_trial(version, self._config.promotion.canary_share)
        else:
            self._registry.promote(version)
            self._heed(Decision("promoted", version))
        return self._registry.current() or version

    def _publish_candidate(self) -> int:
        metrics = self.measure()
        weights = self._weights()
        # On the frames that noise_px is from: the model was not trained on them.
        calibration = calibrate(self._detector(weights, metrics.noise_px), self._held_out)
        measured = _measured(metrics) | calibration
        version = self._registry.publish(
            weights, ModelManifest(kind=MODEL_KIND, config=self._network.model_dump(mode="json"), metrics=measured)
        )
        self._held_out_of[version] = metrics
        return version

    def measure(self) -> KeypointMetrics:
        """Judge the teacher on the held-out frames."""
        self._metrics = evaluate(self._detector(self._weights()), self._held_out)
        return self._metrics

    def status(self) -> LearnerStatus:
        """Where the learner is."""
        canary = self._registry.canary()
        news, self._news = tuple(self._news), []
        return LearnerStatus(
            self._trainer.steps,
            self._taken,
            self._registry.current() or 0,
            self._rejected,
            self._metrics,
            self._report,
            0 if canary is None else canary.version,
            self._rolled_back,
            news,
        )

    def save(self, path: Path) -> None:
        """Write all that :meth:`restore` needs, whole or not at all.

        Raises:
            StorageError: it cannot be written.
        """
        state = {
            "trainer": self._trainer.state_dict(),
            "pool": self._pool.state_dict(),
            "counts": [self._taken, self._rejected, self._rolled_back],
        }
        save_state(path, state)

    def restore(self, path: Path) -> None:
        """Go on from :meth:`save`, with the promoted version as the one to beat.

        Raises:
            StorageError: the file is damaged, or the promoted version is and there is no other.
        """
        try:
            state = load_state(path)
            if "trainer" in state:
                self._pool.load_state_dict(state["pool"], self._reader)
                self._taken, self._rejected, self._rolled_back = map(int, state["counts"])
            # As written before the pool was kept, it is the trainer's alone: the pool begins with the stream anew.
            training = state.get("trainer", state)
            self._trainer.load_state_dict(training)
            self._recovered = int(training["entry"]["recoveries"])
        except DAMAGED as error:
            raise StorageError(f"{path} is not the state of a keypoint trainer: {why_damaged(error)}") from error
        self._judge_served()

    def begin_from_served(self) -> None:
        """Train on from the promoted weights, for want of a state to :meth:`restore`; from nothing if there are none.

        Raises:
            StorageError: the promoted version is damaged, and so are those before it.
        """
        self._judge_served()
        self._restart_from_served()

    def tell(self, news: str) -> None:
        """Pass something on to a person with the next status."""
        self._news.append(news)

    def _judge_served(self) -> None:
        self._withdraw_damaged()
        current = self._registry.current()
        if current is not None:
            self._metrics = self._metrics_of(current)

    def _withdraw_damaged(self) -> None:
        """Where the promoted version cannot be read any more, let the one before serve again, or else what is trained.

        Raises:
            StorageError: there is no other.
        """
        self._verified_s = time.monotonic()
        current = self._registry.current()
        if current is None:
            return
        try:
            self._registry.verify(current)
            return
        except StorageError as error:
            reason = str(error)
        try:
            serves = self._registry.roll_back(reason, withdraw=current)
        except StorageError:  # there was none before, or that one is damaged too
            if self._trainer.steps < self._config.steps:
                raise
            serves = self._publish_candidate()
            self._registry.promote(serves)
        self._rolled_back += 1
        self._news.append(f"keypoint model {serves} serves in place of {current}: {reason}")

    def _objections(self, candidate: int, served: int) -> list[str]:
        """What speaks against a candidate: held-out labels first, then fresh frames of the stream."""
        now, before = self._metrics_of(candidate).median_mm, self._metrics_of(served).median_mm
        if not (math.isnan(before) or now <= self._config.max_regression * before):
            return [f"held-out median {now:.3g} mm, the served one's {before:.3g} mm"]
        return [f"on fresh frames {reason}" for reason in self._compare(candidate, served)]

    def _compare(self, version: int, other: int) -> list[str]:
        """In what a version does worse than another on the newest frames of the stream, without labels."""
        promotion = self._config.promotion
        self._reader.refresh()
        runs = fresh_runs(self._reader, promotion.fresh_runs, self._network.image_size_px)
        if not runs:
            return []
        first, second = (label_free(self._published(each), runs) for each in (version, other))
        return objections(first, second, promotion.fresh)

    def _metrics_of(self, version: int) -> KeypointMetrics:
        """On the held-out frames; measured anew where it is not remembered, as after a restart."""
        if version not in self._held_out_of:
            self._held_out_of[version] = evaluate(self._published(version), self._held_out)
        # Of weeks of versions, the last few are asked for again.
        self._held_out_of = {version: self._held_out_of.pop(version)} | self._held_out_of
        self._held_out_of = dict(list(self._held_out_of.items())[:REMEMBERED_VERSIONS])
        return self._held_out_of[version]

    def _heed(self, decision: Decision | None) -> None:
        """Draw the consequences of a decision."""
        if decision is None:
            return
        self._news.append(str(decision))
        self._rejected += decision.kind == "rejected"
        if decision.kind == "rolled back":
            self._rolled_back += 1
            self._restart_from_served()

    def _leave_collapse(self) -> None:
        """Training that collapsed goes on from the version that serves, if there is one."""
        assert self._report is not None
        if self._report.recoveries == self._recovered:
            return
        self._recovered = self._report.recoveries
        if self._registry.current() is not None:
            self._restart_from_served()
        weight = f"the unlabelled loss goes on with weight {self._report.alpha:.3g}"
        self._news.append(f"training collapsed at step {self._trainer.steps}; {weight}")

    def _restart_from_served(self) -> None:
        current = self._registry.current()
        if current is not None:
            self._trainer.restart_from(self._registry.load(current)[0])

    def _detector(self, weights: dict[str, torch.Tensor], noise_px: float = DEFAULT_NOISE_PX) -> KeypointDetector:
        return KeypointDetector(self._network, weights, noise_px=noise_px, device=self._device)

    def _published(self, version: int) -> KeypointDetector:
        return KeypointDetector.load(self._registry, version, self._device)

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: tensor.cpu().clone() for name, tensor in self._trainer.teacher.state_dict().items()}


def _measured(metrics: KeypointMetrics) -> dict[str, float]:
    flat = {name: float(value) for name, value in asdict(metrics).items() if isinstance(value, (int, float))}
    per_keypoint = {f"median_mm/{name}": value for name, value in metrics.per_keypoint_median_mm.items()}
    return {**flat, **per_keypoint, NOISE_METRIC: metrics.noise_px}
