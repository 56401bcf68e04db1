"""Episodes as they are handed over: complete, in order, closed whatever happens."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from actors.cell import CONTROL_PERIOD_S
from actors.insertion import InsertionConfig, InsertionTask
from actors.observation import KEYPOINT_OBSERVATION_SIZE
from actors.pace import Pace
from actors.rollout import Rollout
from actors.sim.cell import CableCell
from actors.sim.expert import expert_twist
from learners.ddpg.replay import DemonstrationReplay
from s3k_dist.episodes import EpisodeChunk
from s3k_dist.errors import ServiceUnavailableError
from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.writer import StreamWriter
from tests.actors.moments import seen_at


@dataclass
class TrueKeypoints:
    """A perfect model; its version rises with every frame. Falls silent after ``answers`` frames."""

    cell: CableCell
    offset_m: np.ndarray = field(default_factory=lambda: np.zeros((3, 3)))
    answers: int = 10_000
    asked: int = 0

    def extract(self, frame: MultiViewFrame) -> FrameFeatures:
        self.asked += 1
        if self.asked > self.answers:
            raise ServiceUnavailableError("no feature service at 127.0.0.1:1")
        return seen_at(self.cell.truth().keypoints_m + self.offset_m, model_version=self.asked, frame=frame)


@dataclass
class Policy:
    """Does what it is told; its weights change every five steps."""

    steer: Callable[[], np.ndarray]
    version: int = 3
    refreshed: int = 0
    begun: int = 0
    observations: list[np.ndarray] = field(default_factory=list)
    chunks: list[EpisodeChunk] = field(default_factory=list)

    def refresh(self) -> None:
        self.refreshed += 1
        if self.refreshed % 5 == 0:
            self.version += 1

    def begin_episode(self) -> None:
        assert not self.observations, "begun in the middle of an episode"
        self.begun += 1

    def act(self, observation: np.ndarray) -> np.ndarray:
        assert self.begun == 1
        self.observations.append(observation)
        return self.steer()

    def submit(self, chunk: EpisodeChunk) -> None:
        chunk.check(KEYPOINT_OBSERVATION_SIZE, 6)
        self.chunks.append(chunk)


@pytest.fixture
def expert(shared_cell: CableCell) -> Policy:
    return Policy(lambda: expert_twist(shared_cell) / shared_cell.twist_limit)


@pytest.fixture
def idle() -> Policy:
    return Policy(lambda: np.zeros(6))


@dataclass
class Person:
    """Takes over for some steps of an episode, and pushes the hand down."""

    drives: set[int]
    asked: int = 0

    def twist_share(self) -> np.ndarray | None:
        self.asked += 1
        return np.array([0, 0, -3.0, 0, 0, 0]) if self.asked - 1 in self.drives else None


def rollout(
    cell: CableCell, features: TrueKeypoints, writer: StreamWriter | None = None, **options: int | Pace
) -> Rollout:
    return Rollout(cell, features, InsertionTask(InsertionConfig(), 64), writer, **options)


def require_consecutive(chunks: list[EpisodeChunk]) -> DemonstrationReplay:
    """The chunks are one episode, and only the last one ends it; a learner takes them without a word."""
    assert len({chunk.episode_id for chunk in chunks}) == 1
    due = 0
    for chunk in chunks:
        assert chunk.start_step == due
        due += len(chunk)
    for earlier, later in pairwise(chunks):
        np.testing.assert_array_equal(earlier.observations[-1], later.observations[0])
    assert [chunk.is_done for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    replay = DemonstrationReplay(
        observation_size=KEYPOINT_OBSERVATION_SIZE,
        action_size=6,
        capacity=64,
        demonstration_capacity=8,
        n_step=3,
        gamma=0.9,
        priority_exponent=0.5,
        importance_exponent=0.5,
    )
    assert sum(replay.add(chunk) for chunk in chunks) == due
    assert replay.open_episodes == 0
    return replay


@pytest.mark.parametrize("chunk_steps", [1, 4, 8, 100])
def test_chunks_put_together_are_the_episode(shared_cell: CableCell, expert: Policy, chunk_steps: int) -> None:
    features = TrueKeypoints(shared_cell)
    outcome = rollout(shared_cell, features, chunk_steps=chunk_steps).run(expert, seed=1)
    require_consecutive(expert.chunks)
    assert max(len(chunk) for chunk in expert.chunks) <= chunk_steps
    assert sum(len(chunk) for chunk in expert.chunks) == outcome.steps == len(expert.observations)
    seen = np.concatenate([chunk.observations[:-1] for chunk in expert.chunks])
    np.testing.assert_array_equal(seen, expert.observations)
    assert features.asked == outcome.steps + 1
    assert outcome.error_m.shape == outcome.consistent.shape == (outcome.steps + 1, 3)
    assert outcome.latency_ms.shape == (outcome.steps + 1,)
    assert outcome.error_m.max() == 0
    assert outcome.consistent.all()
    assert sum(chunk.rewards.sum() for chunk in expert.chunks) == pytest.approx(outcome.episode_return, rel=1e-5)


def test_versions_of_policy_and_model_are_recorded(shared_cell: CableCell, expert: Policy) -> None:
    outcome = rollout(shared_cell, TrueKeypoints(shared_cell), chunk_steps=4).run(expert, seed=1)
    models = np.concatenate([chunk.model_versions for chunk in expert.chunks])
    np.testing.assert_array_equal(models, np.arange(1, outcome.steps + 1))
    assert outcome.model_version == outcome.steps + 1
    assert [chunk.policy_version for chunk in expert.chunks[:2]] == [3, 4]
    assert outcome.policy_version == expert.version > 3


def test_a_true_claim_is_no_false_one(shared_cell: CableCell, expert: Policy) -> None:
    outcome = rollout(shared_cell, TrueKeypoints(shared_cell)).run(expert, seed=1)
    assert (outcome.claimed, outcome.truly_inserted, outcome.false_claim) == (True, True, False)
    assert expert.chunks[-1].success is True
    assert expert.chunks[-1].terminated


def test_a_claim_against_the_truth_is_told_apart(shared_cell: CableCell, idle: Policy) -> None:
    class Dreamer(TrueKeypoints):
        def extract(self, frame: MultiViewFrame) -> FrameFeatures:
            self.asked += 1
            return seen_at(np.zeros((3, 3)), frame=frame)

    outcome = rollout(shared_cell, Dreamer(shared_cell)).run(idle, seed=1)
    assert (outcome.claimed, outcome.truly_inserted, outcome.false_claim) == (True, False, True)
    assert outcome.steps == 2
    assert outcome.error_m.min() > 0.01


def test_time_up_is_handed_over_as_a_truncation(shared_cell: CableCell, idle: Policy) -> None:
    outcome = rollout(shared_cell, TrueKeypoints(shared_cell)).run(idle, seed=2)
    require_consecutive(idle.chunks)
    assert outcome.steps == 40
    assert (idle.chunks[-1].terminated, idle.chunks[-1].truncated, idle.chunks[-1].success) == (False, True, False)


@pytest.mark.parametrize("after", [1, 4, 6])
def test_told_to_stop_it_closes_the_episode(shared_cell: CableCell, idle: Policy, after: int) -> None:
    def keep_going() -> bool:
        return len(idle.observations) < after

    outcome = rollout(shared_cell, TrueKeypoints(shared_cell), chunk_steps=4).run(idle, 2, keep_going=keep_going)
    assert outcome.steps == after
    require_consecutive(idle.chunks)
    assert idle.chunks[-1].truncated


@pytest.mark.parametrize("steps", [1, 3, 4, 5, 8])
def test_a_service_that_falls_silent_closes_the_episode_and_loses_nothing(
    shared_cell: CableCell, idle: Policy, steps: int, tmp_path: Path
) -> None:
    features = TrueKeypoints(shared_cell, answers=steps + 1)
    with StreamWriter(tmp_path, shared_cell.cell_id) as writer:
        shared_cell.resume_after(-1)
        with pytest.raises(ServiceUnavailableError):
            rollout(shared_cell, features, writer, chunk_steps=4).run(idle, seed=2)
    require_consecutive(idle.chunks)
    assert sum(len(chunk) for chunk in idle.chunks) == steps
    assert idle.chunks[-1].truncated
    reader = StreamReader(tmp_path)
    reader.refresh()
    assert len(reader) == steps + 1


def test_a_service_that_is_silent_from_the_start_hands_over_nothing(shared_cell: CableCell, idle: Policy) -> None:
    for answers in (0, 1):
        with pytest.raises(ServiceUnavailableError):
            rollout(shared_cell, TrueKeypoints(shared_cell, answers=answers)).run(idle, seed=2)
    assert idle.chunks == []


def test_frames_go_to_the_stream_with_their_episode_and_model(
    shared_cell: CableCell, expert: Policy, tmp_path: Path
) -> None:
    with StreamWriter(tmp_path, shared_cell.cell_id) as writer:
        shared_cell.resume_after(41)
        outcome = rollout(shared_cell, TrueKeypoints(shared_cell), writer).run(expert, seed=1)
    reader = StreamReader(tmp_path)
    reader.refresh()
    records = [reader.read(index) for index in range(len(reader))]
    assert [record.frame.sequence for record in records] == list(range(42, 43 + outcome.steps))
    assert outcome.first_sequence == 42
    assert [record.step for record in records] == list(range(outcome.steps + 1))
    assert {record.episode_id for record in records} == {outcome.episode_id}
    assert [record.model_version for record in records] == list(range(1, outcome.steps + 2))


@pytest.mark.parametrize("chunk_steps", [1, 4, 100])
def test_a_person_who_takes_over_drives_and_what_they_do_is_kept_as_a_demonstration(
    shared_cell: CableCell, idle: Policy, chunk_steps: int
) -> None:
    now_s, rests = 0.0, []

    def sleep(seconds: float) -> None:
        rests.append(seconds)

    person = Person({2, 3, 4, 9})
    attended = rollout(
        shared_cell, TrueKeypoints(shared_cell), chunk_steps=chunk_steps, pace=Pace(lambda: now_s, sleep)
    )
    outcome = attended.run(idle, 2, keep_going=lambda: person.asked < 14, operator=person)
    assert outcome.steps == person.asked == 14
    assert outcome.intervened_steps == 4
    assert len(idle.observations) == 10, "the policy is not asked while a person drives"
    assert rests == [CONTROL_PERIOD_S] * 4, "a person's steps take their time, the policy's do not"
    intervened = np.concatenate([chunk.intervened for chunk in idle.chunks])
    assert set(np.flatnonzero(intervened)) == person.drives
    actions = np.concatenate([chunk.actions for chunk in idle.chunks])
    np.testing.assert_array_equal(actions[intervened], np.tile([0, 0, -1, 0, 0, 0], (4, 1)))  # as executed: clipped
    np.testing.assert_array_equal(actions[~intervened], np.zeros((10, 6)))

    replay = require_consecutive(idle.chunks)
    assert (replay.demonstration_size, replay.agent_size) == (4, 10)
    kept = replay.get_state()
    seen = np.concatenate([chunk.observations[:-1] for chunk in idle.chunks])
    np.testing.assert_array_equal(kept["column_obs"][:4], seen[intervened])
    np.testing.assert_array_equal(kept["column_next_obs"][:3], seen[3:6])


def test_a_persons_command_moves_the_robot(shared_cell: CableCell, idle: Policy) -> None:
    still = Pace(lambda: 0.0, lambda seconds: None)
    person = Person({0, 1})
    attended = rollout(shared_cell, TrueKeypoints(shared_cell), pace=still)
    attended.run(idle, 2, keep_going=lambda: person.asked < 2, operator=person)
    lowered_m = shared_cell.gripper_m()[2]
    shared_cell.reset(2)
    expected_m = 2 * CONTROL_PERIOD_S * shared_cell.twist_limit[2]
    assert shared_cell.gripper_m()[2] - lowered_m == pytest.approx(expected_m, rel=0.35)


def test_an_episode_without_a_person_is_marked_as_such(shared_cell: CableCell, expert: Policy) -> None:
    outcome = rollout(shared_cell, TrueKeypoints(shared_cell)).run(expert, seed=1, operator=Person(set()))
    assert outcome.intervened_steps == 0
    assert not any(chunk.intervened.any() for chunk in expert.chunks)
    assert require_consecutive(expert.chunks).demonstration_size == 0
