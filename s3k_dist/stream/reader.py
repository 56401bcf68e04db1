"""The learner's end of the stream: any frame of any cell by its index, while the cells go on writing.

reader = StreamReader(Path("runs/stream"))
reader.refresh()
record = reader.read(random.randrange(len(reader)))
"""

from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s3k_dist.errors import StorageError
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.shard import SUFFIX, ShardIndex, first_sequence_of, read_index, read_record


@dataclass(frozen=True)
class StreamStats:
    """What a reader knows of the stream.

    Attributes:
        frames: in all undamaged shards.
        bytes: length of these shards.
        cells: frames of each cell.
    """

    frames: int
    bytes: int
    cells: dict[str, int]


class StreamReader:
    """Reads the stream under ``root``; keeps the shards' indices in memory, and no frame.

    An index names the same frame for the life of the reader: new shards come after those that are known.

    Attributes:
        damaged: shards set aside, and why. One whose header is damaged, or which was cut short, is left out altogether;
            one with a damaged record keeps its other records.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.damaged: dict[Path, str] = {}
        self._shards: list[ShardIndex] = []
        self._ends: list[int] = []  # frames in all shards up to and with this one
        self._known: set[Path] = set()

    def refresh(self) -> int:
        """Look for new shards.

        Returns:
            The number of new frames.
        """
        before = len(self)
        found = [path for path in self.root.glob(f"*/*{SUFFIX}") if first_sequence_of(path) is not None]
        for path in sorted(path for path in found if path not in self._known):
            self._known.add(path)
            try:
                shard = read_index(path)
            except StorageError as error:
                self.damaged[path] = str(error)
                continue
            self._shards.append(shard)
            self._ends.append(len(self) + len(shard))
        return len(self) - before

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def read(self, index: int) -> StreamRecord:
        """The record of frame ``index``, its images decoded; reads that record only.

        Raises:
            IndexError: there is no such frame.
            StorageError: its record is damaged, or its shard is gone; names the file, as `damaged` does from then on.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of a stream of {len(self)}")
        at = bisect_right(self._ends, index)
        shard = self._shards[at]
        try:
            return read_record(shard, index - (self._ends[at] - len(shard)))
        except StorageError as error:
            self.damaged[shard.path] = str(error)
            raise StorageError(f"{shard.path}: {error}") from error

    def read_by_id(self, frame_id: str) -> StreamRecord:
        """The record of the frame of this name (`MultiViewFrame.frame_id`), its images decoded.

        Raises:
            StorageError: there is no such frame, or its record is damaged.
        """
        cell_id, _, sequence = frame_id.rpartition("/")
        for at, shard in enumerate(self._shards):
            if shard.cell_id == cell_id and sequence.isdecimal():
                position = int(np.searchsorted(shard.sequences, np.uint64(sequence)))
                if position < len(shard) and int(shard.sequences[position]) == int(sequence):
                    return self.read(self._ends[at] - len(shard) + position)
        raise StorageError(f"frame {frame_id} is not in the stream at {self.root} ({len(self)} frames)")

    def frame_ids(self) -> list[str]:
        """The frames' names, as `MultiViewFrame.frame_id` has them, in the order of their indices."""
        return [f"{shard.cell_id}/{sequence:08d}" for shard in self._shards for sequence in shard.sequences.tolist()]

    def stats(self) -> StreamStats:
        """How much there is."""
        cells: dict[str, int] = {}
        for shard in self._shards:
            cells[shard.cell_id] = cells.get(shard.cell_id, 0) + len(shard)
        return StreamStats(len(self), sum(shard.size_bytes for shard in self._shards), cells)
