"""Frames to train on: fresh ones and past ones, of all cells alike, read and decoded ahead in threads.

with StreamSampler(reader, SamplerConfig(batch=16), seed=0) as sampler:
    for _ in range(steps):
        records = sampler.next()
        ...
    state = sampler.state_dict()            # and load_state_dict(state) to go on after a restart
"""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from s3k_dist.errors import StorageError, StoreAwayError
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.record import StreamRecord, unpack_record

REDRAWS = 8  # of a frame that is damaged or gone
READ_S = 300.0  # for a batch: longer than a store's own deadline for each frame, as long as it answers at all


@dataclass(frozen=True)
class SamplerConfig:
    """What a batch is made of.

    Attributes:
        batch: frames.
        fresh_share: of the frames of a batch, drawn from the newest of their cell; the others from all before.
        fresh_frames: of a cell count as fresh.
        threads: that read and decode.
        ahead: batches that are read before they are asked for; with the one in use, the bound of the memory.
        refresh_every: batches between two looks for new frames.
    """

    batch: int = 16
    fresh_share: float = 0.5
    fresh_frames: int = 1000
    threads: int = 2
    ahead: int = 4
    refresh_every: int = 16


def draw(reader: StreamReader, config: SamplerConfig, rng: np.random.Generator) -> np.ndarray:
    """Indices of a batch, with replacement, int64, shape (batch,).

    Each cell gives as many frames as any other, or one more. The draw depends on ``rng`` and on which frames the stream
    has, not on when the reader found them.

    Raises:
        StorageError: the stream is empty.
    """
    cells = reader.cells()
    if not cells:
        raise StorageError(f"the stream at {reader.root} holds no frames to draw from")
    turns = rng.permutation(len(cells))
    fresh = rng.permutation(config.batch) < round(config.fresh_share * config.batch)
    chances = rng.random(config.batch)
    drawn = np.empty(config.batch, np.int64)
    for turn, cell in enumerate(turns):
        frames = reader.of_cell(cells[cell])
        border = max(0, len(frames) - config.fresh_frames)
        for at in range(turn, config.batch, len(cells)):
            # A cell without a past gives fresh frames only.
            start, end = (border, len(frames)) if fresh[at] or border == 0 else (0, border)
            drawn[at] = frames[start + int(chances[at] * (end - start))]
    return drawn


def choose(reader: StreamReader, since: int, count: int, rng: np.random.Generator) -> list[int]:
    """Frames of a backlog that is too long to be read as a whole: of each cell as many, half of them its newest.

    Args:
        reader: the stream.
        since: frames from this index on.
        count: about so many, without repetition.
        rng: decides which of the older ones.

    Returns:
        Indices, increasing.
    """
    chosen: list[int] = []
    cells = [frames[frames >= since] for frames in map(reader.of_cell, reader.cells())]
    cells = sorted((frames for frames in cells if len(frames)), key=len)
    for number, frames in enumerate(cells):
        share = (count - len(chosen)) // (len(cells) - number)  # what a small cell leaves goes to the larger ones
        newest = min(len(frames), (share + 1) // 2)
        older = frames[: len(frames) - newest]
        picks = rng.permutation(len(older))[: share - newest]
        chosen += [*older[picks].tolist(), *frames[len(frames) - newest :].tolist()]
    return sorted(chosen)


class _Reads:
    """Reads a drawn frame, or another in its place; what is skipped is counted."""

    def __init__(self, reader: StreamReader, config: SamplerConfig) -> None:
        self._reader = reader
        self._one = SamplerConfig(batch=1, fresh_share=config.fresh_share, fresh_frames=config.fresh_frames)

    def __call__(self, drawn: Sequence[tuple[int, int]], seed: tuple[int, int]) -> list[StreamRecord]:
        """The records of some of a batch's frames, each given by its position in the batch and its index."""
        return [self._read(index, (*seed, at)) for at, index in drawn]

    def _read(self, index: int, seed: tuple[int, ...]) -> StreamRecord:
        for attempt in range(REDRAWS):
            try:
                return unpack_record(self._reader.read_packed(index))
            except StoreAwayError:
                raise
            except StorageError:
                pass  # gone, or damaged: the reader keeps the shard's name and the reason
            index = int(draw(self._reader, self._one, np.random.default_rng((*seed, attempt)))[0])
        raise StorageError(f"{REDRAWS} frames in a row of the stream at {self._reader.root} are damaged or gone")


class StreamSampler:
    """Draws batches for ever. For a stream that does not change, the seed decides every batch, whatever the threads do.

    Batch k is drawn from the seed and k alone, so that its state is two numbers; a sampler that goes on from them draws
    what the old one would have drawn. In a stream that grows, the draws are of the frames known at the time.

    Frames that are damaged or that retention took are replaced by others. A store that is away raises from `next`; the
    batch is drawn again by the next call.

    Args:
        reader: the stream; the sampler refreshes it.
        config: what a batch is made of.
        seed: decides the draws.
    """

    def __init__(self, reader: StreamReader, config: SamplerConfig, seed: int) -> None:
        self._reader = reader
        self._config = config
        self._seed = seed
        self._batch = 0  # the next to be handed out
        self._ahead: deque[tuple[int, list[Future[list[StreamRecord]]]]] = deque()
        self._reads = _Reads(reader, config)
        self._threads = ThreadPoolExecutor(config.threads, thread_name_prefix="sampler")
        self._refreshed: int | None = None

    def next(self) -> list[StreamRecord]:
        """The next batch, decoded.

        Raises:
            StorageError: the stream is empty, nearly all of it is damaged, or its store is away.
        """
        try:
            self._fill()
        except StorageError:
            if not self._ahead:
                raise  # else what was read ahead is good
        number, reads = self._ahead.popleft()
        try:
            records = [record for read in reads for record in read.result(READ_S)]
        except BaseException:
            self._drop()
            raise
        self._batch = number + 1
        with suppress(StorageError):  # the next call will say so
            self._fill()
        return records

    def state_dict(self) -> dict[str, int]:
        """Where the sampler is."""
        return {"seed": self._seed, "batch": self._batch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from `state_dict`."""
        self._drop()
        self._seed, self._batch = int(state["seed"]), int(state["batch"])

    def close(self) -> None:
        """Stop the threads; what they have read is dropped."""
        self._drop()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _fill(self) -> None:
        while len(self._ahead) < self._config.ahead:
            number = self._ahead[-1][0] + 1 if self._ahead else self._batch
            turn = number // self._config.refresh_every
            if turn != self._refreshed:
                self._reader.refresh()
                self._refreshed = turn
            drawn = draw(self._reader, self._config, np.random.default_rng((self._seed, number)))
            # A part of the batch for each thread: less to hand over than single frames.
            frames = list(enumerate(drawn.tolist()))
            part = -(-len(frames) // self._config.threads)
            reads = [
                self._threads.submit(self._reads, frames[start : start + part], (self._seed, number))
                for start in range(0, len(frames), part)
            ]
            self._ahead.append((number, reads))

    def _drop(self) -> None:
        for _, reads in self._ahead:
            for read in reads:
                read.cancel()
        self._ahead.clear()
