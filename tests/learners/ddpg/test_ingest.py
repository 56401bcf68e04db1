"""The inbox never blocks a cell and never grows without bound."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from learners.ddpg.ingest import EpisodeInbox
from s3k_dist.episodes import EpisodeChunk

MakeChunk = Callable[..., EpisodeChunk]


@pytest.fixture
def inbox() -> EpisodeInbox:
    return EpisodeInbox(capacity=4, observation_size=3, action_size=2)


def test_a_full_inbox_drops_its_oldest_and_counts(inbox: EpisodeInbox, make_chunk: MakeChunk) -> None:
    for number in range(6):
        assert inbox.push(make_chunk(f"e{number}")) is None
    assert (len(inbox), inbox.dropped) == (4, 2)
    assert [chunk.episode_id for chunk in inbox.drain()] == ["e2", "e3", "e4", "e5"]
    assert len(inbox) == 0


def test_a_lie_is_turned_away_at_the_door(inbox: EpisodeInbox, make_chunk: MakeChunk) -> None:
    assert inbox.push(make_chunk(rewards=np.full(5, np.nan))) == "not_finite"
    assert inbox.push(make_chunk(actions=np.zeros((5, 9)))) == "shape"
    assert inbox.refused == {"not_finite": 1, "shape": 1}
    assert len(inbox) == 0


def test_pushes_from_many_threads_all_arrive(make_chunk: MakeChunk) -> None:
    inbox = EpisodeInbox(capacity=1000, observation_size=3, action_size=2)

    def push(name: str) -> None:
        for number in range(50):
            inbox.push(make_chunk(f"{name}-{number}"))

    threads = [threading.Thread(target=push, args=(f"cell-{index}",)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10.0)
    assert len({chunk.episode_id for chunk in inbox.drain()}) == 200


def test_waiting_ends_at_a_push_or_at_the_deadline(inbox: EpisodeInbox, make_chunk: MakeChunk) -> None:
    start = time.monotonic()
    assert not inbox.wait(0.05)
    assert time.monotonic() - start < 2.0
    threading.Timer(0.05, inbox.push, [make_chunk()]).start()
    assert inbox.wait(10.0)
    assert time.monotonic() - start < 5.0
