"""One immutable file of the stream: a header that says where each record lies, then the records.

    offset  bytes  content
    0       8      magic "S3KSHRD1"; the 1 is the version of this layout
    8       4      length of the header, unsigned, little-endian
    12      4      CRC32 of the header, unsigned, little-endian
    16      n      header: msgpack map {"cell_id": str, "sequences": [int, ...],
                                        "lengths": [int, ...], "crc32s": [int, ...]}
    16 + n  ...    the records (see `record.py`), one after the other, in the order of the header

A shard is named ``<first sequence>-<number of records>.s3k`` and lies in the folder of its cell. The header knows how
long the file must be, so one that was cut short is recognised without reading it.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from s3k_dist.errors import StorageError
from s3k_dist.stream.record import StreamRecord, typed, unpack_record

MAGIC = b"S3KSHRD1"
SUFFIX = ".s3k"
_PREAMBLE = struct.Struct("<8sII")


@dataclass(frozen=True, eq=False)
class ShardIndex:
    """Where the R records of a shard lie; 24 bytes of memory a record.

    Attributes:
        path: the file.
        cell_id: the cell whose frames it holds.
        sequences: the frames' numbers, increasing, uint64, shape (R,).
        offsets: where each record begins and the last one ends, bytes into the file, int64, shape (R + 1,).
        crc32s: of each record, int64, shape (R,).
    """

    path: Path
    cell_id: str
    sequences: np.ndarray
    offsets: np.ndarray
    crc32s: np.ndarray

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def size_bytes(self) -> int:
        """Length of the file."""
        return int(self.offsets[-1])


def shard_name(first_sequence: int, count: int) -> str:
    """File name of a shard."""
    return f"{first_sequence:08d}-{count}{SUFFIX}"


def first_sequence_of(path: Path) -> int | None:
    """The first sequence by the file's name; None if that is no shard's name."""
    first, _, count = path.name.removesuffix(SUFFIX).partition("-")
    return int(first) if path.name.endswith(SUFFIX) and first.isdecimal() and count.isdecimal() else None


def pack_shard(cell_id: str, sequences: Sequence[int], records: Sequence[bytes]) -> bytes:
    """The whole content of a shard, of packed records."""
    header = msgpack.packb(
        {
            "cell_id": cell_id,
            "sequences": list(sequences),
            "lengths": [len(record) for record in records],
            "crc32s": [zlib.crc32(record) for record in records],
        }
    )
    return b"".join([_PREAMBLE.pack(MAGIC, len(header), zlib.crc32(header)), header, *records])


def read_index(path: Path) -> ShardIndex:
    """The index of a shard; reads its header, not its records.

    Raises:
        StorageError: the file is missing, no shard, cut short, or its header is damaged.
    """
    try:
        with path.open("rb") as file:
            preamble = file.read(_PREAMBLE.size)
            if len(preamble) < _PREAMBLE.size or not preamble.startswith(MAGIC):
                raise StorageError(f"bad magic {preamble[:8]!r}, expected {MAGIC!r}")
            _, length, crc32 = _PREAMBLE.unpack(preamble)
            header = file.read(length)
            size = file.seek(0, 2)
    except OSError as error:
        raise StorageError(f"cannot be read: {error.strerror}") from error
    if len(header) != length or zlib.crc32(header) != crc32:
        raise StorageError("header is damaged or cut short: CRC mismatch")
    index = _index(path, header, _PREAMBLE.size + length)
    if size != index.size_bytes:
        raise StorageError(f"file has {size} bytes, its header says {index.size_bytes}")
    return index


def read_record(index: ShardIndex, position: int) -> StreamRecord:
    """One record of a shard; reads its bytes only.

    Raises:
        StorageError: the shard is gone, or the record is damaged.
    """
    start, end = int(index.offsets[position]), int(index.offsets[position + 1])
    try:
        with index.path.open("rb") as file:
            file.seek(start)
            data = file.read(end - start)
    except OSError as error:
        raise StorageError(f"cannot be read: {error.strerror}") from error
    if zlib.crc32(data) != index.crc32s[position]:
        raise StorageError(f"record {position} (frame {index.sequences[position]}): CRC mismatch")
    return unpack_record(data)


def _index(path: Path, header: bytes, records_at: int) -> ShardIndex:
    fields: Any
    try:
        fields = msgpack.unpackb(header)
        sequences = np.array(typed(fields, "sequences", list), dtype=np.uint64)
        lengths = np.array(typed(fields, "lengths", list), dtype=np.int64)
        crc32s = np.array(typed(fields, "crc32s", list), dtype=np.int64)
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise StorageError(f"header is damaged: {error}") from error
    if not len(sequences) == len(lengths) == len(crc32s) > 0 or (lengths < 0).any():
        raise StorageError("header is damaged: its lists differ in length, or are empty")
    offsets = records_at + np.concatenate([[0], np.cumsum(lengths)])
    return ShardIndex(path, typed(fields, "cell_id", str), sequences, offsets, crc32s)
