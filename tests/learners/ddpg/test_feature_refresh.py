"""The critic learns from the features of one model, or of models measured to be near, whatever was stored before."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learners.ddpg.feature_refresh import FeatureRefresh
from learners.ddpg.feature_versions import PROBED_ROWS, FeatureVersions
from learners.ddpg.replay import DemonstrationReplay
from s3k_dist.episodes import EpisodeChunk, EpisodeChunkError, episode_key
from s3k_dist.errors import ConfigError

MakeChunk = Callable[..., EpisodeChunk]
OLD, NEW = 7, 8


def make_replay(**changes: Any) -> DemonstrationReplay:
    settings: dict[str, Any] = {
        "observation_size": 3,
        "action_size": 2,
        "capacity": 400,
        "demonstration_capacity": 60,
        "n_step": 3,
        "gamma": 0.9,
        "priority_exponent": 0.6,
        "importance_exponent": 0.5,
        "seed": 0,
    }
    return DemonstrationReplay(**{**settings, **changes})


def seen_anew(chunk: EpisodeChunk, shift: float = 1.0, steps: int | None = None) -> EpisodeChunk:
    """The episode as another model sees it: somewhere else, with other rewards, perhaps over after ``steps``."""
    count = len(chunk) if steps is None else steps
    return replace(
        chunk,
        observations=chunk.observations[: count + 1] + np.float32(shift),
        actions=chunk.actions[:count],
        rewards=chunk.rewards[:count] * 2,
        model_versions=np.full(count, NEW),
        intervened=chunk.intervened[:count],
        terminated=chunk.terminated if steps is None else True,
    )


def rows(replay: DemonstrationReplay) -> dict[str, np.ndarray]:
    return {name: array for name, array in replay.get_state().items() if name.startswith("column_")}


def drawn_versions(replay: DemonstrationReplay) -> set[int]:
    return set(replay.sample(20, 32).columns["model_version"].tolist())


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_refreshed_rows_are_those_of_an_episode_that_was_seen_so_from_the_start(data: st.DataObject) -> None:
    steps = data.draw(st.integers(2, 15))
    borders = sorted(data.draw(st.sets(st.integers(1, steps - 1), max_size=3)))
    ends = data.draw(st.booleans())
    persons = np.array(data.draw(st.lists(st.booleans(), min_size=steps, max_size=steps)))
    rng = np.random.default_rng(steps)
    whole = EpisodeChunk(
        "episode", "cell0", rng.normal(size=(steps + 1, 3)).astype(np.float32),
        rng.uniform(-1, 1, (steps, 2)).astype(np.float32), rng.normal(size=steps).astype(np.float32),
        ends, not ends, 0, 1, np.full(steps, OLD), None, persons,
    )  # fmt: skip
    cut = []
    for first, last in zip([0, *borders], [*borders, steps], strict=True):
        part = replace(
            whole, start_step=first, observations=whole.observations[first : last + 1],
            actions=whole.actions[first:last], rewards=whole.rewards[first:last],
            model_versions=whole.model_versions[first:last], intervened=persons[first:last],
            terminated=ends and last == steps, truncated=not ends and last == steps,
        )  # fmt: skip
        cut.append(part)
    anew = seen_anew(whole)
    refreshed, fresh = make_replay(), make_replay()
    for part in cut:
        refreshed.add(part)
    fresh.add(anew)
    replaced = refreshed.refresh(anew)
    assert (replaced.rows, replaced.withdrawn) == (steps, 0)
    np.testing.assert_allclose(replaced.changes[OLD], 1.0, atol=1e-5)
    order = [np.lexsort((r["column_step"],)) for r in (rows(refreshed), rows(fresh))]
    for name, array in rows(refreshed).items():
        np.testing.assert_array_equal(array[order[0]], rows(fresh)[name][order[1]], err_msg=name)


def test_steps_behind_the_end_that_is_seen_now_are_withdrawn_and_come_back(make_chunk: MakeChunk) -> None:
    replay = make_replay()
    chunk = make_chunk("episode", steps=10, truncated=True)
    replay.add(chunk)
    replaced = replay.refresh(seen_anew(chunk, steps=6))
    assert (replaced.rows, replaced.withdrawn, replay.drawable, len(replay)) == (6, 4, 6, 10)
    assert replay.sample(10, 16).columns["obs"][:, 1].max() <= 5 + 1
    assert replay.refresh(seen_anew(chunk, shift=2.0)).rows == 10
    assert replay.drawable == 10


def test_another_episode_under_the_same_name_changes_nothing(make_chunk: MakeChunk) -> None:
    replay = make_replay()
    chunk = make_chunk("episode", steps=6, terminated=True)
    replay.add(chunk)
    before = rows(replay)
    with pytest.raises(EpisodeChunkError, match="actions are not those"):
        replay.refresh(replace(seen_anew(chunk), actions=-chunk.actions))
    for name, array in rows(replay).items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    assert replay.refused["refresh"] == 1
    assert replay.refresh(make_chunk("never stored", steps=4, terminated=True)).rows == 0


def test_rows_of_other_models_are_stored_and_not_drawn_until_they_are_refreshed(make_chunk: MakeChunk) -> None:
    replay = make_replay()
    stored = [make_chunk(f"agent-{number}", steps=6, terminated=True) for number in range(4)]
    replay.add_demonstration(make_chunk("demonstration", steps=8, terminated=True))
    for chunk in stored:
        replay.add(chunk)
    replay.allow({NEW})
    assert replay.drawable == 0
    with pytest.raises(ConfigError, match="all of its 32 transitions wait"):
        replay.sample(1, 4)
    replay.refresh(seen_anew(stored[2]))
    drawn = replay.sample(5, 16, demonstration_fraction=0.5)
    assert set(drawn.columns["model_version"]) == {NEW}
    assert np.isfinite(drawn.columns["weights"]).all()
    # What was drawn before may still be answered for: it stays where it is.
    replay.update_priorities(np.arange(8), np.full(8, 5.0))
    replay.add(make_chunk("late", steps=5, terminated=True))
    replay.add(make_chunk("no model", steps=5, terminated=True, model_versions=np.zeros(5, np.int64)))
    assert drawn_versions(replay) == {NEW, 0}
    replay.allow({NEW, OLD})
    assert (replay.drawable, drawn_versions(replay)) == (len(replay), {0, OLD, NEW})


def test_what_waits_still_waits_after_a_restart(make_chunk: MakeChunk) -> None:
    one = make_replay()
    chunks = [make_chunk(f"agent-{number}", steps=6, terminated=True) for number in range(3)]
    for chunk in chunks:
        one.add(chunk)
    one.allow({NEW})
    one.refresh(seen_anew(chunks[0], steps=4))
    other = make_replay(seed=5)
    other.set_state(one.get_state())
    for replay in (one, other):
        assert replay.drawable == 4
        replay.add(make_chunk("late", steps=5, terminated=True))
        replay.refresh(seen_anew(chunks[1]))
    for name, array in one.get_state().items():
        np.testing.assert_array_equal(other.get_state()[name], array, err_msg=name)


def test_the_most_urgent_episodes_are_named_first(make_chunk: MakeChunk) -> None:
    replay = make_replay(capacity=20)
    replay.add_demonstration(make_chunk("demonstration", steps=4, terminated=True))
    for number in range(5):  # the ring has turned: agent-0 is forgotten, agent-1 in part
        replay.add(make_chunk(f"agent-{number}", steps=6, terminated=True))
    replay.refresh(seen_anew(make_chunk("agent-3", steps=6, terminated=True)))
    expected = ["demonstration", "agent-4", "agent-2", "agent-1"]
    assert replay.stale(NEW).tolist() == [episode_key(name) for name in expected]
    assert set(replay.episodes()) == {episode_key(name) for name in [*expected, "agent-3"]}


@given(distance=st.floats(0, 1), limit=st.floats(0, 1))
def test_models_are_mixed_only_within_the_measured_distance(distance: float, limit: float) -> None:
    versions = FeatureVersions(limit)
    assert versions.allowed is None
    versions.promote(OLD)
    assert versions.fitting == {OLD}
    assert versions.promote(NEW)
    assert not versions.promote(NEW)
    assert versions.allowed == {NEW}
    assert not versions.measure({OLD: np.full(PROBED_ROWS - 1, distance), 0: np.zeros(99), NEW: np.zeros(99)})
    assert versions.measure({OLD: np.full(1, distance)})
    near = distance <= limit
    assert versions.allowed == ({NEW, OLD} if near else {NEW})
    assert versions.fitting == ({NEW, OLD} if near else {OLD})
    assert versions.needs_catching_up() is not near
    restored = FeatureVersions(limit)
    restored.set_state(versions.get_state())
    assert (restored.allowed, restored.fitting) == (versions.allowed, versions.fitting)


def fill(replay: DemonstrationReplay, make_chunk: MakeChunk) -> list[EpisodeChunk]:
    chunks = [make_chunk(f"agent-{number}", steps=20, terminated=True) for number in range(8)]
    for chunk in chunks:
        replay.add(chunk)
    return chunks


def test_near_models_cost_no_more_than_a_glance(make_chunk: MakeChunk) -> None:
    replay = make_replay()
    refresh = FeatureRefresh(replay, max_distance=0.05, catch_up_updates=100)
    refresh.promoted(OLD)
    assert refresh.take()
    chunks = fill(replay, make_chunk)
    refresh.promoted(NEW)
    assert not refresh.take()
    assert replay.drawable == 0
    for chunk in chunks[:4]:
        refresh.put(seen_anew(chunk, shift=0.01))
    assert refresh.take()
    assert replay.drawable == len(replay)
    assert refresh.versions.fitting == {OLD, NEW}
    refresh.done()
    refresh.take()
    assert refresh.owed == 0


def test_after_a_far_model_the_policy_catches_up_before_it_fits(make_chunk: MakeChunk) -> None:
    replay = make_replay()
    refresh = FeatureRefresh(replay, max_distance=0.05, catch_up_updates=100)
    refresh.promoted(OLD)
    chunks = fill(replay, make_chunk)
    refresh.take()
    refresh.promoted(NEW)
    for chunk in chunks[:5]:
        refresh.put(seen_anew(chunk, shift=0.5))
    assert not refresh.take()
    assert replay.drawable == 100
    assert drawn_versions(replay) == {NEW}
    assert refresh.count(10) == 10, "updates while it waits are ordinary ones"
    assert refresh.versions.fitting == {OLD}
    refresh.done()
    refresh.take()
    assert refresh.owed == 100
    assert refresh.count(60) == 0
    assert refresh.versions.fitting == {OLD}
    assert refresh.count(60) == 20
    assert refresh.versions.fitting == {NEW}
    figures = refresh.metrics()
    assert figures == {
        "replay_drawable": 100.0,
        "refreshed_rows": 100,
        "withdrawn_rows": 0,
        "feature_distance": pytest.approx(0.5),
    }
