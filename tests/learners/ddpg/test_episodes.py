"""A chunk that cannot be true is refused with a reason; a true one survives the way through RLlib."""

from collections.abc import Callable

import numpy as np
import pytest

from learners.ddpg.episodes import chunk_from_episode, episode_from_chunk
from s3k_dist.episodes import EpisodeChunk, EpisodeChunkError
from s3k_dist.errors import S3KError

MakeChunk = Callable[..., EpisodeChunk]


LIES = {
    "observation of another size": ({"observations": np.zeros((6, 4), np.float32)}, "shape"),
    "one observation too few": ({"observations": np.zeros((5, 3), np.float32)}, "shape"),
    "actions of another size": ({"actions": np.zeros((5, 1), np.float32)}, "shape"),
    "observations as a list": ({"observations": [[0.0] * 3] * 6}, "shape"),
    "rewards without an axis": ({"rewards": np.float32(1.0)}, "shape"),
    "pickled objects": ({"rewards": np.array([object()] * 5)}, "shape"),
    "float model versions": ({"model_versions": np.zeros(5)}, "shape"),
    "one intervention too few": ({"intervened": np.zeros(4, bool)}, "shape"),
    "interventions by halves": ({"intervened": np.full(5, 0.5)}, "shape"),
    "NaN observation": ({"observations": np.full((6, 3), np.nan)}, "not_finite"),
    "infinite reward": ({"rewards": np.full(5, np.inf)}, "not_finite"),
    "reward beyond float32": ({"rewards": np.full(5, 1e300)}, "not_finite"),
    "unscaled actions": ({"actions": np.full((5, 2), 1.5, np.float32)}, "action_range"),
    "negative start": ({"start_step": -1}, "step"),
    "text for a version": ({"policy_version": "3"}, "step"),
    "empty id": ({"episode_id": ""}, "id"),
    "endless id": ({"episode_id": "x" * 1000}, "id"),
    "bytes for an id": ({"cell_id": b"cell"}, "id"),
}


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_a_lying_chunk_is_refused_with_its_reason(lie: str, make_chunk: MakeChunk) -> None:
    fields, reason = LIES[lie]
    chunk = EpisodeChunk(**{**make_chunk().__dict__, **fields})
    with pytest.raises(EpisodeChunkError) as caught:
        chunk.check(observation_size=3, action_size=2)
    assert caught.value.reason == reason
    assert isinstance(caught.value, S3KError)


def test_nobody_intervened_unless_it_is_said(make_chunk: MakeChunk) -> None:
    chunk = make_chunk(steps=4)
    chunk.check(3, 2)
    np.testing.assert_array_equal(chunk.intervened, np.zeros(4, bool))


def test_an_empty_chunk_may_only_truncate(make_chunk: MakeChunk) -> None:
    make_chunk(steps=0, start_step=4, truncated=True).check(3, 2)
    for done in ({}, {"terminated": True}):
        with pytest.raises(EpisodeChunkError, match="without steps"):
            make_chunk(steps=0, start_step=4, **done).check(3, 2)


@pytest.mark.parametrize("success", [True, False, None])
def test_a_chunk_survives_the_way_through_an_rllib_episode(success: bool | None, make_chunk: MakeChunk) -> None:
    driven = np.array([False, True, True, False])
    chunk = make_chunk("through", steps=4, start_step=8, terminated=True, success=success, intervened=driven)
    returned = chunk_from_episode(episode_from_chunk(chunk), chunk.cell_id)
    for name, value in chunk.__dict__.items():
        np.testing.assert_array_equal(getattr(returned, name), value, err_msg=name)


def test_the_pieces_of_a_cut_rllib_episode_keep_their_place() -> None:
    from ray.rllib.env.single_agent_episode import SingleAgentEpisode

    episode = SingleAgentEpisode()
    episode.add_env_reset(np.zeros(3, np.float32), infos={"model_version": 4})
    for step in range(1, 4):
        info = {"model_version": 4 + step}
        episode.add_env_step(np.full(3, step, np.float32), np.zeros(2, np.float32), 1.0, infos=info)
    rest = episode.cut(len_lookback_buffer=2)
    rest.add_env_step(
        np.full(3, 4, np.float32), np.zeros(2, np.float32), 2.0, infos={"is_success": True}, terminated=True
    )
    first, second = chunk_from_episode(episode), chunk_from_episode(rest)
    assert (first.start_step, len(first), second.start_step, len(second)) == (0, 3, 3, 1)
    assert first.episode_id == second.episode_id
    np.testing.assert_array_equal(first.observations[-1], second.observations[0])
    np.testing.assert_array_equal(first.model_versions, [4, 5, 6])
    np.testing.assert_array_equal(second.model_versions, [7])
    assert second.success is True
    assert first.success is None
