"""The learner's end of the stream: any frame of any cell by its index or its name, while the cells go on writing.

reader = StreamReader("runs/stream")              # or s3://bucket/stream
reader.refresh()
record = reader.read(random.randrange(len(reader)))
record = reader.read_by_id("cell0/00000017")
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s3k_dist.errors import ShardGoneError, StorageError, StoreAwayError
from s3k_dist.stream.frame_table import FrameTable
from s3k_dist.stream.record import StreamRecord, unpack_record
from s3k_dist.stream.shard import ShardIndex, first_sequence_of, read_index, read_packed
from s3k_dist.stream.store import StreamStore, open_store

LIST_EVERY_S = 2.0  # of a store that is not a folder: each look is a request


@dataclass(frozen=True)
class StreamStats:
    """What a reader knows of the stream.

    Attributes:
        frames: in all undamaged shards, each counted once.
        bytes: length of these shards.
        cells: frames of each cell.
    """

    frames: int
    bytes: int
    cells: dict[str, int]


class StreamReader:
    """Reads the stream at a path or URL; keeps the shards' indices in memory, and no frame.

    An index names the same frame for the life of the reader: new frames come after those that are known, also where
    retention moves a frame into another shard. Where retention dropped a frame, its index raises StorageError, and its
    memory is freed. Threads may read at the same time.

    Attributes:
        damaged: shards set aside, by path or URL, and why. One whose header is damaged, or which was cut short, is left
            out altogether; one with a damaged record keeps its other records. A reader moves and removes nothing.
    """

    def __init__(self, place: Path | str | StreamStore) -> None:
        self.store = open_store(place)
        self.damaged: dict[str, str] = {}
        self._table = FrameTable()
        self._unread: set[str] = set()  # shards that are damaged as a whole
        self._files: dict[str, int] = {}  # as last listed
        self._reported = 0
        self._listed_s = float("-inf")
        self._refreshing = threading.Lock()

    @property
    def root(self) -> str:
        """Where the stream is, for a person."""
        return self.store.url

    def refresh(self) -> int:
        """Look for new shards, and for those that went.

        Returns:
            The number of new frames.

        Raises:
            StorageError: the store cannot be listed.
        """
        with self._refreshing:
            if self.store.is_local or time.monotonic() - self._listed_s >= LIST_EVERY_S:
                self._look()
            new = len(self._table) - self._reported
            self._reported = len(self._table)
            return new

    def __len__(self) -> int:
        return len(self._table)

    def read(self, index: int) -> StreamRecord:
        """The record of frame ``index``, its images decoded; reads that record only.

        Raises:
            IndexError: there is no such frame.
            StorageError: its record is damaged, or it is gone; names the shard, as `damaged` does of a damaged one.
        """
        return self._unpacked(*self._packed_at(index))

    def read_by_id(self, frame_id: str) -> StreamRecord:
        """The record of the frame of this name, as `MultiViewFrame.frame_id` has it.

        Raises:
            StorageError: there is no such frame, or as `read`.
        """
        index = self.index_of(frame_id)
        if index is None:
            raise StorageError(f"frame {frame_id} is not in the stream at {self.root} ({self._table.count} frames)")
        return self.read(index)

    def read_packed(self, index: int) -> bytes:
        """The bytes of the record of frame ``index`` as `unpack_record` takes them, checked; raises as `read`."""
        return self._packed_at(index)[1]

    def index_of(self, frame_id: str) -> int | None:
        """The index of the frame of this name; None where the stream has none."""
        cell_id, _, number = frame_id.rpartition("/")
        return self._table.index_of(cell_id, int(number)) if number.isdecimal() else None

    def id_of(self, index: int) -> str:
        """The name of frame ``index``.

        Raises:
            IndexError: there is no such frame.
            StorageError: it is gone.
        """
        row = self._row(self._table, index)
        return self._table.frame_id(row)

    def frame_ids(self) -> list[str]:
        """The frames' names, in the order of their indices, without those that are gone."""
        table = self._table
        return [table.frame_id(row) for row in range(table.count)]

    def cells(self) -> list[str]:
        """The cells that have frames, by name."""
        return sorted(cell for cell, count in self._table.counts().items() if count)

    def of_cell(self, cell_id: str) -> np.ndarray:
        """Indices of a cell's frames in the order of their sequences, int64, shape (F,); empty for an unknown cell.

        The order does not depend on when this reader found which shard.
        """
        return self._table.of_cell(cell_id)

    def captured_at_ns(self, index: int) -> int:
        """When frame ``index`` was captured, without reading it; 0 in a shard of layout 1. Raises as `id_of`."""
        table = self._table
        shard, position = table.where(self._row(table, index))
        return int(shard.captured_at_ns[position])

    def shards(self) -> Iterator[ShardIndex]:
        """The shards that are known and undamaged."""
        yield from self._table.shards.values()

    def stats(self) -> StreamStats:
        """How much there is."""
        table = self._table
        return StreamStats(table.count, sum(shard.size_bytes for shard in table.shards.values()), table.counts())

    def _look(self) -> None:
        files = self.store.list()
        self._listed_s = time.monotonic()
        if files == self._files:
            return  # a learner looks at every step
        known = self._table.shards
        if known.keys() - files.keys():
            # A listing takes a while: it may have missed a new shard, and then the old one that this stands for. The
            # new one was there before the old one went, so a second listing has it.
            files = self.store.list()
        self._files = files
        listed = {name: size for name, size in files.items() if first_sequence_of(name) is not None}
        self._unread &= listed.keys()
        found, retry = [], False
        for name in sorted(listed.keys() - known.keys() - self._unread):
            try:
                found.append(read_index(self.store, name, listed[name]))
            except ShardGoneError:
                retry = True  # retention removed it at this moment; what it kept is in a shard of the next look
            except StoreAwayError:
                self._files = {}
                raise
            except StorageError as error:
                self._unread.add(name)
                self.damaged[self.store.where(name)] = str(error)
        gone = known.keys() - listed.keys()
        if found or gone:
            self._table = self._table.changed(found, gone)
        if retry:
            self._listed_s, self._files = float("-inf"), {}

    def _packed_at(self, index: int) -> tuple[ShardIndex, bytes]:
        table = self._table
        shard, position = table.where(self._row(table, index))
        try:
            return shard, read_packed(self.store, shard, position)
        except ShardGoneError as error:
            with self._refreshing:
                if self._table is table:
                    self._look()
            row = self._table.row_of(index)
            moved, position = (shard, 0) if row is None else self._table.where(row)
            if moved is shard:
                raise self._noted(shard, error) from error
        except StorageError as error:
            raise self._noted(shard, error) from error
        try:  # retention has moved the frame
            return moved, read_packed(self.store, moved, position)
        except StorageError as error:
            raise self._noted(moved, error) from error

    def _unpacked(self, shard: ShardIndex, data: bytes) -> StreamRecord:
        try:
            return unpack_record(data)
        except StorageError as error:
            raise self._noted(shard, error) from error

    def _noted(self, shard: ShardIndex, error: StorageError) -> StorageError:
        where = self.store.where(shard.name)
        if not isinstance(error, ShardGoneError | StoreAwayError):
            self.damaged[where] = str(error)
        return type(error)(f"{where}: {error}")

    def _row(self, table: FrameTable, index: int) -> int:
        if not 0 <= index < len(table):
            raise IndexError(f"frame {index} of a stream of {len(table)}")
        row = table.row_of(index)
        if row is None:
            raise ShardGoneError(f"frame {index} is no longer in the stream at {self.root}")
        return row
