"""One immutable file of the stream: a header that says where each record lies, then the records.

    offset      bytes  content
    0           8      magic "S3KSHRD2"; the 2 is the version of this layout
    8           4      length of the header, unsigned, little-endian
    12          4      CRC32 of the header, unsigned, little-endian
    16          n      header: msgpack map {"cell_id": str, "sequences": [int, ...], "captured_at_ns": [int, ...],
                                            "model_versions": [int, ...], "lengths": [int, ...],
                                            "crc32s": [int, ...], "descriptor_lengths": [int, ...],
                                            "descriptors_crc32": int}
    16 + n      d      the records' descriptors (see `descriptor.py`), one after the other, d bytes in all
    16 + n + d  ...    the records (see `record.py`), one after the other, in the order of the header

Layout 1, magic "S3KSHRD1", has no descriptors and of the header's lists only sequences, lengths and crc32s; it is read
but no longer written.

A shard is named ``<first sequence>-<number of records>.s3k`` and lies in the folder of its cell. One that retention
packed of older ones has a name of its own, ``<first sequence>-<number of records>-<checksum>.s3k``. The header knows
how long the file must be, so one that was cut short is recognised without reading it.
"""

import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgpack
import numpy as np

from s3k_dist.errors import StorageError
from s3k_dist.stream.record import StreamRecord, typed, unpack_record
from s3k_dist.stream.store import StreamStore

MAGIC = b"S3KSHRD2"
MAGIC_1 = b"S3KSHRD1"
SUFFIX = ".s3k"
HEAD_BYTES = 16 * 1024  # read at once: the header of a shard of 64 records has about 2 kB
MOST_HEADER_BYTES = 64 * 1024 * 1024
_PREAMBLE = struct.Struct("<8sII")
_NAME = re.compile(r"([0-9]+)-([0-9]+)(-[0-9a-f]{8})?\.s3k")


@dataclass(frozen=True, eq=False)
class ShardIndex:
    """Where the R records of a shard lie, and when they were captured; 40 bytes of memory a record.

    Attributes:
        name: in the store, ``<cell>/<file>``.
        cell_id: the cell whose frames it holds.
        sequences: the frames' numbers, increasing, uint64, shape (R,).
        offsets: where each record begins and the last one ends, bytes into the file, int64, shape (R + 1,).
        crc32s: of each record, uint32, shape (R,).
        captured_at_ns: of each frame, int64, shape (R,); zero in layout 1.
        model_versions: that the cell acted on, int32, shape (R,); zero in layout 1.
        descriptors_at: where the descriptors begin, bytes into the file; they end where the records begin.
        descriptor_lengths: uint16, shape (R,); zero in layout 1.
        descriptors_crc32: of all of them.
    """

    name: str
    cell_id: str
    sequences: np.ndarray
    offsets: np.ndarray
    crc32s: np.ndarray
    captured_at_ns: np.ndarray
    model_versions: np.ndarray
    descriptors_at: int
    descriptor_lengths: np.ndarray
    descriptors_crc32: int

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def size_bytes(self) -> int:
        """Length of the file."""
        return int(self.offsets[-1])


@dataclass(frozen=True)
class PackedRecord:
    """A record on its way into a shard.

    Attributes:
        sequence: of its frame.
        captured_at_ns: of its frame.
        model_version: that the cell acted on.
        data: the packed record.
        descriptor: of its frame; empty where it is not known.
    """

    sequence: int
    captured_at_ns: int
    model_version: int
    data: bytes
    descriptor: bytes


def shard_name(first_sequence: int, count: int) -> str:
    """File name of a shard."""
    return f"{first_sequence:08d}-{count}{SUFFIX}"


def packed_name(first_sequence: int, data: bytes, count: int) -> str:
    """File name of a shard of frames that were kept of older shards; other content has another name."""
    return f"{first_sequence:08d}-{count}-{header_crc32(data):08x}{SUFFIX}"


def is_packed(name: str) -> bool:
    """Whether a shard holds frames that were kept of older shards, by its name."""
    match = _NAME.fullmatch(name.rpartition("/")[2])
    return match is not None and match[3] is not None


def header_crc32(data: bytes) -> int:
    """The header's checksum; as it covers the records' checksums, it tells one shard from another."""
    return int(_PREAMBLE.unpack(data[: _PREAMBLE.size])[2])


def first_sequence_of(name: str) -> int | None:
    """The first sequence by the file's name; None if that is no shard's name."""
    match = _NAME.fullmatch(name.rpartition("/")[2])
    return int(match[1]) if match else None


def end_of_shard(store: StreamStore, name: str) -> int:
    """One above the last sequence of a shard; of a damaged one, or one set aside, what its name says."""
    try:
        return int(read_index(store, name).sequences[-1]) + 1
    except StorageError:
        match = _NAME.match(name.rpartition("/")[2])
        return int(match[1]) + int(match[2]) if match else 0


def pack_shard(cell_id: str, records: Sequence[PackedRecord]) -> bytes:
    """The whole content of a shard.

    Raises:
        StorageError: a number that does not fit 64 bits.
    """
    descriptors = b"".join(record.descriptor for record in records)
    try:
        header = msgpack.packb(
            {
                "cell_id": cell_id,
                "sequences": [record.sequence for record in records],
                "captured_at_ns": [record.captured_at_ns for record in records],
                "model_versions": [record.model_version for record in records],
                "lengths": [len(record.data) for record in records],
                "crc32s": [zlib.crc32(record.data) for record in records],
                "descriptor_lengths": [len(record.descriptor) for record in records],
                "descriptors_crc32": zlib.crc32(descriptors),
            }
        )
    except (OverflowError, TypeError) as error:
        raise StorageError(f"a shard of cell {cell_id!r} cannot be packed: {error}") from error
    preamble = _PREAMBLE.pack(MAGIC, len(header), zlib.crc32(header))
    return b"".join([preamble, header, descriptors, *(record.data for record in records)])


def read_index(store: StreamStore, name: str, size: int | None = None) -> ShardIndex:
    """The index of a shard; reads its header, not its records.

    Args:
        store: where it lies.
        name: in the store.
        size: length of the file, where the caller has just listed it.

    Raises:
        StorageError: the file is missing, no shard, cut short, or its header is damaged.
    """
    head = store.read(name, 0, HEAD_BYTES)
    if len(head) < _PREAMBLE.size or head[: len(MAGIC)] not in (MAGIC, MAGIC_1):
        raise StorageError(f"bad magic {head[:8]!r}, expected {MAGIC!r} or {MAGIC_1!r}")
    _, length, crc32 = _PREAMBLE.unpack(head[: _PREAMBLE.size])
    end = _PREAMBLE.size + length
    if length > MOST_HEADER_BYTES:
        raise StorageError(f"header is damaged: it claims {length} bytes")
    header = head[_PREAMBLE.size : end]
    if end > len(head):
        header += store.read(name, len(head), end)
    if len(header) != length or zlib.crc32(header) != crc32:
        raise StorageError("header is damaged or cut short: CRC mismatch")
    index = _index(name, header, end, layout_1=head.startswith(MAGIC_1))
    if size is None:
        size = store.size(name)
    if size != index.size_bytes:
        raise StorageError(f"file has {size} bytes, its header says {index.size_bytes}")
    return index


def read_packed(store: StreamStore, index: ShardIndex, position: int) -> bytes:
    """The bytes of one record of a shard; reads these only.

    Raises:
        StorageError: the shard is gone, or the record is damaged.
    """
    data = store.read(index.name, int(index.offsets[position]), int(index.offsets[position + 1]))
    if zlib.crc32(data) != index.crc32s[position]:
        raise StorageError(f"record {position} (frame {index.sequences[position]}): CRC mismatch")
    return data


def read_record(store: StreamStore, index: ShardIndex, position: int) -> StreamRecord:
    """One record of a shard, its images decoded; raises as `read_packed` does, and where the record is malformed."""
    return unpack_record(read_packed(store, index, position))


def read_descriptors(store: StreamStore, index: ShardIndex) -> list[bytes]:
    """What each frame of a shard looks like; nothing for one of layout 1.

    Raises:
        StorageError: the shard is gone, or they are damaged.
    """
    ends = index.descriptors_at + np.concatenate([[0], np.cumsum(index.descriptor_lengths, dtype=np.int64)])
    data = store.read(index.name, index.descriptors_at, int(ends[-1]))
    if zlib.crc32(data) != index.descriptors_crc32:
        raise StorageError("descriptors: CRC mismatch")
    starts = (ends - index.descriptors_at).tolist()
    return [data[start:end] for start, end in pairwise(starts)]


def _index(name: str, header: bytes, header_end: int, *, layout_1: bool) -> ShardIndex:
    fields: Any
    try:
        fields = msgpack.unpackb(header)
        sequences = np.array(typed(fields, "sequences", list), dtype=np.uint64)
        if layout_1 and isinstance(fields, dict):
            none = [0] * len(sequences)
            fields |= {"captured_at_ns": none, "model_versions": none, "descriptor_lengths": none}
            fields |= {"descriptors_crc32": zlib.crc32(b"")}
        lengths = np.array(typed(fields, "lengths", list), dtype=np.int64)
        crc32s = np.array(typed(fields, "crc32s", list), dtype=np.uint32)
        captured_at_ns = np.array(typed(fields, "captured_at_ns", list), dtype=np.int64)
        model_versions = np.array(typed(fields, "model_versions", list), dtype=np.int64)
        descriptor_lengths = np.array(typed(fields, "descriptor_lengths", list), dtype=np.uint16)
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise StorageError(f"header is damaged: {error}") from error
    lists = (sequences, lengths, crc32s, captured_at_ns, model_versions, descriptor_lengths)
    if len({len(one) for one in lists}) != 1 or not len(sequences) or (lengths < 0).any():
        raise StorageError("header is damaged: its lists differ in length, or are empty")
    records_at = header_end + int(descriptor_lengths.sum())
    return ShardIndex(
        name,
        typed(fields, "cell_id", str),
        sequences,
        records_at + np.concatenate([[0], np.cumsum(lengths)]),
        crc32s,
        captured_at_ns,
        model_versions,
        header_end,
        descriptor_lengths,
        typed(fields, "descriptors_crc32", int),
    )
