"""A stream within its budgets: what is fresh, labelled or unlike the rest stays, and no crash takes it."""

import json
import shutil
import struct
import time
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from s3k_dist.errors import ShardGoneError, StorageError
from s3k_dist.stream.diversity import diverse
from s3k_dist.stream.folder_store import FolderStore
from s3k_dist.stream.lease import LEASE, retention_lease
from s3k_dist.stream.quarantine import shards_aside, verify
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.record import pack_record
from s3k_dist.stream.retention import PruneReport, Retention
from s3k_dist.stream.retention_plan import RetentionPolicy, effective_times_ns
from s3k_dist.stream.shard import read_index
from s3k_dist.stream.store import open_store
from s3k_dist.stream.writer import StreamWriter

RATE_HZ = 4
NOON_S = 1_800_000_000.0


def write(place: Any, records: Iterable[Any], shard_frames: int = 8, cell_id: str = "sim0") -> None:
    with StreamWriter(place, cell_id, shard_frames) as writer:
        for record in records:
            writer.append(record)


def sequences(place: Any) -> list[int]:
    """Of the frames of all shards, each as often as it is there."""
    reader = StreamReader(place)
    reader.refresh()
    assert reader.damaged == {}
    return sorted(reader.read(index).frame.sequence for index in range(len(reader)))


def ids(numbers: Iterable[int]) -> set[str]:
    return {f"sim0/{number:08d}" for number in numbers}


def stored_bytes(root: Path) -> int:
    return sum(path.stat().st_size for path in root.glob("*/*.s3k"))


def prune(root: Any, labelled: Iterable[int] = (), now_s: float = NOON_S, **policy: Any) -> PruneReport:
    return Retention(root, RetentionPolicy(**policy)).prune(ids(labelled), int(now_s * 1e9))


def test_without_budgets_everything_stays(tmp_path: Path, make_record: Any) -> None:
    write(tmp_path, (make_record(number) for number in range(30)))
    before = sorted(tmp_path.glob("*/*.s3k"))
    report = prune(tmp_path)
    assert report.frames_before == report.frames_after == 30
    assert sorted(tmp_path.glob("*/*.s3k")) == before


def test_the_bytes_are_kept_to_with_the_fresh_the_labelled_and_some_of_the_past(
    tmp_path: Path, make_record: Any
) -> None:
    write(tmp_path, (make_record(number) for number in range(200)))
    budget = stored_bytes(tmp_path) // 3
    labelled = {3, 37, 75}
    report = prune(tmp_path, labelled, max_bytes=budget)

    kept = set(sequences(tmp_path))
    assert stored_bytes(tmp_path) == report.bytes_after <= budget
    assert report.frames_after == len(kept)
    assert labelled <= kept
    assert set(range(170, 200)) <= kept  # fresh
    assert report.reservoir > 5
    assert len([number for number in kept if number < 100 and number not in labelled]) > 0
    assert report.over_budget == []
    again = prune(tmp_path, labelled, max_bytes=budget)
    assert again.frames_after == again.frames_before == len(kept)


def test_labelled_frames_stay_even_beyond_the_budget(tmp_path: Path, make_record: Any) -> None:
    write(tmp_path, (make_record(number) for number in range(100)))
    report = prune(tmp_path, range(90), max_bytes=20_000)
    assert set(range(90)) <= set(sequences(tmp_path))
    assert report.over_budget == ["sim0"]


def test_the_past_that_stays_is_diverse(tmp_path: Path, make_record: Any) -> None:
    # Mostly one scene, and a few moments of nine others.
    rare = {17 * number + 3: 1000 + number for number in range(9)}
    write(tmp_path, (make_record(n, look=rare.get(n, 1), captured_at_s=NOON_S + n / RATE_HZ) for n in range(300)))
    now_s = NOON_S + 300 / RATE_HZ
    report = prune(tmp_path, now_s=now_s, max_age_s=10.0, reservoir_frames=10, still_levels=None)
    kept = set(sequences(tmp_path))
    assert rare.keys() <= kept
    assert report.reservoir == 10
    assert set(range(264, 300)) <= kept
    assert len(kept) < 80


def test_a_still_scene_is_thinned_and_a_moving_one_is_not(tmp_path: Path, make_record: Any) -> None:
    still = range(100, 900)  # 200 s
    write(
        tmp_path,
        (make_record(n, look=7 if n in still else n, captured_at_s=NOON_S + n / RATE_HZ) for n in range(1000)),
        shard_frames=64,
    )
    now_s = NOON_S + 2000
    for _ in range(3):  # further passes change nothing
        prune(tmp_path, [333], now_s)
        kept = set(sequences(tmp_path))
        assert set(range(100)) | set(range(900, 1000)) | {333} <= kept
        of_still = sorted(n for n in kept if n in still and n != 333)
        assert 7 <= len(of_still) <= 20
        assert max(np.diff(of_still)) <= 2 * 30 * RATE_HZ


def test_frames_too_young_to_be_thinned_stay(tmp_path: Path, make_record: Any) -> None:
    write(tmp_path, (make_record(n, look=7, captured_at_s=NOON_S + n / RATE_HZ) for n in range(100)))
    assert prune(tmp_path, now_s=NOON_S + 25).frames_after == 100
    assert prune(tmp_path, now_s=NOON_S + 25 + 600).frames_after < 30


@pytest.mark.parametrize("captured_at_s", [0.0, NOON_S + 1e9])
def test_a_clock_that_jumps_takes_no_frames(tmp_path: Path, make_record: Any, captured_at_s: float) -> None:
    times = [NOON_S + n for n in range(40)]
    times[20:24] = [captured_at_s] * 4
    write(tmp_path, (make_record(n, captured_at_s=at) for n, at in enumerate(times)))
    prune(tmp_path, now_s=NOON_S + 40, max_age_s=60.0, reservoir_frames=0)
    assert sequences(tmp_path) == list(range(40))


@given(times=hnp.arrays(np.int64, 12, elements=st.integers(0, 2**62)), now=st.integers(0, 2**62))
@settings(max_examples=50, deadline=None)
def test_effective_times_never_make_a_frame_look_older(times: np.ndarray, now: int) -> None:
    effective = effective_times_ns(times, now)
    assert (np.diff(effective) >= 0).all()
    assert (effective >= np.minimum(times, now)).all()
    assert (effective <= now).all()


class CrashingStore(FolderStore):
    """A folder whose process dies before, or right after, a given change."""

    def __init__(self, root: Path, changes: int, *, done: bool) -> None:
        super().__init__(root)
        self.changes = changes
        self.done = done

    def _change(self, change: Any, *arguments: Any) -> None:
        self.changes -= 1
        if self.changes == 0 and not self.done:
            raise KeyboardInterrupt
        change(*arguments)
        if self.changes == 0:
            raise KeyboardInterrupt

    def put(self, name: str, data: bytes) -> None:
        self._change(super().put, name, data)

    def remove(self, name: str) -> None:
        self._change(super().remove, name)

    def move(self, name: str, to: str) -> None:
        self._change(super().move, name, to)


@pytest.mark.parametrize("done", [False, True])
def test_a_crash_at_any_moment_loses_no_kept_frame(tmp_path: Path, make_record: Any, done: bool) -> None:
    policy = RetentionPolicy(max_bytes=60_000, shard_frames=8)
    labelled = ids([5, 40])

    write(tmp_path / "written", (make_record(number) for number in range(100)))

    def stream(root: Path) -> Path:
        shutil.copytree(tmp_path / "written", root)
        return root

    whole = stream(tmp_path / "whole")
    Retention(whole, policy).prune(labelled, 0)
    kept = sequences(whole)
    assert 10 < len(kept) < 60
    crashed = 0
    for change in range(1, 100):
        root = stream(tmp_path / str(change))
        try:
            Retention(CrashingStore(root, change, done=done), policy).prune(labelled, 0)
        except KeyboardInterrupt:
            crashed += 1
        else:
            break
        assert set(kept) <= set(sequences(root))
        Retention(root, policy).prune(labelled, 0)
        after = sequences(root)
        assert len(after) == len(set(after))
        assert labelled <= ids(after)
        assert set(range(80, 100)) <= set(after)
        assert len(after) >= 0.8 * len(kept)  # the reservoir is chosen anew from what is left
        assert stored_bytes(root) <= 60_000
    assert crashed > 8


def test_a_frame_in_two_shards_counts_once(tmp_path: Path, make_record: Any) -> None:
    write(tmp_path, (make_record(number) for number in range(40)))
    copies = {path: path.read_bytes() for path in tmp_path.glob("*/*.s3k")}
    prune(tmp_path, max_bytes=40_000)
    kept = sequences(tmp_path)
    reader = StreamReader(tmp_path)
    reader.refresh()
    for path, content in copies.items():  # as if none had been removed yet
        path.write_bytes(content)
    assert reader.refresh() == 40 - len(kept)
    assert len(reader) == reader.stats().frames == 40
    assert sequences(tmp_path) == list(range(40))


def test_a_reader_goes_on_while_shards_are_packed_anew(tmp_path: Path, make_record: Any) -> None:
    write(tmp_path, (make_record(number) for number in range(100)))
    reader = StreamReader(tmp_path)
    reader.refresh()
    before = {index: reader.read(index).frame.sequence for index in range(100)}
    prune(tmp_path, [3], max_bytes=40_000)
    kept = set(sequences(tmp_path))

    for index, sequence in before.items():  # this reader does not know yet
        if sequence in kept:
            assert reader.read(index).frame.sequence == sequence
        else:
            with pytest.raises(ShardGoneError):
                reader.read(index)
    assert reader.refresh() == 0
    assert len(reader) == 100
    assert reader.stats().frames == len(kept)
    assert set(reader.frame_ids()) == ids(kept)
    assert reader.read_by_id("sim0/00000003").step == 3
    assert reader.damaged == {}
    write(tmp_path, (make_record(number) for number in range(100, 104)))
    assert reader.refresh() == 4
    assert [reader.read(index).step for index in range(100, 104)] == [100, 101, 102, 103]


class BlinkingStore(FolderStore):
    """A folder whose next listing, where told so, sees neither the shards that came nor those that go."""

    blink = False

    def list(self) -> dict[str, int]:
        found = super().list()
        if self.blink:
            self.blink = False
            return {name: size for name, size in found.items() if name.endswith("99-1.s3k")}
        return found


def test_a_listing_that_missed_a_move_changes_no_index(tmp_path: Path, make_record: Any) -> None:
    write(tmp_path, (make_record(number) for number in range(40)))
    store = BlinkingStore(tmp_path)
    reader = StreamReader(store)
    reader.refresh()
    prune(tmp_path, max_bytes=40_000)
    kept = sequences(tmp_path)
    store.blink = True
    assert reader.refresh() == 0
    assert [reader.read(index).step for index in range(40) if reader.index_of(f"sim0/{index:08d}") == index] == kept


def test_a_cell_counts_on_after_all_of_it_has_aged(tmp_path: Path, make_record: Any) -> None:
    write(tmp_path, (make_record(n, captured_at_s=NOON_S) for n in range(50)))
    prune(tmp_path, now_s=NOON_S + 1e6, max_age_s=60.0, reservoir_frames=0)
    assert sequences(tmp_path) == [48, 49]  # one shard stays
    with StreamWriter(tmp_path, "sim0") as writer:
        assert writer.next_sequence == 50


def test_a_damaged_shard_is_moved_aside_with_the_reason_and_the_rest_goes_on(tmp_path: Path, make_record: Any) -> None:
    write(tmp_path, (make_record(number) for number in range(40)))
    (tmp_path / "sim0" / "00000008-8.s3k").write_bytes(b"torn")
    report = prune(tmp_path)
    assert list(report.set_aside) == [str(tmp_path / "sim0" / "00000008-8.s3k")]
    assert (tmp_path / "sim0" / "00000008-8.s3k.damaged").read_bytes() == b"torn"
    assert "bad magic" in (tmp_path / "sim0" / "00000008-8.s3k.damaged.reason").read_text()
    assert list(shards_aside(open_store(tmp_path))) == ["sim0/00000008-8.s3k.damaged"]
    assert sequences(tmp_path) == [*range(8), *range(16, 40)]


def test_a_damaged_last_shard_that_was_moved_aside_still_counts(tmp_path: Path, make_record: Any) -> None:
    write(tmp_path, (make_record(number) for number in range(16)))
    (tmp_path / "sim0" / "00000008-8.s3k").write_bytes(b"torn")
    prune(tmp_path)
    with StreamWriter(tmp_path, "sim0") as writer:
        assert writer.next_sequence == 16


def test_a_damaged_record_is_not_packed_and_its_shard_moved_aside(tmp_path: Path, make_record: Any) -> None:
    write(tmp_path, (make_record(number) for number in range(80)))
    path = tmp_path / "sim0" / "00000000-8.s3k"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1  # of frame 7
    path.write_bytes(data)
    report = prune(tmp_path, [6, 7], max_bytes=40_000)
    assert "frame 7" in report.set_aside[str(path)]
    assert 6 in sequences(tmp_path)
    assert path.with_name(path.name + ".damaged").read_bytes() == bytes(data)


def test_a_dry_run_changes_nothing(tmp_path: Path, make_record: Any) -> None:
    write(tmp_path, (make_record(number) for number in range(100)))
    before = sequences(tmp_path)
    report = Retention(tmp_path, RetentionPolicy(max_bytes=40_000)).prune(now_ns=0, dry_run=True)
    assert sequences(tmp_path) == before
    done = prune(tmp_path, max_bytes=40_000)
    assert report.frames_after == done.frames_after < 100
    assert abs(report.bytes_after - done.bytes_after) < 0.2 * done.bytes_after


def test_cells_have_budgets_of_their_own(tmp_path: Path, make_record: Any) -> None:
    write(tmp_path, (make_record(number) for number in range(100)))
    write(tmp_path, (make_record(number, cell_id="sim1") for number in range(6)), cell_id="sim1")
    prune(tmp_path, max_bytes=40_000)
    reader = StreamReader(tmp_path)
    reader.refresh()
    assert reader.stats().cells["sim1"] == 6
    assert reader.stats().cells["sim0"] < 60


@pytest.mark.parametrize("url", ["folder", "memory"])
def test_one_process_prunes_at_a_time(url: str, tmp_path: Path, make_record: Any) -> None:
    store = open_store(tmp_path if url == "folder" else f"memory://{tmp_path.name}")
    with retention_lease(store), pytest.raises(StorageError, match=r"another process holds|moves shards"):
        Retention(store, RetentionPolicy()).prune()
    Retention(store, RetentionPolicy()).prune()


def test_the_lease_of_a_dead_process_runs_out(tmp_path: Path) -> None:
    store = open_store(f"memory://{tmp_path.name}")
    store.put(LEASE, json.dumps({"owner": "dead", "until_s": time.time() - 1}).encode())
    with retention_lease(store) as renew:
        renew()
        assert json.loads(store.read(LEASE, 0, 1000))["owner"] != "dead"
    assert store.size(LEASE) is None


@pytest.fixture
def in_memory(tmp_path: Path, make_record: Any) -> Any:
    store = open_store(f"memory://{tmp_path.name}/stream")
    write_to = StreamWriter(store, "sim0", 8, spool=tmp_path / "spool")
    for number in range(100):
        write_to.append(make_record(number))
    write_to.close()
    return store


def test_a_store_that_is_no_folder_is_pruned_likewise(in_memory: Any) -> None:
    report = prune(in_memory, [3], max_bytes=40_000)
    assert report.bytes_after <= 40_000
    assert {3, 99} <= set(sequences(in_memory))


@given(
    points=hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.just(6))),
    count=st.integers(1, 12),
)
@settings(max_examples=60, deadline=None)
def test_picks_are_at_most_twice_as_far_from_the_rest_as_the_best_picks_could_be(
    points: np.ndarray, count: int
) -> None:
    # Gonzalez: no other choice of as many has a covering radius below half of the greedy one's.
    picked = diverse(points, count)
    assert len(set(picked.tolist())) == min(count, len(points))
    floats = points.astype(float)
    between = np.linalg.norm(floats[:, None] - floats[None], axis=-1)
    radius = between[:, picked].min(1).max()
    apart = between[np.ix_(picked, picked)][~np.eye(len(picked), dtype=bool)]
    if len(apart) and len(picked) < len(points):
        assert apart.min() >= radius - 1e-2


def test_picks_in_chunks_still_find_what_is_rare() -> None:
    rng = np.random.default_rng(0)
    common = rng.integers(100, 110, (5000, 16), dtype=np.uint8)
    common[[123, 2222, 4321]] = [[0] * 16, [255] * 16, [0, 255] * 8]
    assert {123, 2222, 4321} <= set(diverse(common, 6).tolist())
    assert {123, 2222, 4321} & set(diverse(common, 3, given=common[[123, 2222]]).tolist()) == {4321}


def test_a_shard_with_damaged_descriptors_is_pruned_by_its_images(tmp_path: Path, make_record: Any) -> None:
    write(tmp_path, (make_record(n, look=1 if n != 5 else 9) for n in range(40)))
    path = tmp_path / "sim0" / "00000000-8.s3k"
    index = read_index(open_store(tmp_path), "sim0/00000000-8.s3k")
    data = bytearray(path.read_bytes())
    data[index.descriptors_at + 3] ^= 1
    path.write_bytes(data)
    assert [check.faults for check in verify(open_store(tmp_path)) if check.faults] == [("descriptors: CRC mismatch",)]
    prune(tmp_path, max_age_s=1.0, reservoir_frames=3)
    assert 5 in sequences(tmp_path)
    assert [check.faults for check in verify(open_store(tmp_path)) if check.faults] == []


def test_a_shard_of_layout_1_is_read_and_pruned(tmp_path: Path, make_record: Any) -> None:
    records = [pack_record(make_record(number, look=1 if number != 5 else 9)) for number in range(8)]
    header = msgpack.packb(
        {
            "cell_id": "sim0",
            "sequences": list(range(8)),
            "lengths": [len(record) for record in records],
            "crc32s": [zlib.crc32(record) for record in records],
        }
    )
    (tmp_path / "sim0").mkdir()
    (tmp_path / "sim0" / "00000000-8.s3k").write_bytes(
        b"S3KSHRD1" + struct.pack("<II", len(header), zlib.crc32(header)) + header + b"".join(records)
    )
    assert sequences(tmp_path) == list(range(8))
    write(tmp_path, (make_record(number, look=1) for number in range(8, 40)))
    prune(tmp_path, max_age_s=1.0, reservoir_frames=3)
    assert 5 in sequences(tmp_path)
    assert len(sequences(tmp_path)) == 3 + 8
