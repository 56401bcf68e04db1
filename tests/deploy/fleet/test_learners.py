"""Learners and service are asked bit by bit, saved at times, and begun anew when they die."""

from types import SimpleNamespace
from typing import Any

import pytest

from deploy.fleet.learner_drivers import MAX_FAILURES_IN_A_ROW, KeypointDriver, PolicyDriver, ReplicaDriver
from deploy.fleet.part import State
from deploy.refresh import RefreshStatus, ReplayAwayError
from deploy.topology import ProcessDiedError
from s3k_dist.errors import S3KError, StorageError
from tests.deploy.fleet.conftest import Clock, FakeHost, HandCalls, Said

NUMBERS = {"env_steps": 10.0, "updates": 5.0, "replay_size": 10.0}
PROGRESS = SimpleNamespace(numbers=NUMBERS, refused={})
DIED = ProcessDiedError("its process died")


def seen(version: int) -> Any:
    return SimpleNamespace(steps=5, version=version, rejected=0, unlabelled_frames=9)


@pytest.fixture
def begun_anew() -> list[str]:
    return []


@pytest.fixture
def policy(host: FakeHost, calls: HandCalls, said: Said, clock: Clock, begun_anew: list[str]) -> PolicyDriver:
    return PolicyDriver(host, calls, said, lambda _: None, lambda: begun_anew.append("policy"), 60.0)  # type: ignore[arg-type]


@pytest.fixture
def keypoints(host: FakeHost, calls: HandCalls, said: Said, clock: Clock) -> KeypointDriver:
    return KeypointDriver(host, calls, said, lambda _: None, True, 60.0)  # type: ignore[arg-type]


def test_the_policy_learner_learns_and_is_saved_at_times(policy: PolicyDriver, calls: HandCalls, clock: Clock) -> None:
    policy.turn()
    calls.answer("policy")
    assert calls.last == "policy#1.advance"
    clock.now_s += 61
    calls.answer("policy", PROGRESS)
    assert calls.last == "policy#1.save"
    calls.answer("policy")
    assert calls.last == "policy#1.advance"
    assert policy.part.figures == {"steps": 10.0, "updates": 5.0, "replay": 10.0, "lag": 0.0}


def test_another_policy_learner_is_begun_and_the_cells_are_told(
    policy: PolicyDriver, calls: HandCalls, clock: Clock, begun_anew: list[str]
) -> None:
    policy.turn()
    calls.answer("policy")
    assert begun_anew == []
    calls.answer("policy", DIED)
    policy.turn()
    assert policy.part.state is State.BACKING_OFF
    clock.now_s += 1
    policy.turn()
    assert calls.last == "policy#2.weights"
    calls.answer("policy")
    assert (calls.last, begun_anew) == ("policy#2.advance", ["policy"])


def test_a_policy_learner_that_always_dies_ends_the_run(policy: PolicyDriver, calls: HandCalls, clock: Clock) -> None:
    for _ in range(MAX_FAILURES_IN_A_ROW - 1):
        policy.turn()
        calls.answer("policy", DIED)
        clock.now_s += 100
    policy.turn()
    with pytest.raises(S3KError, match="the policy learner failed 5 times in a row"):
        calls.answer("policy", DIED)


def test_a_checkpoint_that_does_not_fit_ends_the_run_at_once(policy: PolicyDriver, calls: HandCalls) -> None:
    policy.turn()
    with pytest.raises(StorageError, match="other networks"):
        calls.answer("policy", StorageError("saved with other networks"))


@pytest.mark.parametrize("kind", ["policy", "keypoints"])
def test_a_learner_that_finds_no_room_to_save_goes_on_and_says_so(
    kind: str, policy: PolicyDriver, keypoints: KeypointDriver, calls: HandCalls, clock: Clock, said: Said
) -> None:
    driver = policy if kind == "policy" else keypoints
    driver.turn()
    calls.answer(kind, seen(0))
    clock.now_s += 61
    calls.answer(kind, PROGRESS if kind == "policy" else RefreshStatus())
    assert calls.last == f"{kind}#1.save"
    calls.answer(kind, StorageError("cannot write it: No space left on device"))
    assert calls.last == f"{kind}#1.advance"
    assert (driver.part.state, driver.part.restarts) == (State.RUNNING, 0)
    assert said == [f"{kind} is not saved: cannot write it: No space left on device"]


def test_features_are_refreshed_after_each_promotion_between_steps_of_training(
    keypoints: KeypointDriver, calls: HandCalls, said: Said
) -> None:
    keypoints.turn()
    calls.answer("keypoints", seen(1))
    assert calls.last == "keypoints#1.refresh"
    calls.answer("keypoints", RefreshStatus(1))
    assert calls.last == "keypoints#1.advance"
    calls.answer("keypoints", seen(1))
    assert calls.last == "keypoints#1.advance", "nothing is promoted: nothing is refreshed"
    calls.answer("keypoints", seen(2))
    assert calls.last == "keypoints#1.refresh"
    calls.answer("keypoints", RefreshStatus(2, left=5, refreshed=3))
    assert calls.last == "keypoints#1.advance", "near models are mixed: training goes on"
    calls.answer("keypoints", seen(2))
    keypoints.far = True
    calls.answer("keypoints", RefreshStatus(2, left=2, refreshed=6))
    assert calls.last == "keypoints#1.refresh", "far ones are not: no newer model before these features are there"
    calls.answer("keypoints", RefreshStatus(2, left=0, refreshed=8, lost=1))
    assert calls.last == "keypoints#1.advance"
    assert said == ["8 stored episodes have the features of model 2, 1 could not be"]


def test_while_the_policy_learner_is_away_the_keypoint_learner_trains_on(
    keypoints: KeypointDriver, calls: HandCalls
) -> None:
    keypoints.turn()
    calls.answer("keypoints", seen(1))
    for _ in range(2):
        assert calls.last == "keypoints#1.refresh"
        calls.answer("keypoints", ReplayAwayError("the policy learner does not answer"))
        assert calls.last == "keypoints#1.advance"
        calls.answer("keypoints", seen(1))
    assert (keypoints.part.state, keypoints.part.restarts, keypoints.part.last_error) == (State.RUNNING, 0, "")


def test_a_keypoint_learner_that_dies_is_begun_anew(
    keypoints: KeypointDriver, host: FakeHost, calls: HandCalls, clock: Clock
) -> None:
    keypoints.turn()
    calls.answer("keypoints", seen(1))
    calls.answer("keypoints", DIED)
    assert host.ended == ["keypoints killed"]
    clock.now_s += 1
    keypoints.turn()
    assert calls.last == "keypoints#2.status"


def test_what_a_keypoint_learner_finds_when_it_begins_is_passed_on(
    host: FakeHost, calls: HandCalls, said: Said
) -> None:
    taken: list[Any] = []
    keypoints = KeypointDriver(host, calls, said, taken.append, True, 60.0)  # type: ignore[arg-type]
    keypoints.turn()
    calls.answer("keypoints", seen(1))
    assert [status.version for status in taken] == [1]


def test_a_keypoint_learner_is_saved_at_times(keypoints: KeypointDriver, calls: HandCalls, clock: Clock) -> None:
    keypoints.turn()
    calls.answer("keypoints", seen(1))
    clock.now_s += 61
    calls.answer("keypoints", RefreshStatus(1))
    assert calls.last == "keypoints#1.save"


def test_a_replica_is_looked_after_and_begun_anew(host: FakeHost, calls: HandCalls, said: Said, clock: Clock) -> None:
    replica = ReplicaDriver(1, host, calls, said)  # type: ignore[arg-type]
    replica.turn()
    assert calls.last == "service1#1.start"
    calls.answer("service1")
    calls.answer("service1", SimpleNamespace(frames_per_s=8.0, p50_ms=10.0, p99_ms=20.0))
    assert replica.part.state is State.RUNNING
    replica.turn()
    assert calls.last == "service1#1.latency", "asked a moment ago"
    asked = len(calls.asked)
    clock.now_s += 2
    replica.turn()
    assert len(calls.asked) == asked + 1
    calls.answer("service1", DIED)
    clock.now_s += 1
    replica.turn()
    assert calls.last == "service1#2.start"
