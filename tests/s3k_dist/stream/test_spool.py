"""An acknowledged frame outlives the store's absence and the writer's death."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3k_dist.errors import ConfigError, StorageError
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.remote_store import RemoteStore
from s3k_dist.stream.spool import SpoolFullError
from s3k_dist.stream.store import open_store
from s3k_dist.stream.writer import StreamWriter, WriterSettings
from tests.s3k_dist.stream.stores import HANG_GUARD_S, s3_server

URL = "failing://stream"

WRITE_FOR_EVER = """
import sys, numpy as np
from pathlib import Path
from s3k_dist.errors import StorageError
from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.geometry.camera import Camera
from s3k_dist.stream import spool
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.remote_store import RemoteStore
from s3k_dist.stream.writer import StreamWriter

spool.FIRST_RETRY_S, spool.LONGEST_RETRY_S = 0.01, 0.05
K = np.array([[10.0, 0, 3.5], [0, 10.0, 3.5], [0, 0, 1]])
camera = Camera("cam0", 16, 16, K, np.zeros(5), np.eye(3), np.zeros(3))
store = RemoteStore(f"local://{sys.argv[1]}", 20.0, {})
with StreamWriter(store, "sim0", shard_frames=4, spool=Path(sys.argv[2])) as writer:
    print("ready", flush=True)
    while True:
        sequence = writer.next_sequence
        view = View(camera, np.full((16, 16, 3), sequence % 256, np.uint8), sequence)
        writer.append(StreamRecord(MultiViewFrame("sim0", sequence, sequence, (view,)), "e", 0, 0))
        if writer.acknowledged > max(0, sequence - 3):
            print(writer.acknowledged - 1, flush=True)
"""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3k_dist.stream.spool.FIRST_RETRY_S", 0.01)
    monkeypatch.setattr("s3k_dist.stream.spool.LONGEST_RETRY_S", 0.05)
    monkeypatch.setattr("s3k_dist.stream.reader.LIST_EVERY_S", 0.0)


def until(true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + HANG_GUARD_S
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def stored(place: Any) -> list[int]:
    reader = StreamReader(place)
    reader.refresh()
    assert reader.damaged == {}
    return [reader.read(index).frame.sequence for index in range(len(reader))]


def test_a_store_that_is_no_folder_needs_a_spool() -> None:
    with pytest.raises(ConfigError, match="needs a spool"):
        StreamWriter("memory://stream", "sim0")


def test_frames_reach_the_store_and_leave_the_spool(failing: Any, tmp_path: Path, make_record: Any) -> None:
    with WriterSettings(shard_frames=4, spool=tmp_path).open(URL, "sim0") as writer:
        for sequence in range(10):
            writer.append(make_record(sequence))
        assert writer.acknowledged == 8
    assert stored(URL) == list(range(10))
    assert list(tmp_path.glob("*/*.s3k")) == []


def test_frames_wait_while_the_store_is_away(failing: Any, tmp_path: Path, make_record: Any) -> None:
    with StreamWriter(URL, "sim0", 2, spool=tmp_path) as writer:
        failing.away = True
        for sequence in range(7):
            writer.append(make_record(sequence))
        assert not writer.publish(wait_s=0.05)
        assert writer.acknowledged == 7
        assert writer.spool is not None
        spool = writer.spool
        until(lambda: spool.last_error is not None)
        assert "nobody listens" in str(spool.last_error)
        assert len(spool.waiting()) == 4
        failing.away = False
        assert writer.publish(wait_s=HANG_GUARD_S)
        assert stored(URL) == list(range(7))
        assert spool.waiting() == []
        assert spool.uploaded == 4
    assert stored(URL) == list(range(7))


def test_the_next_writer_uploads_what_the_last_one_left(failing: Any, tmp_path: Path, make_record: Any) -> None:
    StreamWriter(URL, "sim0", spool=tmp_path).close()
    failing.away = True
    writer = StreamWriter(URL, "sim0", spool=tmp_path)
    writer.append(make_record(0))
    writer.close(drain_s=0.0)
    # The store is still away: the spool alone says where the sequence goes on.
    writer = StreamWriter(URL, "sim0", spool=tmp_path)
    assert writer.next_sequence == 1
    writer.append(make_record(1))
    failing.away = False
    writer.close()
    assert stored(URL) == [0, 1]


def test_a_new_spool_and_a_store_that_is_away_are_refused(failing: Any, tmp_path: Path) -> None:
    failing.away = True
    with pytest.raises(StorageError, match=r"its spool .*sim0 is new, and the store is away"):
        StreamWriter(URL, "sim0", spool=tmp_path)
    failing.away = False
    StreamWriter(URL, "sim0", spool=tmp_path).close()


def test_a_full_spool_refuses_and_loses_nothing(failing: Any, tmp_path: Path, make_record: Any) -> None:
    with StreamWriter(URL, "sim0", 2, spool=tmp_path, spool_bytes=6_000) as writer:
        failing.away = True
        taken = 0
        with pytest.raises(SpoolFullError, match=r"holds \d+ bytes of its 6000"):  # noqa: PT012
            for sequence in range(100):
                writer.append(make_record(sequence))
                taken += 1
        assert 2 < taken == writer.next_sequence
        assert writer.acknowledged == taken - 2
        with pytest.raises(SpoolFullError):
            writer.flush()
        failing.away = False
        spool = writer.spool
        assert spool is not None
        until(lambda: not spool.waiting())
        writer.append(make_record(taken))
    assert stored(URL) == list(range(taken + 1))


def test_half_an_upload_is_no_upload(failing: Any, tmp_path: Path, make_record: Any) -> None:
    failing.tears = True
    writer = StreamWriter(URL, "sim0", spool=tmp_path)
    writer.append(make_record(0))
    writer.flush()
    spool = writer.spool
    assert spool is not None
    until(lambda: spool.last_error is not None)
    assert len(spool.waiting()) == 1
    writer.close(drain_s=0.0)


def test_a_shard_of_somebody_else_is_never_written_over(failing: Any, tmp_path: Path, make_record: Any) -> None:
    writer = StreamWriter(URL, "sim0", 1, spool=tmp_path)
    open_store(URL).put("sim0/00000000-1.s3k", b"of somebody else")
    writer.append(make_record(0))
    writer.append(make_record(1))
    writer.flush()
    spool = writer.spool
    assert spool is not None
    until(lambda: spool.uploaded == 1)  # the other shard goes on
    until(lambda: "never written over" in str(spool.last_error))
    assert [path.name for path in spool.waiting()] == ["00000000-1.s3k"]
    writer.close(drain_s=0.0)
    assert open_store(URL).read("sim0/00000000-1.s3k", 0, 99) == b"of somebody else"


def test_a_frame_is_flushed_by_its_age_when_no_other_comes(tmp_path: Path, make_record: Any) -> None:
    with StreamWriter(tmp_path, "sim0", flush_after_s=0.05) as writer:
        writer.append(make_record(0))
        until(lambda: writer.acknowledged == 1)
        assert stored(tmp_path) == [0]
        writer.append(make_record(1))
        until(lambda: stored(tmp_path) == [0, 1])


def test_a_flush_by_age_that_fails_is_tried_again(tmp_path: Path, make_record: Any) -> None:
    with StreamWriter(tmp_path, "sim0", flush_after_s=0.02) as writer:
        in_the_way = tmp_path / "sim0" / "00000000-1.s3k"
        in_the_way.write_bytes(b"of somebody else")
        writer.append(make_record(0))
        with pytest.raises(StorageError, match="never written over"):
            writer.flush()
        in_the_way.unlink()
        until(lambda: writer.acknowledged == 1)


@pytest.fixture
def switch_store(tmp_path: Path) -> Callable[[], None]:
    """Takes the store in ``tmp_path / store`` away, or gives it back, in an instant."""
    store, there, nothing, link = (tmp_path / name for name in ("store", "there", "nothing", "link"))
    there.mkdir()
    nothing.write_text("a file is in the way")
    store.symlink_to(there)

    def switch() -> None:
        link.symlink_to(nothing if store.is_dir() else there)
        link.rename(store)

    return switch


def test_what_was_acknowledged_survives_kills_while_the_store_comes_and_goes(
    tmp_path: Path, switch_store: Callable[[], None]
) -> None:
    rng = random.Random(0)
    acknowledged: list[int] = []
    for round_ in range(5):
        command = [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path / "store"), str(tmp_path / "spool")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            acknowledged.append(int(process.stdout.readline()))
            for _ in range(round_ % 3):
                time.sleep(rng.uniform(0.0, 0.1))
                switch_store()
            time.sleep(rng.uniform(0.0, 0.1))  # somewhere inside an append, a flush, an upload or a back-off
            os.kill(process.pid, signal.SIGKILL)
            acknowledged += [int(line) for line in process.stdout.read().split()]

    if not (tmp_path / "store").is_dir():
        switch_store()
    store = RemoteStore(f"local://{tmp_path}/store", 20.0, {})
    StreamWriter(store, "sim0", spool=tmp_path / "spool").close(drain_s=HANG_GUARD_S)
    sequences = stored(tmp_path / "store")
    assert sequences == list(range(len(sequences)))
    assert len(acknowledged) > 20
    assert set(acknowledged) <= set(sequences)
    assert list((tmp_path / "spool").glob("*/*.s3k")) == []


def test_an_s3_store_that_stops_and_starts_loses_nothing(tmp_path: Path, make_record: Any) -> None:
    with s3_server() as server:
        store = open_store(f"{server.url}/stream", deadline_s=10.0, **server.options)
        with StreamWriter(store, "sim0", 2, spool=tmp_path) as writer:
            spool = writer.spool
            assert spool is not None
            for sequence in range(4):
                writer.append(make_record(sequence))
            server.stop()
            for sequence in range(4, 8):
                writer.append(make_record(sequence))
            writer.flush()
            until(lambda: spool.last_error is not None)
            server.start()
        assert stored(store) == list(range(8))
