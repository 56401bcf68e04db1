"""A cell's end of the stream: frames in, immutable shards out.

    with StreamWriter("runs/stream", "sim0") as writer:
        writer.append(StreamRecord(frame, episode_id="sim0-17", step=3, model_version=2))

    settings = WriterSettings(flush_after_s=10, spool=Path("/var/spool/s3k"))
    with settings.open("s3://bucket/stream", "sim0") as writer:
        ...

Layout: ``<store>/<cell_id>/<first sequence>-<number of records>.s3k``; `shard.py` says what lies in a file.
"""

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from s3k_dist.errors import ConfigError, StorageError, StoreAwayError
from s3k_dist.file_lock import acquire_lock
from s3k_dist.folders import make_folder
from s3k_dist.images import Encoding
from s3k_dist.stream.descriptor import describe
from s3k_dist.stream.folder_store import FolderStore
from s3k_dist.stream.record import StreamRecord, pack_record
from s3k_dist.stream.shard import SUFFIX, PackedRecord, end_of_shard, first_sequence_of, pack_shard, shard_name
from s3k_dist.stream.spool import SPOOL_BYTES, Spool
from s3k_dist.stream.store import StreamStore, open_store

SHARD_FRAMES = 64  # 16 s of a 4 Hz cell: what a crash may take, where nobody calls flush()
SHARD_BYTES = 32 * 1024 * 1024  # bounds the memory where frames are large
LOCK_NAME = ".lock"
LOCK_TIMEOUT_S = 1.0
DRAIN_S = 10.0  # for the last shards to reach the store when a writer closes; the next writer goes on with the rest


@dataclass(frozen=True)
class WriterSettings:
    """How a cell writes.

    Attributes:
        shard_frames: frames in a shard, at most.
        shard_bytes: of packed frames that wait in memory, about at most.
        flush_after_s: a frame waits no longer than about this in memory; None waits for a full shard or a flush.
        encoding: how images are stored; PNG is lossless.
        spool: folder of this machine where shards wait for a store that is not a folder; needed for one, and used
            for a folder, too, where it is given.
        spool_bytes: of the shards that wait there.
    """

    shard_frames: int = SHARD_FRAMES
    shard_bytes: int = SHARD_BYTES
    flush_after_s: float | None = None
    encoding: Encoding = Encoding.PNG
    spool: Path | None = None
    spool_bytes: int = SPOOL_BYTES

    def open(self, place: Path | str | StreamStore, cell_id: str) -> "StreamWriter":
        """A writer with these settings; raises as `StreamWriter` does."""
        return StreamWriter(
            place,
            cell_id,
            self.shard_frames,
            self.encoding,
            shard_bytes=self.shard_bytes,
            flush_after_s=self.flush_after_s,
            spool=self.spool,
            spool_bytes=self.spool_bytes,
        )


class StreamWriter:
    """Writes the frames of one cell.

    Guarantee: a frame is acknowledged when a `flush` after its `append` returns, or when `acknowledged` has passed its
    sequence. An acknowledged frame survives a kill -9 and a power loss, and, with a spool, any absence of the store:
    its shard is synced in the store's folder, or in the spool until the store has it in full. A crash loses the frames
    appended since the last flush, at most ``shard_frames`` of them, and never leaves a shard half-written.

    A full shard is flushed by the next `append`; one older than ``flush_after_s`` by a thread, also where no further
    frame comes. Where a flush fails, the frames stay in memory for another try and, once the shard is full, further
    ones are refused: SpoolFullError where the store was away for too long.

    One writer at a time writes for a cell; a lock, which a dead process cannot hold, sees to that on one machine. A
    restarted writer continues after what is there, and uploads what the last one left in the spool. A cell has one
    spool: moved to another machine, it takes its spool along, or leaves it empty.

    Args:
        place: of the stream: a folder, a URL or a store.
        cell_id: the cell whose frames these are; also the name of its folder.
        shard_frames: for this and what follows see `WriterSettings`.

    Raises:
        ConfigError: the store is not a folder, and there is no spool.
        StorageError: the folder cannot be written, ``cell_id`` is no folder name, another writer is at work, or the
            store is away and the spool is new, so that nobody knows where the cell's sequence goes on.
    """

    def __init__(
        self,
        place: Path | str | StreamStore,
        cell_id: str,
        shard_frames: int = SHARD_FRAMES,
        encoding: Encoding = Encoding.PNG,
        *,
        shard_bytes: int = SHARD_BYTES,
        flush_after_s: float | None = None,
        spool: Path | None = None,
        spool_bytes: int = SPOOL_BYTES,
    ) -> None:
        if not cell_id or cell_id.startswith(".") or "/" in cell_id or "\0" in cell_id:
            raise StorageError(f"cell_id {cell_id!r} cannot name a folder")
        self.store = open_store(place)
        if spool is None and not isinstance(self.store, FolderStore):
            raise ConfigError(f"the stream at {self.store.url} needs a spool: a folder of this machine for the shards")
        self._cell_id = cell_id
        self._shard_frames = shard_frames
        self._shard_bytes = shard_bytes
        self._flush_after_s = flush_after_s
        self._encoding = encoding
        self._records: list[PackedRecord] = []
        self._buffered_bytes = 0
        self._oldest_s = 0.0
        self._mutex = threading.RLock()
        self._closing = threading.Event()
        self._ageing: threading.Thread | None = None
        folder = (spool or Path(self.store.url)) / cell_id
        make_folder(folder)
        self._lock: int | None = acquire_lock(folder / LOCK_NAME, LOCK_TIMEOUT_S)
        try:
            # Under the lock, so files left aside by dead writers go.
            for abandoned in folder.glob(f".*{SUFFIX}.*.tmp"):
                abandoned.unlink(missing_ok=True)
            self.spool = None if spool is None else Spool(spool, self.store, cell_id, spool_bytes)
            self._next_sequence = _next_sequence(self.store, cell_id, self.spool)
        except BaseException:
            self._release()
            raise
        self._acknowledged = self._next_sequence
        if self.spool is not None:
            self.spool.start()

    @property
    def next_sequence(self) -> int:
        """The least sequence that is free: where a restarted cell continues to count."""
        return self._next_sequence

    @property
    def acknowledged(self) -> int:
        """Every frame that was taken with a sequence below this one is safe."""
        return self._acknowledged

    def append(self, record: StreamRecord) -> None:
        """Take a frame, after flushing the shard if that is full.

        Raises:
            SpoolFullError: the store is away, and the spool and the shard in memory are full.
            StorageError: the frame is of another cell, its sequence is not above all before it, the writer is closed,
                or the full shard cannot be written. The frame is not taken then; those taken before are kept for
                another try.
        """
        frame = record.frame
        with self._mutex:
            if self._lock is None:
                raise StorageError(f"the stream writer of cell {self._cell_id!r} is closed")
            if frame.cell_id != self._cell_id:
                raise StorageError(f"frame {frame.frame_id} in the stream of cell {self._cell_id!r}")
            if frame.sequence < self._next_sequence:
                free = f"the next free one is {self._next_sequence}"
                raise StorageError(f"frame {frame.frame_id}: its sequence is taken or passed; {free}")
            if len(self._records) >= self._shard_frames or self._buffered_bytes >= self._shard_bytes:
                self.flush()
            packed = packed_record(record, self._encoding)
            if not self._records:
                self._oldest_s = time.monotonic()
            self._records.append(packed)
            self._buffered_bytes += len(packed.data)
            self._next_sequence = frame.sequence + 1
            if self._flush_after_s is not None and self._ageing is None:
                self._ageing = threading.Thread(target=self._flush_by_age, name=f"age-{self._cell_id}", daemon=True)
                self._ageing.start()

    def flush(self) -> None:
        """Write what was appended; all of it is acknowledged when this returns.

        Raises:
            SpoolFullError: the store is away, and the spool is full; the frames are kept for another try.
            StorageError: the disk is full or the folder is read-only; the frames are kept for another try.
        """
        with self._mutex:
            if not self._records:
                return
            file = shard_name(self._records[0].sequence, len(self._records))
            data = pack_shard(self._cell_id, self._records)
            if self.spool is not None:
                self.spool.take(file, data)
            else:
                name = f"{self._cell_id}/{file}"
                if self.store.size(name) is not None:
                    raise StorageError(f"{self.store.where(name)} is there already; a shard is never written over")
                self.store.put(name, data)
            self._records, self._buffered_bytes = [], 0
            self._acknowledged = self._next_sequence

    def publish(self, wait_s: float = DRAIN_S) -> bool:
        """Flush, and wait at most ``wait_s`` seconds until every reader can see what was appended.

        Returns:
            Whether they can; with False it is safe all the same, and follows when the store takes it.

        Raises:
            StorageError: as `flush`.
        """
        self.flush()
        return self.spool is None or self.spool.drain(wait_s)

    def close(self, drain_s: float = DRAIN_S) -> None:
        """Flush and let another writer take over; closing twice does nothing.

        Args:
            drain_s: how long to wait for the store to empty the spool; what is left waits for the next writer.
        """
        with self._mutex:
            if self._lock is None:
                return
            try:
                self.flush()
            finally:
                self._closing.set()
                if self.spool is not None:
                    self.spool.stop(drain_s)
                self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _flush_by_age(self) -> None:
        assert self._flush_after_s is not None
        pause_s = min(1.0, self._flush_after_s / 4)
        while not self._closing.wait(pause_s):
            with self._mutex:
                if self._records and time.monotonic() - self._oldest_s >= self._flush_after_s:
                    try:
                        self.flush()
                    except StorageError:
                        # Whoever appends or flushes next is told; until then the frames are tried again.
                        self._oldest_s = time.monotonic()

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def packed_record(record: StreamRecord, encoding: Encoding) -> PackedRecord:
    """A record ready for a shard; raises as `pack_record` does."""
    frame = record.frame
    # The header's numbers are hints for retention and sampling; the record has them exactly.
    captured_at_ns = min(max(frame.captured_at_ns, 0), 2**63 - 1)
    model_version = min(max(record.model_version, 0), 2**63 - 1)
    return PackedRecord(frame.sequence, captured_at_ns, model_version, pack_record(record, encoding), describe(frame))


def _next_sequence(store: StreamStore, cell_id: str, spool: Spool | None) -> int:
    """One above the last frame of a cell, in the store, set aside there, or on its way."""
    if spool is None:
        return _end_in_store(store, cell_id)
    known = spool.next_sequence()
    try:
        in_store = _end_in_store(store, cell_id)
    except StoreAwayError as error:
        if known is None:
            raise StorageError(
                f"cell {cell_id!r} cannot begin: its spool {spool.folder} is new, and the store is away: {error}"
            ) from error
        in_store = known
    spool.note_next(in_store)
    waiting = (end_of_shard(FolderStore(spool.folder.parent), f"{cell_id}/{path.name}") for path in spool.waiting())
    return max(in_store, known or 0, *waiting, 0)


def _end_in_store(store: StreamStore, cell_id: str) -> int:
    names = [name for name in store.list() if name.startswith(f"{cell_id}/")]
    shards = [(first, name) for name in names if (first := first_sequence_of(name)) is not None]
    aside = [end_of_shard(store, name) for name in names if first_sequence_of(name) is None]
    # Shards of one cell do not overlap, but for those that retention packed, which never hold the newest frames.
    return max([end_of_shard(store, max(shards)[1]) if shards else 0, *aside])
