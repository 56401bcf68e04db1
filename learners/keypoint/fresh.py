"""The newest frames of the stream, in short runs: what two models are compared on without labels."""

from collections.abc import Sequence

import numpy as np

from s3k_dist.errors import FrameError, StorageError
from s3k_dist.frames import MultiViewFrame
from s3k_dist.stream.reader import StreamReader

RUN_FRAMES = 3  # the fewest that show a keypoint shake
NEWEST_FRAMES = 600  # of all cells: 75 s of two at 4 Hz


def fresh_runs(reader: StreamReader, count: int, size_px: int) -> list[tuple[MultiViewFrame, ...]]:
    """Runs of consecutive frames of one cell, evenly over the newest of the stream.

    Args:
        reader: the stream.
        count: runs, at most; fewer where the stream is short or damaged.
        size_px: side of the images that the model takes; frames of another size are passed over.
    """
    first = max(0, len(reader) - NEWEST_FRAMES)
    starts = np.unique(np.linspace(first, max(first, len(reader) - RUN_FRAMES), count).astype(int))
    runs: list[tuple[MultiViewFrame, ...]] = []
    for start in starts:
        try:
            run = tuple(reader.read(int(start) + i).frame for i in range(RUN_FRAMES))
        except (StorageError, FrameError, IndexError):
            continue
        if _in_a_row(run) and _alike(run, size_px, runs):
            runs.append(run)
    return runs


def _in_a_row(run: Sequence[MultiViewFrame]) -> bool:
    return len({(frame.cell_id, frame.sequence - i) for i, frame in enumerate(run)}) == 1


def _alike(run: Sequence[MultiViewFrame], size_px: int, before: Sequence[Sequence[MultiViewFrame]]) -> bool:
    """Whether all frames have as many views, two or more, of the model's size."""
    views = len(before[0][0].views) if before else len(run[0].views)
    sizes = {view.image.shape[:2] for frame in run for view in frame.views}
    return views >= 2 and {len(frame.views) for frame in run} == {views} and sizes == {(size_px, size_px)}
