"""Which frame lies where: the frames of all shards that a reader knows, each once, under an index that stays."""

from collections.abc import Iterable, Set
from functools import cached_property

import numpy as np

from s3k_dist.stream.shard import ShardIndex


class FrameTable:
    """Immutable; `changed` makes the next one. About 60 bytes of memory a frame, the shards' indices included.

    Attributes:
        shards: by name.
    """

    def __init__(self) -> None:
        self.shards: dict[str, ShardIndex] = {}
        self._end = 0  # the next index that is free
        self._cells: list[str] = []
        self._names: list[str] = []  # of shards, by the number that rows have
        # One row a frame, in the order of indices.
        self._index = np.zeros(0, np.int64)
        self._cell = np.zeros(0, np.int32)
        self._sequence = np.zeros(0, np.uint64)
        self._shard = np.zeros(0, np.int32)
        self._position = np.zeros(0, np.int32)

    def __len__(self) -> int:
        return self._end

    @property
    def count(self) -> int:
        """Frames that are there."""
        return len(self._index)

    def changed(self, found: Iterable[ShardIndex], gone: Set[str]) -> "FrameTable":
        """The table after some shards came and some went.

        A frame that is known keeps its index where another shard has it, too. The new ones are numbered in the order of
        ``found``.
        """
        after = FrameTable()
        after.shards = {name: shard for name, shard in self.shards.items() if name not in gone}
        found = list(found)
        after.shards |= {shard.name: shard for shard in found}
        after._names = list(after.shards)
        after._cells = sorted({shard.cell_id for shard in after.shards.values()})
        if not after._names:
            after._end = self._end
            return after
        cell_of = {cell: number for number, cell in enumerate(after._cells)}
        lengths = [len(shard) for shard in after.shards.values()]
        cells = np.repeat([cell_of[shard.cell_id] for shard in after.shards.values()], lengths).astype(np.int32)
        sequences = np.concatenate([shard.sequences for shard in after.shards.values()])
        shards = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        positions = np.concatenate([np.arange(length, dtype=np.int32) for length in lengths])
        # Of a frame in several shards, the one that was found last: the others are about to be removed.
        order = np.lexsort((-shards, sequences, cells))
        first = np.ones(len(order), bool)
        first[1:] = (cells[order][1:] != cells[order][:-1]) | (sequences[order][1:] != sequences[order][:-1])
        rows = order[first]
        index = np.full(len(rows), -1, np.int64)
        for cell, number in cell_of.items():
            mine = np.flatnonzero(cells[rows] == number)
            known, at = self._find(cell, sequences[rows[mine]])
            index[mine[known]] = self._index[at]
        new = np.flatnonzero(index < 0)
        new = new[np.lexsort((positions[rows[new]], shards[rows[new]]))]
        index[new] = self._end + np.arange(len(new))
        by_index = np.argsort(index)
        rows = rows[by_index]
        after._end = self._end + len(new)
        after._index, after._cell, after._sequence = index[by_index], cells[rows], sequences[rows]
        after._shard, after._position = shards[rows], positions[rows]
        return after

    def row_of(self, index: int) -> int | None:
        """The row of an index; None where the frame is gone."""
        row = int(np.searchsorted(self._index, index))
        return row if row < len(self._index) and self._index[row] == index else None

    def where(self, row: int) -> tuple[ShardIndex, int]:
        """The shard that has a row's frame, and the frame's position in it."""
        return self.shards[self._names[self._shard[row]]], int(self._position[row])

    def frame_id(self, row: int) -> str:
        """As `MultiViewFrame.frame_id` has it."""
        return f"{self._cells[self._cell[row]]}/{int(self._sequence[row]):08d}"

    def index_of(self, cell_id: str, sequence: int) -> int | None:
        """The index of a frame; None where it is not known."""
        if not 0 <= sequence < 2**64:
            return None
        _, rows = self._find(cell_id, np.array([sequence], np.uint64))
        return int(self._index[rows[0]]) if len(rows) else None

    def of_cell(self, cell_id: str) -> np.ndarray:
        """Indices of a cell's frames by sequence, int64, shape (F,)."""
        return self._index[self._rows_of.get(cell_id, np.zeros(0, np.int64))]

    def counts(self) -> dict[str, int]:
        """Frames of each cell."""
        return {cell: len(rows) for cell, rows in self._rows_of.items()}

    @cached_property
    def _rows_of(self) -> dict[str, np.ndarray]:
        """The rows of each cell by sequence."""
        order = np.lexsort((self._sequence, self._cell))
        bounds = np.searchsorted(self._cell[order], np.arange(len(self._cells) + 1))
        return {cell: order[bounds[number] : bounds[number + 1]] for number, cell in enumerate(self._cells)}

    def _find(self, cell_id: str, sequences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of some sequences are known, bool, and the rows of those that are."""
        rows = self._rows_of.get(cell_id, np.zeros(0, np.int64))
        if not len(rows):
            return np.zeros(len(sequences), bool), rows
        at = np.minimum(np.searchsorted(self._sequence[rows], sequences), len(rows) - 1)
        known = self._sequence[rows[at]] == sequences
        return known, rows[at[known]]
