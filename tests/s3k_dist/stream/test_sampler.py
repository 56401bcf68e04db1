"""Batches of fresh and past, of all cells alike, the same for the same seed, with bounded memory."""

import itertools
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from s3k_dist.errors import StorageError
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.retention import Retention
from s3k_dist.stream.retention_plan import RetentionPolicy
from s3k_dist.stream.sampler import SamplerConfig, StreamSampler
from s3k_dist.stream.writer import StreamWriter


def write(root: Path, make_record: Any, cell_id: str, sequences: range) -> None:
    with StreamWriter(root, cell_id, shard_frames=8) as writer:
        for sequence in sequences:
            writer.append(make_record(sequence, cell_id=cell_id))


@pytest.fixture
def root(tmp_path: Path, make_record: Any) -> Path:
    """Three cells, of very different size."""
    for cell_id, frames in (("a", 100), ("b", 20), ("c", 3)):
        write(tmp_path / "stream", make_record, cell_id, range(frames))
    return tmp_path / "stream"


def ids(records: list[StreamRecord]) -> list[str]:
    return [record.frame.frame_id for record in records]


def batches(sampler: StreamSampler, count: int) -> list[list[str]]:
    return [ids(sampler.next()) for _ in range(count)]


def test_the_seed_decides_whatever_the_threads_do(root: Path) -> None:
    def drawn(seed: int, threads: int, ahead: int) -> list[list[str]]:
        config = SamplerConfig(batch=7, threads=threads, ahead=ahead)
        with StreamSampler(StreamReader(root), config, seed) as sampler:
            return batches(sampler, 12)

    assert drawn(1, 1, 1) == drawn(1, 4, 6) != drawn(2, 1, 1)


def test_the_draws_do_not_depend_on_when_the_shards_were_found(tmp_path: Path, make_record: Any) -> None:
    following = StreamReader(tmp_path)
    for cell_id, frames in (("b", range(10)), ("a", range(30)), ("b", range(10, 50))):
        write(tmp_path, make_record, cell_id, frames)
        following.refresh()
    config = SamplerConfig(batch=8, fresh_frames=10)
    with StreamSampler(following, config, 0) as one, StreamSampler(StreamReader(tmp_path), config, 0) as other:
        assert batches(one, 5) == batches(other, 5)


def test_cells_are_balanced_and_fresh_and_past_are_mixed(root: Path) -> None:
    config = SamplerConfig(batch=12, fresh_share=0.5, fresh_frames=10)
    fresh = 0
    with StreamSampler(StreamReader(root), config, 0) as sampler:
        for batch in batches(sampler, 50):
            cells = [frame_id.split("/")[0] for frame_id in batch]
            assert [cells.count(cell) for cell in "abc"] == [4, 4, 4]
            fresh += sum(int(frame_id.split("/")[1]) >= 90 for frame_id in batch if frame_id.startswith("a"))
    assert 0.35 < fresh / 200 < 0.65


def test_the_frames_are_those_of_the_stream(root: Path, make_record: Any) -> None:
    with StreamSampler(StreamReader(root), SamplerConfig(batch=5), 3) as sampler:
        for record in sampler.next():
            np.testing.assert_array_equal(
                record.frame.views[1].image, make_record(record.frame.sequence).frame.views[1].image
            )


def test_a_sampler_goes_on_where_it_was(root: Path) -> None:
    config = SamplerConfig(batch=4)
    with StreamSampler(StreamReader(root), config, 5) as sampler:
        batches(sampler, 7)
        state = sampler.state_dict()
        expected = batches(sampler, 5)
    with StreamSampler(StreamReader(root), config, 99) as resumed:
        resumed.next()
        resumed.load_state_dict(state)
        assert batches(resumed, 5) == expected
        assert resumed.state_dict() == {"seed": 5, "batch": 12}


def test_new_frames_are_drawn(root: Path, make_record: Any) -> None:
    config = SamplerConfig(batch=6, fresh_frames=5, fresh_share=1.0, refresh_every=2, ahead=1)
    with StreamSampler(StreamReader(root), config, 0) as sampler:
        sampler.next()
        write(root, make_record, "a", range(100, 105))
        later = itertools.chain.from_iterable(batches(sampler, 10))
    assert {f"a/{n:08d}" for n in range(100, 105)} & set(later)


def test_damaged_frames_are_replaced_and_named(root: Path) -> None:
    for path in (root / "a").glob("*.s3k"):
        data = bytearray(path.read_bytes())
        data[-5] ^= 1
        path.write_bytes(data)
    reader = StreamReader(root)
    with StreamSampler(reader, SamplerConfig(batch=9), 0) as sampler:
        drawn = batches(sampler, 20)
    assert all(len(batch) == 9 for batch in drawn)
    assert not {f"a/{n:08d}" for n in range(7, 100, 8)} & set(itertools.chain.from_iterable(drawn))
    assert len(reader.damaged) > 5


def test_frames_that_retention_takes_are_replaced(root: Path) -> None:
    with StreamSampler(StreamReader(root), SamplerConfig(batch=9, refresh_every=1000), 0) as sampler:
        sampler.next()
        Retention(root, RetentionPolicy(max_bytes=20_000)).prune(now_ns=0)
        assert all(len(batch) == 9 for batch in batches(sampler, 20))


def test_an_empty_stream_is_refused(tmp_path: Path) -> None:
    with (
        StreamSampler(StreamReader(tmp_path), SamplerConfig(), 0) as sampler,
        pytest.raises(StorageError, match="holds no frames to draw from"),
    ):
        sampler.next()


@pytest.mark.parametrize("refresh_every", [1, 1000])
def test_a_store_that_comes_back_gives_the_same_batches(
    refresh_every: int, failing: Any, tmp_path: Path, make_record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StreamWriter("failing://stream", "a", 8, spool=tmp_path) as writer:
        for sequence in range(50):
            writer.append(make_record(sequence, cell_id="a"))
    monkeypatch.setattr("s3k_dist.stream.reader.LIST_EVERY_S", 0.0)
    config = SamplerConfig(batch=4, refresh_every=refresh_every, ahead=2)
    with StreamSampler(StreamReader("failing://stream"), config, 0) as sampler:
        expected = batches(sampler, 10)
    with StreamSampler(StreamReader("failing://stream"), config, 0) as sampler:
        seen = batches(sampler, 3)
        failing.away = True
        for _ in range(3):
            try:
                seen.append(ids(sampler.next()))  # what had been read ahead
            except StorageError:
                break
        with pytest.raises(StorageError, match="nobody listens"):
            sampler.next()
        failing.away = False
        seen += batches(sampler, 10 - len(seen))
    assert seen == expected


def test_memory_does_not_grow_with_the_batches(root: Path) -> None:
    config = SamplerConfig(batch=8, refresh_every=1)
    with StreamSampler(StreamReader(root), config, 0) as sampler:
        batches(sampler, 20)
        tracemalloc.start()
        try:
            batches(sampler, 20)
            before = tracemalloc.get_traced_memory()[0]
            batches(sampler, 200)
            after = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
    assert after - before < 200_000  # a batch has 30 kB of records
