"""What is acknowledged is there, whatever happens next."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from s3k_dist.errors import StorageError
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter

HANG_GUARD_S = 60.0

APPEND_FOR_EVER = """
import sys, numpy as np
from pathlib import Path
from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.geometry.camera import Camera
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter

K = np.array([[10.0, 0, 3.5], [0, 10.0, 3.5], [0, 0, 1]])
camera = Camera("cam0", 16, 16, K, np.zeros(5), np.eye(3), np.zeros(3))
with StreamWriter(Path(sys.argv[1]), "sim0", shard_frames=8) as writer:
    print("ready", flush=True)
    while True:
        sequence = writer.next_sequence
        view = View(camera, np.full((16, 16, 3), sequence % 256, np.uint8), sequence)
        writer.append(StreamRecord(MultiViewFrame("sim0", sequence, sequence, (view,)), "e", 0, 0))
        if sequence % 3 == 0:
            writer.flush()
            print(sequence, flush=True)
"""


def names(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "sim0").iterdir() if path.suffix == ".s3k")


def read_all(root: Path) -> list[StreamRecord]:
    reader = StreamReader(root)
    reader.refresh()
    assert reader.damaged == {}
    return [reader.read(index) for index in range(len(reader))]


def test_full_shards_are_published_and_the_rest_at_the_end(tmp_path: Path, make_record: Any) -> None:
    with StreamWriter(tmp_path, "sim0", shard_frames=4) as writer:
        for sequence in range(10):
            writer.append(make_record(sequence))
        assert names(tmp_path) == ["00000000-4.s3k", "00000004-4.s3k"]

    assert names(tmp_path) == ["00000000-4.s3k", "00000004-4.s3k", "00000008-2.s3k"]
    records = read_all(tmp_path)
    assert [record.step for record in records] == list(range(10))
    np.testing.assert_array_equal(records[7].frame.views[1].image, make_record(7).frame.views[1].image)


def test_flush_publishes_what_is_there_and_twice_changes_nothing(tmp_path: Path, make_record: Any) -> None:
    with StreamWriter(tmp_path, "sim0") as writer:
        writer.flush()
        writer.append(make_record(5))
        writer.flush()
        writer.flush()
        assert names(tmp_path) == ["00000005-1.s3k"]


def test_large_frames_are_published_before_the_shard_is_full(tmp_path: Path, make_record: Any) -> None:
    with StreamWriter(tmp_path, "sim0", shard_bytes=2_000) as writer:
        for sequence in range(10):
            writer.append(make_record(sequence))
        assert len(names(tmp_path)) >= 4


def test_a_restarted_writer_continues(tmp_path: Path, make_record: Any) -> None:
    with StreamWriter(tmp_path, "sim0") as writer:
        for sequence in (0, 1, 7):
            writer.append(make_record(sequence))

    with StreamWriter(tmp_path, "sim0") as writer:
        assert writer.next_sequence == 8
        with pytest.raises(StorageError, match=r"sim0/00000001: .*next free one is 8"):
            writer.append(make_record(1))
        writer.append(make_record(8))

    assert [record.step for record in read_all(tmp_path)] == [0, 1, 7, 8]


def test_a_damaged_last_shard_is_not_written_over(tmp_path: Path, make_record: Any) -> None:
    with StreamWriter(tmp_path, "sim0") as writer:
        for sequence in range(3):
            writer.append(make_record(sequence))
    (tmp_path / "sim0" / "00000000-3.s3k").write_bytes(b"torn")

    with StreamWriter(tmp_path, "sim0") as writer:
        assert writer.next_sequence == 3


def test_a_shard_that_is_there_is_never_written_over(tmp_path: Path, make_record: Any) -> None:
    with StreamWriter(tmp_path, "sim0") as writer:
        path = tmp_path / "sim0" / "00000000-1.s3k"
        path.write_bytes(b"of somebody else")
        writer.append(make_record(0))
        with pytest.raises(StorageError, match="never written over"):
            writer.flush()
        assert path.read_bytes() == b"of somebody else"
        path.unlink()


def test_one_writer_at_a_time(tmp_path: Path, make_record: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3k_dist.stream.writer.LOCK_TIMEOUT_S", 0.1)
    with (
        StreamWriter(tmp_path, "sim0"),
        StreamWriter(tmp_path, "sim1"),
        pytest.raises(StorageError, match=r"another process holds .*sim0"),
    ):
        StreamWriter(tmp_path, "sim0")
    StreamWriter(tmp_path, "sim0").close()


def test_a_frame_of_another_cell_and_a_closed_writer_are_refused(tmp_path: Path, make_record: Any) -> None:
    writer = StreamWriter(tmp_path, "sim0")
    with pytest.raises(StorageError, match="frame sim1/00000000 in the stream of cell 'sim0'"):
        writer.append(make_record(0, cell_id="sim1"))
    writer.close()
    writer.close()
    with pytest.raises(StorageError, match="closed"):
        writer.append(make_record(0))


@pytest.mark.parametrize("cell_id", ["", "..", "a/b", ".hidden", "a\0b"])
def test_a_cell_that_cannot_name_a_folder_is_refused(tmp_path: Path, cell_id: str) -> None:
    with pytest.raises(StorageError, match="cannot name a folder"):
        StreamWriter(tmp_path, cell_id)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot make the folder"):
        StreamWriter(tmp_path / "file", "sim0")


def test_a_full_disk_keeps_the_frames_and_bounds_them(tmp_path: Path, make_record: Any) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with StreamWriter(tmp_path, "sim0", shard_frames=3) as writer:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))  # stands for the last free bytes of a disk
        try:
            for sequence in range(3):
                writer.append(make_record(sequence))
            for _ in range(2):
                with pytest.raises(StorageError, match=r"cannot write .*File too large"):
                    writer.append(make_record(3))
            assert names(tmp_path) == []
            assert writer.next_sequence == 3
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        writer.append(make_record(3))

    assert [record.step for record in read_all(tmp_path)] == [0, 1, 2, 3]


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    acknowledged: list[int] = []
    for round_ in range(3):
        command = [sys.executable, "-c", APPEND_FOR_EVER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            acknowledged.append(int(process.stdout.readline()))
            time.sleep(0.05 + 0.0071 * round_)  # somewhere inside an append or a flush
            os.kill(process.pid, signal.SIGKILL)
            acknowledged += [int(line) for line in process.stdout.read().split()]

    records = read_all(tmp_path)
    sequences = [record.frame.sequence for record in records]
    assert sequences == list(range(len(sequences)))
    assert set(acknowledged) <= set(sequences)
    assert all((record.frame.views[0].image == record.frame.sequence % 256).all() for record in records)
    with StreamWriter(tmp_path, "sim0"):
        assert not list((tmp_path / "sim0").glob("*.tmp"))
