"""What comes out of the replay is what the cells experienced, and no demonstration is forgotten."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learners.ddpg.outcomes import EpisodeOutcomes
from learners.ddpg.replay import DemonstrationReplay
from s3k_dist.episodes import EpisodeChunk, EpisodeChunkError
from s3k_dist.errors import ConfigError, PreflightError, StorageError

MakeChunk = Callable[..., EpisodeChunk]
GAMMA = 0.9


def make_replay(**changes: Any) -> DemonstrationReplay:
    settings: dict[str, Any] = {
        "observation_size": 3,
        "action_size": 2,
        "capacity": 200,
        "demonstration_capacity": 40,
        "n_step": 3,
        "gamma": GAMMA,
        "priority_exponent": 0.6,
        "importance_exponent": 0.5,
        "seed": 0,
    }
    return DemonstrationReplay(**{**settings, **changes})


def stored(replay: DemonstrationReplay) -> dict[str, np.ndarray]:
    """All rows in use, oldest agent row last written."""
    return {name[7:]: array for name, array in replay.get_state().items() if name.startswith("column_")}


def cut(chunk: EpisodeChunk, borders: list[int]) -> list[EpisodeChunk]:
    """The same episode in pieces."""
    edges = [0, *borders, len(chunk)]
    return [
        EpisodeChunk(
            episode_id=chunk.episode_id,
            cell_id=chunk.cell_id,
            observations=chunk.observations[start : end + 1],
            actions=chunk.actions[start:end],
            rewards=chunk.rewards[start:end],
            terminated=chunk.terminated and end == len(chunk),
            truncated=chunk.truncated and end == len(chunk),
            start_step=start,
            policy_version=chunk.policy_version,
            model_versions=chunk.model_versions[start:end],
            intervened=chunk.intervened[start:end],
        )
        for start, end in pairwise(edges)
        if end > start
    ]


@settings(max_examples=60, deadline=None)
@given(
    steps=st.integers(1, 12),
    n_step=st.integers(1, 5),
    terminated=st.booleans(),
    cuts=st.sets(st.integers(1, 11)),
)
def test_windows_equal_their_definition_however_the_episode_is_cut(
    steps: int, n_step: int, terminated: bool, cuts: set[int]
) -> None:
    random = np.random.default_rng(steps)
    observations = random.normal(size=(steps + 1, 3)).astype(np.float32)
    actions = random.uniform(-1, 1, (steps, 2)).astype(np.float32)
    rewards = random.normal(size=steps).astype(np.float32)
    versions = np.arange(steps)
    whole = EpisodeChunk(
        "e", "c", observations, actions, rewards, terminated, not terminated, 0, 0, versions, success=None
    )
    replay = make_replay(n_step=n_step)
    for piece in cut(whole, sorted(border for border in cuts if border < steps)):
        replay.add(piece)
    rows = stored(replay)
    assert len(replay) == steps
    assert replay.open_episodes == 0
    for t in range(steps):
        window = min(n_step, steps - t)
        expected_return = sum(GAMMA**k * float(rewards[t + k]) for k in range(window))
        np.testing.assert_array_equal(rows["obs"][t], observations[t])
        np.testing.assert_array_equal(rows["actions"][t], actions[t])
        np.testing.assert_array_equal(rows["next_obs"][t], observations[t + 1])
        np.testing.assert_array_equal(rows["next_obs_n"][t], observations[t + window])
        assert rows["reward"][t] == rewards[t]
        assert rows["reward_n"][t] == pytest.approx(expected_return, rel=1e-5, abs=1e-6)
        assert rows["discount_n"][t] == pytest.approx(GAMMA**window)
        assert rows["terminated"][t] == float(terminated and t == steps - 1)
        assert rows["terminated_n"][t] == float(terminated and t + window == steps)
        assert rows["model_version"][t] == t


def test_interleaved_episodes_never_mix(make_chunk: MakeChunk) -> None:
    replay = make_replay()
    episodes = {name: cut(make_chunk(name, steps=9, truncated=True), [2, 3, 7]) for name in ("a", "b", "c")}
    for pieces in zip(*episodes.values(), strict=True):
        for piece in pieces:
            replay.add(piece)
    rows = stored(replay)
    assert len(replay) == 27
    for column in ("next_obs", "next_obs_n"):
        np.testing.assert_array_equal(rows[column][:, 2], rows["obs"][:, 2])  # the episode's mark
    np.testing.assert_array_equal(rows["next_obs"][:, 1], rows["obs"][:, 1] + 1)  # the step's number


def test_truncation_is_not_termination(make_chunk: MakeChunk) -> None:
    replay = make_replay()
    replay.add(make_chunk(truncated=True))
    assert not stored(replay)["terminated"].any()
    assert not stored(replay)["terminated_n"].any()


def test_a_lost_chunk_ends_what_is_known_and_mixes_nothing(make_chunk: MakeChunk) -> None:
    replay = make_replay()
    first, _lost, last = cut(make_chunk("gap", steps=12, terminated=True), [4, 8])
    replay.add(first)
    replay.add(last)
    rows = stored(replay)
    assert len(replay) == 8
    assert rows["next_obs_n"][:4, 1].max() == 4.0
    assert rows["obs"][4:, 1].min() == 8.0
    assert rows["terminated"].sum() == 1


def test_an_empty_truncation_closes_an_episode(make_chunk: MakeChunk) -> None:
    replay = make_replay()
    replay.add(make_chunk(steps=4))
    assert len(replay) == 2
    replay.add(make_chunk(steps=0, start_step=4, truncated=True))
    assert len(replay) == 4
    assert replay.open_episodes == 0


def test_refusals_are_typed_counted_and_store_nothing(make_chunk: MakeChunk) -> None:
    replay = make_replay()
    replay.add(make_chunk(steps=6))
    before = replay.get_state()
    elsewhere = make_chunk("other", steps=3, start_step=6)
    lies = {
        "not_finite": make_chunk("n", observations=np.full((6, 3), np.nan)),
        "shape": make_chunk("s", actions=np.zeros((5, 3), np.float32)),
        "duplicate": make_chunk(steps=6),
        "discontinuous": make_chunk(steps=3, start_step=6, observations=elsewhere.observations),
    }
    for reason, lie in lies.items():
        with pytest.raises(EpisodeChunkError) as caught:
            replay.add(lie)
        assert caught.value.reason == reason
    assert replay.refused == Counter(lies.keys())
    after = replay.get_state()
    for name in before.keys() - {"meta"}:
        np.testing.assert_array_equal(after[name], before[name])


def test_a_finished_episode_takes_no_more(make_chunk: MakeChunk) -> None:
    replay = make_replay()
    replay.add(make_chunk(terminated=True))
    with pytest.raises(EpisodeChunkError, match="has ended already"):
        replay.add(make_chunk(terminated=True))


def test_episodes_that_never_finish_do_not_pile_up(make_chunk: MakeChunk) -> None:
    replay = make_replay(max_open_episodes=4)
    for number in range(10):
        replay.add(make_chunk(f"open-{number}", steps=5))
    assert replay.open_episodes == 4
    # 3 complete windows from each, and the 2 open steps of the 6 that were let go.
    assert len(replay) == 10 * 3 + 6 * 2


def test_the_ring_forgets_the_oldest_and_keeps_demonstrations(make_chunk: MakeChunk) -> None:
    replay = make_replay(capacity=12)
    replay.add_demonstration(make_chunk("demonstration", steps=7, terminated=True))
    demonstrations = stored(replay)["obs"][:7].copy()
    for number in range(6):
        replay.add(make_chunk(f"agent-{number}", steps=5, terminated=True))
    rows = stored(replay)
    assert (replay.demonstration_size, replay.agent_size) == (7, 12)
    np.testing.assert_array_equal(rows["obs"][:7], demonstrations)
    marks = {float(make_chunk(f"agent-{number}").observations[0, 2]) for number in (3, 4, 5)}
    assert set(rows["obs"][7:, 2].tolist()) == marks


def test_an_episode_longer_than_the_ring_leaves_its_end(make_chunk: MakeChunk) -> None:
    replay = make_replay(capacity=4)
    replay.add(make_chunk(steps=11, terminated=True))
    assert sorted(stored(replay)["obs"][:, 1].tolist()) == [7.0, 8.0, 9.0, 10.0]


def test_too_many_demonstrations_say_what_to_raise(make_chunk: MakeChunk) -> None:
    replay = make_replay(demonstration_capacity=8)
    replay.add_demonstration(make_chunk("one", steps=5, terminated=True))
    with pytest.raises(ConfigError, match="raise demonstration_capacity"):
        replay.add_demonstration(make_chunk("two", steps=5, terminated=True))
    assert replay.demonstration_size == 5


def test_rows_are_drawn_by_priority_and_weighted_against_it(make_chunk: MakeChunk) -> None:
    replay = make_replay(priority_exponent=1.0, importance_exponent=1.0)
    replay.add(make_chunk(steps=10, terminated=True))
    slots = 40 + np.arange(10)
    priorities = np.arange(1.0, 11.0)
    replay.update_priorities(slots, priorities)
    sample = replay.sample(batches=1, batch_size=20_000)
    frequency = np.bincount(sample.slots - 40, minlength=10) / 20_000
    np.testing.assert_allclose(frequency, priorities / priorities.sum(), atol=2e-3)
    # Weights make every row count alike.
    influence = np.bincount(sample.slots - 40, weights=sample.columns["weights"], minlength=10)
    np.testing.assert_allclose(influence / influence.sum(), 0.1, atol=5e-3)


def test_every_batch_has_its_share_of_demonstrations_and_weights_know_it(make_chunk: MakeChunk) -> None:
    replay = make_replay(importance_exponent=1.0)
    replay.add_demonstration(make_chunk("demonstration", steps=10, terminated=True))
    for number in range(19):
        replay.add(make_chunk(f"agent-{number}", steps=10, terminated=True))
    sample = replay.sample(batches=4000, batch_size=64, demonstration_fraction=0.25)
    is_demo = sample.columns["is_demo"].reshape(4000, 64)
    assert is_demo.sum(axis=1).min() >= 16
    influence = np.bincount(sample.slots, weights=sample.columns["weights"], minlength=240)
    influence = influence[influence > 0]
    assert len(influence) == 200
    np.testing.assert_allclose(influence.mean() / influence, 1.0, atol=0.15)


def test_pretraining_draws_demonstrations_only(make_chunk: MakeChunk) -> None:
    replay = make_replay()
    replay.add_demonstration(make_chunk("demonstration", steps=10, terminated=True))
    replay.add(make_chunk("agent", steps=10, terminated=True))
    assert replay.sample(5, 32, demonstration_fraction=1.0).columns["is_demo"].all()


def test_a_priority_that_is_not_finite_poisons_nothing(make_chunk: MakeChunk) -> None:
    replay = make_replay()
    replay.add(make_chunk(steps=10, terminated=True))
    replay.update_priorities(40 + np.arange(3), np.array([np.nan, np.inf, 2.0]))
    sample = replay.sample(4, 64)
    assert np.isfinite(sample.columns["weights"]).all()
    assert set(sample.slots.tolist()) <= set(range(40, 50))


def test_an_empty_replay_says_so() -> None:
    with pytest.raises(ConfigError, match="empty"):
        make_replay().sample(1, 1)


def test_a_restored_replay_goes_on_exactly(make_chunk: MakeChunk) -> None:
    one = make_replay(capacity=30)
    one.add_demonstration(make_chunk("demonstration", steps=9, terminated=True))
    for number in range(5):
        one.add(make_chunk(f"agent-{number}", steps=8, truncated=number % 2 == 0))
    drawn = one.sample(3, 16)
    one.update_priorities(drawn.slots, np.random.default_rng(1).uniform(0.1, 3.0, 48))
    other = make_replay(capacity=30, seed=99)
    other.set_state(one.get_state())
    for replay in (one, other):
        replay.add(make_chunk("agent-1", steps=4, start_step=8, terminated=True))
        replay.add(make_chunk("new", steps=6, terminated=True))
    for name, array in one.get_state().items():
        np.testing.assert_array_equal(other.get_state()[name], array, err_msg=name)
    first, second = one.sample(4, 16, 0.3), other.sample(4, 16, 0.3)
    for name, array in first.columns.items():
        np.testing.assert_array_equal(second.columns[name], array, err_msg=name)


@pytest.mark.parametrize("damage", ["layout", "format", "rows", "missing", "statistics", "meta"])
def test_a_damaged_or_foreign_state_is_refused_whole(damage: str, make_chunk: MakeChunk) -> None:
    source = make_replay(gamma=0.5) if damage == "layout" else make_replay()
    source.add(make_chunk(steps=6, terminated=True))
    state = source.get_state()
    if damage == "rows":
        state["column_obs"] = state["column_obs"][:-1]
    elif damage == "missing":
        del state["mass"]
    elif damage == "statistics":
        state["observation_mean"] = np.zeros(5)
    elif damage == "format":
        state["meta"] = np.frombuffer(bytes(state["meta"]).replace(b'"format": 3', b'"format": 1'), np.uint8)
    elif damage == "meta":
        state["meta"] = state["meta"][:-20]
    replay = make_replay()
    replay.add(make_chunk("own", steps=4, terminated=True))
    with pytest.raises(StorageError):
        replay.set_state(state)
    assert len(replay) == 4


def test_a_replay_beyond_the_memory_is_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    available = type("Memory", (), {"available": 1 << 20})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: available)
    with pytest.raises(PreflightError, match="lower replay_capacity"):
        make_replay(capacity=1_000_000)


def test_a_container_that_is_too_small_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("learners.ddpg.transitions.available_bytes", lambda: 1 << 20)
    with pytest.raises(PreflightError, match="lower replay_capacity"):
        make_replay(capacity=1_000_000)


def test_the_memory_is_told_in_ray_s_log_before_it_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="ray"):
        make_replay(capacity=100_000)
    assert [record.name.partition(".")[0] for record in caplog.records] == ["ray"]
    assert "replay of 100040 transitions takes 0.01 GiB" in caplog.text


def test_a_demonstration_that_is_sent_again_is_stored_once(make_chunk: MakeChunk) -> None:
    replay = make_replay()
    first, second = (make_chunk(name, steps=9, terminated=True) for name in ("one", "two"))
    assert replay.add_demonstration(first) == 9
    assert replay.add_demonstration(second) == 9
    restored = make_replay()
    restored.set_state(replay.get_state())
    for known in (replay, restored):
        # RLlib names an episode anew when it is built again.
        assert known.add_demonstration(EpisodeChunk(**{**first.__dict__, "episode_id": "renamed"})) == 0
        assert known.demonstration_size == 18
        assert known.add_demonstration(make_chunk("three", steps=9, truncated=True)) == 9


@pytest.mark.parametrize("fraction", [0.25, 0.5, 1.0])
def test_a_fixed_share_is_met_exactly_and_weights_know_it(fraction: float, make_chunk: MakeChunk) -> None:
    replay = make_replay(priority_exponent=1.0, importance_exponent=1.0)
    replay.add_demonstration(make_chunk("demonstration", steps=10, terminated=True))
    for number in range(10):
        replay.add(make_chunk(f"agent-{number}", steps=10, terminated=True))
    slots = np.concatenate((np.arange(10), 40 + np.arange(100)))
    replay.update_priorities(slots, np.random.default_rng(0).uniform(0.1, 3.0, 110))
    sample = replay.sample(batches=2000, batch_size=64, demonstration_fraction=fraction, exactly=True)
    is_demo = sample.columns["is_demo"].reshape(2000, 64)
    assert set(is_demo.sum(axis=1)) == {int(64 * fraction)}
    # Within a batch a weight is the inverse of how often its row is drawn; across batches the largest one differs.
    weights = sample.columns["weights"].reshape(2000, 64)
    assert weights.max() == 1.0
    drawn = np.bincount(sample.slots, minlength=140) / sample.slots.size
    batch, batch_slots = weights[0], sample.slots[:64]
    np.testing.assert_allclose(batch, (1 / drawn[batch_slots]) / (1 / drawn[batch_slots]).max(), rtol=0.3)


def test_a_fixed_share_takes_what_there_is(make_chunk: MakeChunk) -> None:
    agent_only, demonstrations_only = make_replay(), make_replay()
    agent_only.add(make_chunk(steps=10, terminated=True))
    demonstrations_only.add_demonstration(make_chunk(steps=10, terminated=True))
    for replay, share in ((agent_only, 0.0), (demonstrations_only, 1.0)):
        sample = replay.sample(3, 16, 0.5, exactly=True)
        assert sample.columns["is_demo"].mean() == share
        assert np.isfinite(sample.columns["weights"]).all()


def test_statistics_are_of_all_that_was_stored_and_survive_a_restart(make_chunk: MakeChunk) -> None:
    replay = make_replay(capacity=12)
    chunks = [make_chunk(f"agent-{number}", steps=8, terminated=True) for number in range(4)]
    demonstration = make_chunk("demonstration", steps=7, terminated=True)
    for chunk in chunks:
        replay.add(chunk)
    replay.add_demonstration(demonstration)
    seen = np.concatenate([chunk.observations[:-1] for chunk in (*chunks, demonstration)])
    restored = make_replay(capacity=12)
    restored.set_state(replay.get_state())
    for known in (replay, restored):
        mean, deviation = known.statistics.moments()
        np.testing.assert_allclose(mean, seen.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(deviation, seen.std(axis=0), rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    driven=st.lists(st.booleans(), min_size=1, max_size=12),
    n_step=st.integers(1, 5),
    terminated=st.booleans(),
    cuts=st.sets(st.integers(1, 11)),
)
def test_a_persons_steps_are_demonstrations_however_the_episode_is_cut(
    driven: list[bool], n_step: int, terminated: bool, cuts: set[int]
) -> None:
    """Each transition goes by its own action; its windows are those of the undivided episode, across the border."""
    steps = len(driven)
    random = np.random.default_rng(steps)
    whole = EpisodeChunk(
        episode_id="helped",
        cell_id="c",
        observations=random.normal(size=(steps + 1, 3)).astype(np.float32),
        actions=random.uniform(-1, 1, (steps, 2)).astype(np.float32),
        rewards=random.normal(size=steps).astype(np.float32),
        terminated=terminated,
        truncated=not terminated,
        start_step=0,
        policy_version=0,
        model_versions=np.arange(steps),
        intervened=np.array(driven),
    )
    replay, alone = make_replay(n_step=n_step), make_replay(n_step=n_step)
    pieces = cut(whole, sorted(border for border in cuts if border < steps))
    assert sum(replay.add(piece) for piece in pieces) == steps
    alone.add(replace(whole, intervened=np.zeros(steps, bool)))
    assert (replay.demonstration_size, replay.agent_size) == (sum(driven), steps - sum(driven))
    rows, undivided = stored(replay), stored(alone)
    order = np.concatenate([np.flatnonzero(driven), np.flatnonzero(~np.array(driven))])
    for name, column in undivided.items():
        np.testing.assert_array_equal(rows[name], column[order], err_msg=name)


def test_a_persons_steps_stay_when_the_ring_has_turned_and_are_drawn_as_demonstrations(make_chunk: MakeChunk) -> None:
    replay = make_replay(capacity=20)
    driven = np.array([False, True, True, False, False])
    replay.add(make_chunk("helped", steps=5, truncated=True, intervened=driven))
    kept = replay.get_state()["column_obs"][:2].copy()
    for number in range(10):
        replay.add(make_chunk(f"own-{number}", steps=5, truncated=True))
    assert replay.demonstration_size == 2
    np.testing.assert_array_equal(replay.get_state()["column_obs"][:2], kept)
    sample = replay.sample(1, 8, demonstration_fraction=0.5, exactly=True)
    assert sample.columns["is_demo"].sum() == 4
    for row in sample.columns["obs"][sample.columns["is_demo"]]:
        assert row.tolist() in kept.tolist()


def test_interventions_without_room_go_into_the_ring_and_are_counted(make_chunk: MakeChunk) -> None:
    replay = make_replay(demonstration_capacity=3)
    assert replay.add(make_chunk("helped", steps=5, truncated=True, intervened=np.ones(5, bool))) == 5
    assert (replay.demonstration_size, replay.agent_size, replay.spilled) == (3, 2, 2)
    restored = make_replay(demonstration_capacity=3)
    restored.set_state(replay.get_state())
    assert restored.spilled == 2


def test_who_drove_survives_a_checkpoint_in_the_middle_of_an_episode(make_chunk: MakeChunk) -> None:
    whole = make_chunk("helped", steps=6, truncated=True, intervened=np.array([0, 0, 1, 1, 0, 1], bool))
    first, second = cut(whole, [4])
    straight, stopped, resumed = make_replay(), make_replay(), make_replay()
    straight.add(first)
    stopped.add(first)
    resumed.set_state(stopped.get_state())
    older = {name: array for name, array in stopped.get_state().items() if name != "open_intervened"}
    before = make_replay()
    before.set_state(older)  # as it was saved before there were interventions
    for replay in (straight, resumed, before):
        replay.add(second)
    assert straight.demonstration_size == resumed.demonstration_size == 3
    assert before.demonstration_size == 1
    for name, array in straight.get_state().items():
        np.testing.assert_array_equal(resumed.get_state()[name], array, err_msg=name)


def test_the_intervention_rate_counts_steps_of_the_last_episodes(make_chunk: MakeChunk) -> None:
    outcomes = EpisodeOutcomes(window=2)
    assert "intervention_rate" not in outcomes.means()
    outcomes.record(make_chunk("a", steps=10, truncated=True, intervened=np.ones(10, bool)), 1)
    assert outcomes.means()["intervention_rate"] == 1.0
    outcomes.record(make_chunk("b", steps=4, intervened=np.array([0, 1, 1, 0], bool)), 1)
    resumed = EpisodeOutcomes(window=2)
    resumed.set_state(json.loads(json.dumps(outcomes.get_state())))
    for one in (outcomes, resumed):
        one.record(make_chunk("b", steps=2, start_step=4, truncated=True), 1)
        assert one.means()["intervention_rate"] == 12 / 16
        one.record(make_chunk("c", steps=8, truncated=True), 1)
        assert one.means()["intervention_rate"] == 2 / 14


def test_outcomes_saved_before_people_could_intervene_are_read() -> None:
    outcomes = EpisodeOutcomes(window=2)
    windows = {"episode_return_mean": [1.0], "episode_len_mean": [5.0], "success_rate": [], "policy_lag_mean": []}
    outcomes.set_state({"windows": windows, "running": [["a", [0.5, 3]]], "episodes": 1})
    assert outcomes.means() == {"episode_return_mean": 1.0, "episode_len_mean": 5.0}
