"""Keep the learners and the service at work: asked for a little at a time, saved at times, begun anew if they die."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from deploy.fleet.driver import PartDriver
from deploy.fleet.part import Part, State
from deploy.refresh import RefreshStatus, ReplayAwayError
from deploy.topology import CALL_S, START_S, Calls, ProcessDiedError, ProcessHangsError
from learners.keypoint.learner import LearnerStatus
from s3k_dist.errors import S3KError

if TYPE_CHECKING:
    from deploy.policy import PolicyProgress

ADVANCE_S = 1.0
KEYPOINT_STEPS_A_CALL = 5
REFRESH_S = 1.0  # of making features anew, between two such calls: about half of the keypoint learner's time
PING_EVERY_S, PING_S = 2.0, 10.0
MAX_FAILURES_IN_A_ROW = 5  # of a learner: what it saved may be what kills it


class LearnerHost(Protocol):
    """Who starts the learners' processes."""

    def policy_learner(self) -> Any:
        """Handle of the policy learner, which goes on from its last checkpoint if it is started."""

    def keypoint_learner(self) -> Any:
        """Handle of the keypoint learner, likewise."""

    def end_policy_learner(self) -> None:
        """End its process, however it is."""

    def end_keypoint_learner(self) -> None:
        """End its process, however it is."""

    def replica(self, number: int) -> Any:
        """Handle of a replica of the feature service, at the address it had if it is started anew."""

    def end_replica(self, number: int) -> None:
        """End its process, however it is."""


class PolicyDriver(PartDriver):
    """The policy learner.

    Args:
        host: who starts its process.
        calls: where its answers come in.
        say: tells a person.
        take: what is done with its progress.
        begun_anew: called when another process has taken its place: cells must attach to it.
        save_every_s: seconds between checkpoints.
    """

    def __init__(
        self,
        host: LearnerHost,
        calls: Calls,
        say: Callable[[str], None],
        take: "Callable[[PolicyProgress], None]",
        begun_anew: Callable[[], None],
        save_every_s: float,
    ) -> None:
        super().__init__(Part("policy", "policy"), calls, say)
        self._host = host
        self._take = take
        self._begun_anew = begun_anew
        self._save_every_s = save_every_s
        self._saved_s = time.monotonic()

    def turn(self) -> None:
        """Look what is to be done; called about once a second."""
        now_s = time.time()
        if self.part.state is State.RUNNING:
            self._feel_pulse(self._host.policy_learner())
        if self._busy or self._ending or not (self.part.state is State.WAITING or self.part.may_retry(now_s)):
            return
        anew = self.part.state is State.BACKING_OFF
        self.part.enter(State.STARTING, now_s)

        def ready(_: Any) -> None:
            self.part.enter(State.RUNNING, time.time())
            if anew:
                self._begun_anew()
            self._advance()

        self._ask(self._host.policy_learner().weights.remote(), START_S, ready)

    def end_process(self) -> None:
        """End its process, however it is."""
        self._host.end_policy_learner()

    def _advance(self) -> None:
        if self._ending:
            return
        learner = self._host.policy_learner()
        if time.monotonic() - self._saved_s > self._save_every_s:
            self._saved_s = time.monotonic()
            self._ask_to_save(learner, self._advance)
        else:
            self._ask(learner.advance.remote(ADVANCE_S), CALL_S, self._advanced)

    def _advanced(self, progress: "PolicyProgress") -> None:
        self.part.succeeded()
        numbers = progress.numbers
        self.part.figures = {
            "steps": numbers["env_steps"],
            "updates": numbers["updates"],
            "replay": numbers["replay_size"],
            "lag": round(numbers.get("policy_lag_mean", 0.0), 1),
        }
        self._take(progress)
        self._advance()

    def _failed(self, error: S3KError) -> None:
        if not isinstance(error, (ProcessDiedError, ProcessHangsError)):
            raise error  # a setting or a checkpoint that does not fit: another process would say the same
        super()._failed(error)
        if self.part.failures >= MAX_FAILURES_IN_A_ROW:
            raise S3KError(f"the policy learner failed {self.part.failures} times in a row; the last time: {error}")


class KeypointDriver(PartDriver):
    """The keypoint learner, which also makes the features of stored episodes anew.

    Args:
        host: who starts its process.
        calls: where its answers come in.
        say: tells a person.
        take: what is done with its status.
        refreshes: whether what is observed are keypoints, so that stored features change with the model.
        save_every_s: seconds between savings.
    """

    def __init__(
        self,
        host: LearnerHost,
        calls: Calls,
        say: Callable[[str], None],
        take: Callable[[LearnerStatus], None],
        refreshes: bool,
        save_every_s: float,
    ) -> None:
        super().__init__(Part("keypoints", "keypoints"), calls, say)
        self._host = host
        self._take = take
        self._refreshes = refreshes
        self._save_every_s = save_every_s
        self._saved_s = time.monotonic()
        self._forget = True  # what the policy learner lost if the run was killed before
        self.features = RefreshStatus()
        self.far = False  # the promoted model's features from those before

    def turn(self) -> None:
        """Look what is to be done; called about once a second."""
        now_s = time.time()
        if self.part.state is State.RUNNING:
            self._feel_pulse(self._host.keypoint_learner())
        if self._busy or self._ending or not (self.part.state is State.WAITING or self.part.may_retry(now_s)):
            return
        self.part.enter(State.STARTING, now_s)
        self._ask(self._host.keypoint_learner().status.remote(), START_S, self._begun)

    def end_process(self) -> None:
        """End its process, however it is."""
        self._host.end_keypoint_learner()

    def _begun(self, status: LearnerStatus) -> None:
        self.part.enter(State.RUNNING, time.time())
        self._take(status)  # what it found damaged, among other things
        self._refresh() if self._refreshes else self._advance()

    def replay_begun_anew(self) -> None:
        """The stored episodes are another process's now."""
        self._forget = True

    def _refresh(self) -> None:
        if self._ending:
            return
        forget, self._forget = self._forget, False
        learner, replay = self._host.keypoint_learner(), self._host.policy_learner()

        def failed(error: S3KError) -> None:
            self._forget = self._forget or forget
            # The other learner is begun anew meanwhile, and told what it has missed: no reason not to train.
            self._advance() if isinstance(error, ReplayAwayError) else self._failed(error)

        self._ask(learner.refresh.remote(replay, REFRESH_S, forget), 2 * CALL_S, self._refreshed, failed)

    def _refreshed(self, features: RefreshStatus) -> None:
        before, self.features = self.features, features
        if features.put_back > before.put_back and features.done:
            self._say(f"the policy learner got {features.put_back} episodes again that it had lost")
        if features.done and features.refreshed and not (before.done and before.version == features.version):
            lost = f", {features.lost} could not be" if features.lost else ""
            self._say(f"{features.refreshed} stored episodes have the features of model {features.version}{lost}")
        if self.far and not features.done:
            # Learning and cells wait for these features: no still newer model may come before they are there.
            self._refresh()
        else:
            self._advance()

    def _advance(self) -> None:
        if self._ending:
            return
        learner = self._host.keypoint_learner()
        if time.monotonic() - self._saved_s > self._save_every_s:
            self._saved_s = time.monotonic()
            self._ask_to_save(learner, self._advance)
        else:
            self._ask(learner.advance.remote(KEYPOINT_STEPS_A_CALL, 1), 5 * CALL_S, self._advanced)

    def _advanced(self, status: LearnerStatus) -> None:
        self.part.succeeded()
        self.part.figures = {
            "steps": float(status.steps),
            "model": str(status.version),
            "rejected": str(status.rejected),
            "frames": float(status.unlabelled_frames),
        }
        self._take(status)
        current = status.version == self.features.version and self.features.done
        self._refresh() if self._refreshes and not current else self._advance()


class ReplicaDriver(PartDriver):
    """One replica of the feature service.

    Args:
        number: which.
        host: who starts its process.
        calls: where its answers come in.
        say: tells a person.
    """

    def __init__(self, number: int, host: LearnerHost, calls: Calls, say: Callable[[str], None]) -> None:
        super().__init__(Part(f"service{number}", "service"), calls, say)
        self._number = number
        self._host = host
        self._asked_s = 0.0

    def turn(self) -> None:
        """Look what is to be done; called about once a second."""
        now_s, part = time.time(), self.part
        if part.state is State.RUNNING:
            self._feel_pulse(self._host.replica(self._number))
        if self._busy or self._ending or (part.state is State.BACKING_OFF and not part.may_retry(now_s)):
            return
        if part.state is not State.RUNNING:
            part.enter(State.STARTING, now_s)
        elif time.monotonic() - self._asked_s < PING_EVERY_S:
            return
        self._asked_s = time.monotonic()
        if part.state is State.STARTING:
            self._ask(self._host.replica(self._number).start.remote(), START_S, lambda _: self._ping())
        else:
            self._ping()

    def _ping(self) -> None:
        self._ask(self._host.replica(self._number).latency.remote(), PING_S, self._well)

    def end_process(self) -> None:
        """End its process, however it is."""
        self._host.end_replica(self._number)

    def _well(self, latency: Any) -> None:
        self.part.succeeded()
        self.part.enter(State.RUNNING, time.time())
        self.part.figures = {
            "frames/s": round(latency.frames_per_s, 1),
            "p50 ms": round(latency.p50_ms, 1),
            "p99 ms": round(latency.p99_ms, 1),
        }
