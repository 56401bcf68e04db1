"""The inbox never blocks a cell and never grows without bound."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from learners.ddpg.ingest import UNNAMED, EpisodeInbox
from s3k_dist.episodes import EpisodeChunk, EpisodeChunkError

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


def test_what_is_refused_is_named_by_cell_until_the_cell_mends(inbox: EpisodeInbox, make_chunk: MakeChunk) -> None:
    inbox.push(make_chunk(cell_id="honest"))
    for _ in range(3):
        inbox.push(make_chunk(cell_id="liar", rewards=np.full(5, np.nan)))
    inbox.push(make_chunk(cell_id="x" * 10_000))
    refused = inbox.refused_by_cell
    assert set(refused) == {"liar", UNNAMED}
    assert (refused["liar"].by_reason, refused["liar"].in_a_row) == ({"not_finite": 3}, 3)
    assert "cell 'liar': rewards holds values that are not finite" in refused["liar"].last
    inbox.push(make_chunk(cell_id="liar"))
    assert inbox.refused_by_cell["liar"].in_a_row == 0
    assert refused["liar"].in_a_row == 3, "a copy does not change"


def test_names_of_liars_do_not_fill_the_memory(
    inbox: EpisodeInbox, make_chunk: MakeChunk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("learners.ddpg.ingest.MAX_NAMES", 3)
    for number in range(10):
        inbox.push(make_chunk(cell_id=f"cell{number}", actions=np.zeros((5, 9))))
    assert set(inbox.refused_by_cell) == {"cell0", "cell1", "cell2", UNNAMED}
    assert inbox.refused == {"shape": 10}


def test_a_further_check_may_refuse(inbox: EpisodeInbox, make_chunk: MakeChunk) -> None:
    def check(chunk: EpisodeChunk) -> None:
        if chunk.episode_id == "odd":
            raise EpisodeChunkError("odd", "no odd ones")

    inbox.require(check)
    assert inbox.push(make_chunk("even")) is None
    assert inbox.push(make_chunk("odd")) == "odd"
    assert len(inbox) == 1


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
