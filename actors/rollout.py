"""Runs episodes of the insertion task in one cell: capture, features, policy, command, at the cell's own pace."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from actors.cell import Cell, CellObservation, known_truth
from actors.insertion import ACTION_SIZE, InsertionTask, TaskStep
from actors.observation import FeatureSource, observed_through, observed_version
from actors.operator import Operator
from actors.pace import Pace
from actors.physical.ticks import missed_deadlines
from actors.track import Track
from s3k_dist.drift.watch import DriftReport
from s3k_dist.episodes import EpisodeChunk
from s3k_dist.features.types import FrameFeatures
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter

TRULY_INSERTED = 0.9  # share of the hole's depth


class ActingPolicy(Protocol):
    """What drives a cell. ``refresh`` takes newer weights if they have come, and never waits for them."""

    @property
    def version(self) -> int:
        """Of the weights in use."""

    def refresh(self) -> None:
        """Take the newest weights that have arrived."""

    def begin_episode(self) -> None:
        """An episode begins: exploration that is correlated in time starts anew."""

    def act(self, observation: np.ndarray) -> np.ndarray:
        """An action in [-1, 1], shape (6,)."""

    def submit(self, chunk: EpisodeChunk) -> None:
        """Hand over steps for learning; never blocks."""


@dataclass(frozen=True, eq=False)
class EpisodeOutcome:
    """How an episode went; T steps.

    Attributes:
        episode_id: names it.
        seed: of the cell's reset.
        steps: T.
        claimed: the keypoints said that the plug is in.
        true_depth: at the end, share of the hole's depth; NaN of a physical cell.
        episode_return: sum of rewards.
        policy_version: that chose the last action.
        model_version: of the keypoint model at the last step.
        error_m: distance of served keypoints from the truth, shape (T + 1, 3); NaN of a physical cell.
        latency_ms: of the feature service as the cell met it, round trip, shape (T + 1,).
        consistent: which keypoints the task trusted, shape (T + 1, 3).
        intervened_steps: steps that a person drove.
        misfit_steps: steps on features of a model that the policy had not learned from.
        drift: what the cell noticed of its own frames since the episode before.
        first_sequence: of the episode's frames, which are numbered on from there.
        missed_deadlines: commands that came after their control period, of a cell that does not wait for them.
    """

    episode_id: str
    seed: int
    steps: int
    claimed: bool
    true_depth: float
    episode_return: float
    policy_version: int
    model_version: int
    error_m: np.ndarray
    latency_ms: np.ndarray
    consistent: np.ndarray
    intervened_steps: int = 0
    misfit_steps: int = 0
    drift: DriftReport = field(default_factory=DriftReport)
    first_sequence: int = 0
    missed_deadlines: int = 0

    @property
    def truly_inserted(self) -> bool:
        """By the simulator's truth; False where nobody knows."""
        return self.true_depth >= TRULY_INSERTED

    @property
    def false_claim(self) -> bool:
        """Claimed but untrue; False where nobody knows."""
        return self.claimed and self.true_depth < TRULY_INSERTED


@dataclass
class _Trace:
    """What accumulates over one episode."""

    steps: list[TaskStep] = field(default_factory=list)
    actions: list[np.ndarray] = field(default_factory=list)
    intervened: list[bool] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)
    grippers: list[np.ndarray] = field(default_factory=list)
    models: list[int] = field(default_factory=list)
    observed: list[int] = field(default_factory=list)
    errors_m: list[np.ndarray] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    sent: int = 0
    closed: bool = False

    def track(self, episode_id: str, cell_id: str) -> Track:
        """What the robot did in the steps that are complete."""
        moments = len(self.steps)
        sequences, grippers = np.array(self.sequences[:moments]), np.stack(self.grippers[:moments])
        return Track(episode_id, cell_id, sequences, grippers, np.array(self.actions[: moments - 1]))


class Rollout:
    """Runs episodes in a cell.

    Args:
        cell: where; its truth, if it is known, is recorded beside every step, and shown to nobody.
        features: where keypoints come from, and embeddings where the task observes them.
        task: the insertion task.
        writer: the cell's end of the stream; every frame goes there. None keeps no frames.
        chunk_steps: steps that are handed over for learning at a time.
        on_step: called after each step with the frame, its features and the task's view, for a live picture.
        pace: of the steps that a person drives; the policy's own take as long as the cell does.
        keep_track: called after each episode that was acted in with what the robot did.
    """

    def __init__(
        self,
        cell: Cell,
        features: FeatureSource,
        task: InsertionTask,
        writer: StreamWriter | None = None,
        *,
        chunk_steps: int = 8,
        on_step: Callable[[CellObservation, FrameFeatures, TaskStep], None] | None = None,
        pace: Pace | None = None,
        keep_track: Callable[[Track], None] | None = None,
    ) -> None:
        self._cell = cell
        self._features = observed_through(features, cell, task.config.observation)
        self._task = task
        self._writer = writer
        self._chunk_steps = chunk_steps
        self._on_step = on_step
        self._pace = pace or Pace()
        self._keep_track = keep_track

    def run(
        self,
        policy: ActingPolicy,
        seed: int,
        *,
        keep_going: Callable[[], bool] = lambda: True,
        operator: Operator | None = None,
    ) -> EpisodeOutcome:
        """One episode, to its end or until ``keep_going`` says no.

        While ``operator`` commands, the person's action is executed in place of the policy's, handed over as such, and
        marked.

        Raises:
            ServiceError: the feature service did not answer; the robot is left without command, the steps so far are
                handed over as truncated.
        """
        episode_id = f"{self._cell.cell_id}-policy-{seed}-{time.time_ns():x}"
        trace = _Trace()
        missed_before = missed_deadlines(self._cell)
        try:
            seen = self._cell.reset(seed)
            features = self._look(trace, episode_id, seen)
            trace.steps.append(self._task.begin(seen.gripper, features))
            self._show(seen, features, trace)
            policy.begin_episode()
            while True:
                self._pace.begin()
                policy.refresh()
                share = operator.twist_share() if operator is not None else None
                chosen = policy.act(trace.steps[-1].observation) if share is None else np.clip(share, -1.0, 1.0)
                action = np.asarray(chosen, np.float64)
                self._cell.command(action * self._cell.twist_limit)
                seen = self._cell.observe()
                features = self._look(trace, episode_id, seen)
                step = self._task.advance(seen.gripper, features)
                trace.actions.append(action)
                trace.intervened.append(share is not None)
                trace.steps.append(step)
                self._show(seen, features, trace)
                last = trace.steps[-1]
                over = last.terminated or last.truncated
                stopped = not over and not keep_going()
                if over or stopped or len(trace.actions) - trace.sent >= self._chunk_steps:
                    self._submit(policy, trace, episode_id, truncated=last.truncated or stopped)
                if over or stopped:
                    break
                if share is not None:
                    self._pace.rest()
        finally:
            # An episode that broke off still closes: the learner must not wait for its end.
            if trace.actions and not trace.closed:
                self._submit(policy, trace, episode_id, truncated=True)
            if trace.actions and self._keep_track is not None:
                self._keep_track(trace.track(episode_id, self._cell.cell_id))
        return EpisodeOutcome(
            episode_id=episode_id,
            seed=seed,
            steps=len(trace.actions),
            claimed=trace.steps[-1].claimed,
            true_depth=known_truth(self._cell).depth,
            episode_return=sum(step.reward for step in trace.steps),
            policy_version=policy.version,
            model_version=trace.models[-1],
            error_m=np.stack(trace.errors_m),
            latency_ms=np.array(trace.latencies_ms),
            consistent=np.stack([step.consistent for step in trace.steps]),
            intervened_steps=sum(trace.intervened),
            first_sequence=trace.sequences[0],
            missed_deadlines=missed_deadlines(self._cell) - missed_before,
        )

    def _look(self, trace: _Trace, episode_id: str, seen: CellObservation) -> FrameFeatures:
        asked_s = time.perf_counter()
        features = self._features.extract(seen.frame)
        trace.latencies_ms.append(1e3 * (time.perf_counter() - asked_s))
        if self._writer is not None:
            record = StreamRecord(seen.frame, episode_id, len(trace.models), features.model_version)
            self._writer.append(record)
        trace.sequences.append(seen.frame.sequence)
        trace.grippers.append(seen.gripper.numbers)
        trace.models.append(features.model_version)
        trace.observed.append(observed_version(self._task.config.observation, features))
        trace.errors_m.append(np.linalg.norm(features.positions_m - known_truth(self._cell).keypoints_m, axis=-1))
        return features

    def _show(self, seen: CellObservation, features: FrameFeatures, trace: _Trace) -> None:
        if self._on_step is not None:
            self._on_step(seen, features, trace.steps[-1])

    def _submit(self, policy: ActingPolicy, trace: _Trace, episode_id: str, *, truncated: bool) -> None:
        first, last = trace.sent, len(trace.actions)
        end = trace.steps[last]
        done = end.terminated or truncated
        policy.submit(
            chunk_of_steps(
                episode_id,
                self._cell.cell_id,
                trace.steps[first : last + 1],
                trace.actions[first:last],
                trace.observed[first:last],
                start_step=first,
                policy_version=policy.version,
                truncated=truncated and not end.terminated,
                success=end.claimed if done else None,
                intervened=trace.intervened[first:last],
            )
        )
        trace.sent, trace.closed = last, done


def chunk_of_steps(
    episode_id: str,
    cell_id: str,
    steps: list[TaskStep],
    actions: list[np.ndarray],
    models: list[int],
    *,
    start_step: int,
    policy_version: int,
    truncated: bool,
    success: bool | None,
    intervened: list[bool] | None = None,
) -> EpisodeChunk:
    """T actions and the T + 1 moments around them, as the DDPG learner takes them; T = 0 only closes an episode.

    ``intervened`` says which actions a person chose; None: nobody did.
    """
    return EpisodeChunk(
        episode_id=episode_id,
        cell_id=cell_id,
        observations=np.stack([step.observation for step in steps]).astype(np.float32),
        actions=np.array(actions, np.float32).reshape(len(actions), ACTION_SIZE),
        rewards=np.array([step.reward for step in steps[1:]], np.float32),
        terminated=steps[-1].terminated,
        truncated=truncated,
        start_step=start_step,
        policy_version=policy_version,
        model_versions=np.array(models, np.int64),
        success=success,
        intervened=np.array(intervened or [False] * len(actions), bool),
    )
