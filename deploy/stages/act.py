"""Stage 3: the policy is cloned from demonstrations, then learns from its own episodes; everything runs at once.

Cells act and push steps, the service answers them, the DDPG learner learns, and the keypoint learner follows the stream
that exploration leaves behind. Whoever fails is named, started anew if it is a cell, and holds nobody up.
"""

import secrets
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

import numpy as np

from actors.rollout import EpisodeOutcome
from deploy.encoders import ready_encoder
from deploy.refresh import RefreshStatus
from deploy.seeds import TRAINING_SEEDS
from deploy.session import Session, episode_lines
from deploy.stages.clone import clone
from deploy.stages.see import show
from deploy.topology import CALL_S, START_S, Calls
from learners.ddpg.policy import save_policy
from learners.keypoint.learner import LearnerStatus
from s3k_dist.errors import S3KError

if TYPE_CHECKING:
    from deploy.policy import PolicyProgress
    from learners.ddpg.ingest import Refusals

EPISODE_S = 120.0
ADVANCE_S = 1.0
KEYPOINT_STEPS_A_CALL = 5
REFRESH_S = 1.0  # of making features anew, between two such calls: about half of the keypoint learner's time
WINDOW = 50
MAX_FAILURES_IN_A_ROW = 5
MAX_REFUSED_IN_A_ROW = 10  # chunks


def learn_to_act(session: Session) -> None:
    """Train the policy to the configured number of environment steps and keep it."""
    if session.folder.progress().get("acts"):
        return
    session.folder.require_model()
    ready_encoder(session)
    session.topology.service()
    _connect_cells(session)
    learner = session.topology.policy_learner()
    session.topology.call(learner.weights.remote(), START_S)
    if not session.folder.progress().get("cloned"):
        clone(session, learner)
    with session.keeping():
        _Training(session, learner).run()
    session.topology.call(learner.save.remote(), CALL_S)
    weights, shape = session.topology.call(learner.weights.remote(), CALL_S)
    save_policy(session.folder.policy, shape, weights)
    session.folder.note(acts=True)


def _connect_cells(session: Session) -> None:
    topology = session.topology
    address = topology.service()
    topology.call([cell.connect.remote(address) for cell in topology.cells().values()], START_S)


class _Training:
    """The loop in which everything runs at once."""

    def __init__(self, session: Session, learner: Any) -> None:
        self._session = session
        self._learner = learner
        self._calls = Calls()
        self._env_steps = 0
        self._saved_s = time.monotonic()
        self._token = secrets.token_urlsafe(16)  # of the control page: the same for a cell that is started anew
        self._failures = dict.fromkeys(session.topology.cells(), 0)
        self._refused: dict[str, Counter[str]] = {}
        self._retired: set[str] = set()
        before = [line for line in episode_lines(session.folder) if line["stage"] == "train"]
        self._episodes = len(before)
        self._truly = deque((bool(line["truly_inserted"]) for line in before), maxlen=WINDOW)
        self._claimed = deque((bool(line["claimed"]) for line in before), maxlen=WINDOW)
        self._errors_mm: deque[float] = deque(maxlen=2000)
        self._features = RefreshStatus()
        self._far = False  # the promoted model's features from those before

    def run(self) -> None:
        session, wanted = self._session, self._session.config.policy.env_steps
        began_s = time.monotonic()
        weights, shape = session.topology.call(self._learner.weights.remote(), CALL_S)
        for number, (cell_id, cell) in enumerate(session.topology.cells().items()):
            self._attach(cell_id, cell, weights, shape, number)
        self._calls.ask("policy", self._learner.advance.remote(ADVANCE_S), CALL_S)
        self._keep_features_true()
        while self._env_steps < wanted:
            for name, result in self._calls.ready(timeout_s=1.0):
                if name == "policy":
                    self._policy_learned(result)
                elif name == "keypoints":
                    self._keypoints_learned(result)
                elif name == "refresh":
                    self._refreshed(result)
                else:
                    self._episode_over(name, result)
            session.view.progress(self._env_steps / wanted)
        # What is under way ends by itself: no cell is left in the middle of a motion.
        self._calls.drain(self._keep_last, EPISODE_S)
        if session.config.keypoints.follow_stream:
            status = session.topology.call(session.topology.keypoint_learner().publish.remote(), CALL_S)
            session.topology.call(session.topology.keypoint_learner().save.remote(), CALL_S)
            show(session, status)
        self._note_service(time.monotonic() - began_s)

    def _keep_last(self, name: str, result: object) -> None:
        if isinstance(result, EpisodeOutcome):
            self._session.keep("train", result)

    def _note_service(self, seconds: float) -> None:
        """Round trips as the cells met them while everything ran at once."""
        latencies = np.array(self._session.latencies_ms)
        if len(latencies):
            p50, p99 = np.percentile(latencies, [50, 99])
            service = {
                "p50_ms": round(float(p50), 2),
                "p99_ms": round(float(p99), 2),
                "requests": len(latencies),
                "frames_per_s": round(len(latencies) / seconds, 1),
            }
            self._session.folder.note(service=service)

    def _attach(self, cell_id: str, cell: Any, weights: Any, shape: Any, number: int) -> None:
        config = self._session.config.policy
        seed = self._session.seed(number) + self._episodes
        self._session.topology.call(cell.attach.remote(self._learner, weights, shape, config, seed), START_S)
        if number == 0 and self._session.config.control.port is not None:
            self._serve_control(cell_id, cell)
        self._next_episode(cell_id, cell)

    def _serve_control(self, cell_id: str, cell: Any) -> None:
        session = self._session
        url = session.topology.call(cell.serve_control.remote(session.config.control, self._token), CALL_S)
        session.view.event(f"take over {cell_id} at {url}")
        session.view.update(**{f"{cell_id}, to take over": url})

    def _next_episode(self, cell_id: str, cell: Any) -> None:
        if cell_id in self._retired:
            return
        seed = self._session.seed(TRAINING_SEEDS + self._episodes)
        self._episodes += 1
        self._calls.ask(cell_id, cell.train_episode.remote(seed), EPISODE_S)

    def _keep_seeing(self) -> None:
        if not self._session.config.keypoints.follow_stream:
            return
        learner = self._session.topology.keypoint_learner()
        self._calls.ask("keypoints", learner.advance.remote(KEYPOINT_STEPS_A_CALL, 1), 5 * CALL_S)

    def _keep_features_true(self) -> None:
        """What is stored gets the features of the promoted model, bit by bit."""
        session = self._session
        if not session.config.keypoints.follow_stream:
            return
        if session.config.task.observation != "keypoints":
            self._keep_seeing()
            return
        refreshing = session.topology.keypoint_learner().refresh.remote(self._learner, REFRESH_S)
        self._calls.ask("refresh", refreshing, 2 * CALL_S)

    def _refreshed(self, result: RefreshStatus | S3KError) -> None:
        session, before = self._session, self._features
        if isinstance(result, S3KError):
            session.view.event(f"refreshing features: {result}")
        else:
            self._features = result
            if result.done and result.refreshed and not (before.done and before.version == result.version):
                lost = f", {result.lost} could not be" if result.lost else ""
                session.view.event(
                    f"{result.refreshed} stored episodes have the features of model {result.version}{lost}"
                )
            session.log.add("features/episodes_left", result.left, self._env_steps)
        if self._far and not self._features.done and not isinstance(result, S3KError):
            # Learning and cells wait for these features: no still newer model may come before they are there.
            self._keep_features_true()
        else:
            self._keep_seeing()

    def _episode_over(self, cell_id: str, result: EpisodeOutcome | S3KError) -> None:
        session = self._session
        if isinstance(result, S3KError):
            self._cell_failed(cell_id, result)
            return
        self._failures[cell_id] = 0
        session.keep("train", result)
        session.latencies_ms.extend(result.latency_ms.tolist())
        self._truly.append(result.truly_inserted)
        self._claimed.append(result.claimed)
        self._errors_mm.extend((1e3 * result.error_m).ravel().tolist())
        success, claimed = float(np.mean(self._truly)), float(np.mean(self._claimed))
        visited_mm = float(np.median(self._errors_mm))
        for name, value in (
            ("policy/success_rate", success),
            ("policy/claimed_rate", claimed),
            ("policy/episode_steps", result.steps),
            ("policy/misfit_steps", result.misfit_steps),
            ("keypoints/visited_median_mm", visited_mm),
        ):
            session.log.add(name, value, self._env_steps)
        session.view.update(success_rate=success, claimed_rate=claimed)
        self._show_latency()
        self._next_episode(cell_id, session.topology.cells()[cell_id])

    def _cell_failed(self, cell_id: str, error: S3KError) -> None:
        session = self._session
        self._failures[cell_id] += 1
        session.view.event(f"{cell_id}: {error}")
        if self._failures[cell_id] >= MAX_FAILURES_IN_A_ROW:
            raise S3KError(f"{cell_id} failed {MAX_FAILURES_IN_A_ROW} times in a row; the last time: {error}")
        cell = session.topology.restart_cell(cell_id)
        session.topology.call(cell.connect.remote(session.topology.service()), START_S)
        weights, shape = session.topology.call(self._learner.weights.remote(), CALL_S)
        self._attach(cell_id, cell, weights, shape, list(self._failures).index(cell_id))

    def _policy_learned(self, result: "PolicyProgress | S3KError | None") -> None:
        if isinstance(result, S3KError):
            raise result
        session = self._session
        if result is not None:
            self._env_steps = int(result.numbers["env_steps"])
            self._far = result.numbers["feature_distance"] > session.config.policy.max_feature_distance
            for name, value in result.numbers.items():
                session.log.add(f"policy/{name}", value, self._env_steps)
            session.view.update(env_steps=self._env_steps, updates=result.numbers["updates"])
            self._name_refused(result.refused)
        if time.monotonic() - self._saved_s > session.config.policy.checkpoint_s:
            self._saved_s = time.monotonic()
            self._calls.ask("policy", self._learner.save.remote(), CALL_S)
        else:
            self._calls.ask("policy", self._learner.advance.remote(ADVANCE_S), CALL_S)

    def _name_refused(self, refused: "dict[str, Refusals]") -> None:
        """Say of whom what is refused; a cell of which nothing is taken any more gets no more episodes."""
        for cell_id, refusals in refused.items():
            known = self._refused.get(cell_id, Counter())
            if set(refusals.by_reason) - set(known):
                self._session.view.event(f"refused: {refusals.last}")
            self._refused[cell_id] = refusals.by_reason
            if refusals.in_a_row >= MAX_REFUSED_IN_A_ROW and cell_id not in self._retired:
                self._retired.add(cell_id)
                self._session.view.event(
                    f"{cell_id} gets no more episodes: its last {refusals.in_a_row} chunks were refused"
                )
        if self._retired >= set(self._session.topology.cells()):
            reasons = "; ".join(refusals.last for refusals in refused.values())
            raise S3KError(f"what the cells send is refused: {reasons}")

    def _keypoints_learned(self, result: LearnerStatus | S3KError) -> None:
        session = self._session
        if isinstance(result, S3KError):
            # The served version goes on serving; seeing better can wait.
            session.view.event(f"keypoint learner: {result}")
            return
        show(session, result)
        session.log.add("stream/frames", result.unlabelled_frames, self._env_steps)
        session.view.update(stream_frames=result.unlabelled_frames)
        if result.version != self._features.version or not self._features.done:
            self._keep_features_true()
        else:
            self._keep_seeing()

    def _show_latency(self) -> None:
        session = self._session
        recent = session.latencies_ms[-2000:]
        p50, p99 = np.percentile(recent, [50, 99])
        session.log.add("service/p50_ms", float(p50), self._env_steps)
        session.log.add("service/p99_ms", float(p99), self._env_steps)
        session.view.update(p50_ms=float(p50), p99_ms=float(p99))
