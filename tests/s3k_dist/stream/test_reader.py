"""Any frame by its index, while shards come in and some are damaged."""

import threading
from pathlib import Path
from typing import Any

import pytest

from s3k_dist.errors import StorageError
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.writer import StreamWriter

HANG_GUARD_S = 30.0


def write(root: Path, make_record: Any, cell_id: str, sequences: range, shard_frames: int = 4) -> None:
    with StreamWriter(root, cell_id, shard_frames) as writer:
        for sequence in sequences:
            writer.append(make_record(sequence, cell_id=cell_id))


def test_a_stream_that_does_not_exist_yet_is_empty(tmp_path: Path) -> None:
    reader = StreamReader(tmp_path / "nothing")

    assert reader.refresh() == 0
    assert len(reader) == 0
    assert reader.stats().cells == {}
    with pytest.raises(IndexError, match="frame 0 of a stream of 0"):
        reader.read(0)


def test_new_shards_come_after_the_known_ones(tmp_path: Path, make_record: Any) -> None:
    reader = StreamReader(tmp_path)
    write(tmp_path, make_record, "sim1", range(6))
    assert reader.refresh() == 6
    first_ids = reader.frame_ids()
    write(tmp_path, make_record, "sim0", range(3))
    assert reader.refresh() == 3
    assert reader.refresh() == 0

    assert reader.frame_ids()[:6] == first_ids
    assert [reader.read(index).frame.frame_id for index in range(9)] == reader.frame_ids()
    for index in (-1, 9):
        with pytest.raises(IndexError):
            reader.read(index)


def test_stats_count_frames_bytes_and_cells(tmp_path: Path, make_record: Any) -> None:
    write(tmp_path, make_record, "sim0", range(6))
    write(tmp_path, make_record, "sim1", range(2))
    reader = StreamReader(tmp_path)
    reader.refresh()

    stats = reader.stats()
    assert stats.frames == 8
    assert stats.cells == {"sim0": 6, "sim1": 2}
    assert stats.bytes == sum(path.stat().st_size for path in tmp_path.glob("*/*.s3k"))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda data: b"", "bad magic"),
        (lambda data: b"PK\3\4" + data[4:], "bad magic"),
        (lambda data: data[:30], "header is damaged or cut short"),
        (lambda data: data[:20] + b"\xff" + data[21:], "header is damaged or cut short"),
        (lambda data: data[:-1], "its header says"),
        (lambda data: data + b"\0", "its header says"),
    ],
)
def test_a_damaged_shard_is_set_aside_and_the_rest_goes_on(
    tmp_path: Path, make_record: Any, damage: Any, says: str
) -> None:
    write(tmp_path, make_record, "sim0", range(12))
    path = tmp_path / "sim0" / "00000004-4.s3k"
    path.write_bytes(damage(path.read_bytes()))
    reader = StreamReader(tmp_path)

    assert reader.refresh() == 8
    assert list(reader.damaged) == [str(path)]
    assert says in reader.damaged[str(path)]
    assert [reader.read(index).step for index in range(8)] == [0, 1, 2, 3, 8, 9, 10, 11]


def test_a_damaged_record_is_named_and_its_neighbours_are_read(tmp_path: Path, make_record: Any) -> None:
    write(tmp_path, make_record, "sim0", range(4))
    path = tmp_path / "sim0" / "00000000-4.s3k"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    reader = StreamReader(tmp_path)

    assert reader.refresh() == 4
    with pytest.raises(StorageError, match=r"00000000-4\.s3k: record 3 \(frame 3\): CRC mismatch"):
        reader.read(3)
    assert [reader.read(index).step for index in range(3)] == [0, 1, 2]
    assert "CRC mismatch" in reader.damaged[str(path)]


def test_a_shard_that_is_gone_is_named(tmp_path: Path, make_record: Any) -> None:
    write(tmp_path, make_record, "sim0", range(4))
    reader = StreamReader(tmp_path)
    reader.refresh()
    (tmp_path / "sim0" / "00000000-4.s3k").unlink()

    with pytest.raises(StorageError, match=r"00000000-4\.s3k: cannot be read: No such file"):
        reader.read(0)


def test_files_that_are_no_shards_are_left_alone(tmp_path: Path, make_record: Any) -> None:
    write(tmp_path, make_record, "sim0", range(2))
    (tmp_path / "sim0" / "notes.s3k").write_text("not a shard's name")
    (tmp_path / "sim0" / ".00000002-1.s3k.77.tmp").write_text("being written")
    reader = StreamReader(tmp_path)

    assert reader.refresh() == 2
    assert reader.damaged == {}


def test_a_reader_follows_a_writer_at_work(tmp_path: Path, make_record: Any) -> None:
    writing = threading.Thread(target=write, args=(tmp_path, make_record, "sim0", range(100), 3))
    writing.start()
    reader = StreamReader(tmp_path)
    while writing.is_alive():
        new = reader.refresh()
        for index in range(len(reader) - new, len(reader)):
            assert reader.read(index).step == index
    writing.join(HANG_GUARD_S)
    reader.refresh()

    assert reader.damaged == {}
    assert sorted(reader.read(index).step for index in range(100)) == list(range(100))
