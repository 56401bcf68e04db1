"""A cell's end of the stream: frames in, immutable shards out.

    with StreamWriter(Path("runs/stream"), "sim0") as writer:
        writer.append(StreamRecord(frame, episode_id="sim0-17", step=3, model_version=2))

Layout: ``<root>/<cell_id>/<first sequence>-<number of records>.s3k``; `shard.py` says what lies in a file.
"""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from s3k_dist.atomic import write_atomic
from s3k_dist.errors import StorageError
from s3k_dist.file_lock import acquire_lock
from s3k_dist.folders import make_folder
from s3k_dist.images import Encoding
from s3k_dist.stream.record import StreamRecord, pack_record
from s3k_dist.stream.shard import SUFFIX, first_sequence_of, pack_shard, read_index, shard_name

SHARD_FRAMES = 64  # 16 s of a 4 Hz cell: what a crash may take, where nobody calls flush()
SHARD_BYTES = 32 * 1024 * 1024  # bounds the memory where frames are large
LOCK_NAME = ".lock"
LOCK_TIMEOUT_S = 1.0


class StreamWriter:
    """Writes the frames of one cell.

    Guarantee: a frame is acknowledged when a `flush` after its `append` returns, and an acknowledged frame survives a
    kill -9 and a power loss. A full shard is flushed by the next `append`. A crash loses the frames appended since the
    last flush, at most ``shard_frames`` of them, and never leaves a shard half-written.

    One writer at a time writes for a cell; a lock, which a dead process cannot hold, sees to that. A restarted writer
    continues after what is there.

    Args:
        root: folder of the stream.
        cell_id: the cell whose frames these are; also the name of its folder.
        shard_frames: frames in a shard, at most.
        encoding: how images are stored; PNG is lossless.

    Raises:
        StorageError: the folder cannot be written, ``cell_id`` is no folder name, or another writer is at work.
    """

    def __init__(
        self, root: Path, cell_id: str, shard_frames: int = SHARD_FRAMES, encoding: Encoding = Encoding.PNG
    ) -> None:
        if not cell_id or cell_id.startswith(".") or "/" in cell_id or "\0" in cell_id:
            raise StorageError(f"cell_id {cell_id!r} cannot name a folder")
        self.folder = Path(root) / cell_id
        self._cell_id = cell_id
        self._shard_frames = shard_frames
        self._encoding = encoding
        self._sequences: list[int] = []
        self._records: list[bytes] = []
        self._buffered_bytes = 0
        make_folder(self.folder)
        self._lock: int | None = acquire_lock(self.folder / LOCK_NAME, LOCK_TIMEOUT_S)
        try:
            self._next_sequence = _next_sequence(self.folder)
        except BaseException:
            self._release()
            raise

    @property
    def next_sequence(self) -> int:
        """The least sequence that is free: where a restarted cell continues to count."""
        return self._next_sequence

    def append(self, record: StreamRecord) -> None:
        """Take a frame, after flushing the shard if that is full.

        Raises:
            StorageError: the frame is of another cell, its sequence is not above all before it, the writer is closed,
                or the full shard cannot be written. The frame is not taken then; those taken before are kept for
                another try.
        """
        if self._lock is None:
            raise StorageError(f"the stream writer of cell {self._cell_id!r} is closed")
        frame = record.frame
        if frame.cell_id != self._cell_id:
            raise StorageError(f"frame {frame.frame_id} in the stream of cell {self._cell_id!r}")
        if frame.sequence < self._next_sequence:
            raise StorageError(
                f"frame {frame.frame_id}: its sequence is taken or passed; the next free one is {self._next_sequence}"
            )
        if self._full:
            self.flush()
        packed = pack_record(record, self._encoding)
        self._sequences.append(frame.sequence)
        self._records.append(packed)
        self._buffered_bytes += len(packed)
        self._next_sequence = frame.sequence + 1

    def flush(self) -> None:
        """Write what was appended; all of it is acknowledged when this returns.

        Raises:
            StorageError: the disk is full or the folder is read-only; the frames are kept for another try.
        """
        if not self._records:
            return
        path = self.folder / shard_name(self._sequences[0], len(self._records))
        if path.exists():
            raise StorageError(f"{path} is there already; a shard is never written over")
        write_atomic(path, pack_shard(self._cell_id, self._sequences, self._records))
        self._sequences, self._records, self._buffered_bytes = [], [], 0

    def close(self) -> None:
        """Flush and let another writer take over; closing twice does nothing."""
        if self._lock is not None:
            try:
                self.flush()
            finally:
                self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _full(self) -> bool:
        return len(self._records) >= self._shard_frames or self._buffered_bytes >= SHARD_BYTES

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _next_sequence(folder: Path) -> int:
    """One above the last frame in ``folder``. Under the writer's lock, so files left aside by dead writers go, too."""
    for abandoned in folder.glob(f".*{SUFFIX}.*.tmp"):
        abandoned.unlink(missing_ok=True)
    shards = [(first, path) for path in folder.glob(f"*{SUFFIX}") if (first := first_sequence_of(path)) is not None]
    if not shards:
        return 0
    first, last = max(shards)
    try:
        return int(read_index(last).sequences[-1]) + 1
    except StorageError:
        # A damaged shard still says by its name where it began and how many frames it had.
        return first + int(last.stem.partition("-")[2])
