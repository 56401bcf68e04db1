"""Frames to write and read: what the cells of a laptop run see."""

from collections.abc import Iterator

import numpy as np

from actors.sim.cell import CableCell, CableCellSpec
from s3k_dist.frames import MultiViewFrame
from s3k_dist.stream.record import StreamRecord

EPISODE_STEPS = 20


def cell_frames(count: int, image_px: int) -> list[MultiViewFrame]:
    """Frames of the simulated cable cell under random motion."""
    cell = CableCell(CableCellSpec(image_px=image_px))
    rng = np.random.default_rng(0)
    frames: list[MultiViewFrame] = []
    while len(frames) < count:
        frames.append(cell.reset(len(frames)).frame)
        for _ in range(min(EPISODE_STEPS, count - len(frames))):
            cell.command(rng.uniform(-1, 1, 6) * cell.twist_limit)
            frames.append(cell.observe().frame)
    return frames


def records(frames: list[MultiViewFrame], cell_id: str) -> Iterator[StreamRecord]:
    """The frames as records of a cell, numbered from 0."""
    for sequence, frame in enumerate(frames):
        mine = MultiViewFrame(cell_id, sequence, frame.captured_at_ns + sequence, frame.views)
        yield StreamRecord(mine, f"{cell_id}-{sequence // EPISODE_STEPS}", sequence % EPISODE_STEPS, 1)
