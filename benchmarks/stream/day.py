"""A day of cells at work, replayed fast: does the memory stay flat, does the store stay within its budget?"""

import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.geometry.camera import Camera
from s3k_dist.images import Encoding
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.retention import Retention
from s3k_dist.stream.retention_plan import RetentionPolicy
from s3k_dist.stream.sampler import SamplerConfig, StreamSampler
from s3k_dist.stream.writer import StreamWriter

RATE_HZ = 4
BEGIN_NS = 1_800_000_000_000_000_000
VIEWS = 2
PRUNE_EVERY_S = 1800
BATCH_EVERY_FRAMES = 64
STILL_HOURS = (0, 1, 2, 3, 12)  # of each day: nobody is there, or lunch
LABELLED = 50


@dataclass(frozen=True)
class Moment:
    """After so many hours.

    Attributes:
        hours: simulated.
        frames_written: so far, over all cells.
        frames_kept: in the stream.
        mb_written: so far.
        mb_stored: in the stream, just before retention.
        mb_kept: just after.
        rss_mb: of this process: writers, reader, sampler and retention.
        prune_s: that the pass took.
    """

    hours: float
    frames_written: int
    frames_kept: int
    mb_written: float
    mb_stored: float
    mb_kept: float
    rss_mb: float
    prune_s: float


@dataclass(frozen=True)
class Day:
    """What came of it.

    Attributes:
        cells: side by side.
        image_px: side of the images.
        budget_mb: of each cell.
        moments: one for each pass of retention.
        batches: that the sampler gave.
        labelled_kept: of LABELLED frames labelled in the first half hour.
        oldest_hours: age of the oldest frame that is not labelled, at the end.
        seconds: of this machine.
    """

    cells: int
    image_px: int
    budget_mb: float
    moments: list[Moment]
    batches: int
    labelled_kept: int
    oldest_hours: float
    seconds: float


def replay_day(folder: Path, *, cells: int, hours: float, image_px: int, budget_mb: float) -> Day:
    """Write, sample and prune so many hours of so many cells.

    Args:
        folder: new or empty.
        cells: that write at RATE_HZ.
        hours: simulated.
        image_px: side of the images; the smaller, the faster.
        budget_mb: for each cell, in MB of 10^6 bytes.
    """
    began_s = time.monotonic()
    names = [f"cell{number}" for number in range(cells)]
    scenes = [_Scene(image_px, seed) for seed in range(cells)]
    retention = Retention(folder, RetentionPolicy(max_bytes=int(budget_mb * 1e6)))
    process = psutil.Process()
    reader = StreamReader(folder)
    moments: list[Moment] = []
    labelled: set[str] = set()
    batches = written_bytes = 0
    writers = [StreamWriter(folder, name, encoding=Encoding.RAW) for name in names]
    frame_bytes = image_px * image_px * 3 * VIEWS
    with StreamSampler(reader, SamplerConfig(batch=16), seed=0) as sampler:
        for step in range(int(hours * 3600 * RATE_HZ)):
            for name, scene, writer in zip(names, scenes, writers, strict=True):
                writer.append(scene.record(name, step))
                written_bytes += frame_bytes
            if len(labelled) < LABELLED and step % 140 == 0:
                labelled.add(f"{names[step // 140 % cells]}/{step:08d}")
            if step and step % BATCH_EVERY_FRAMES == 0:
                for writer in writers:
                    writer.flush()
                sampler.next()
                batches += 1
            if (step + 1) % (PRUNE_EVERY_S * RATE_HZ) == 0:
                stored = _stored_bytes(folder)
                pruned_s = time.monotonic()
                report = retention.prune(labelled, BEGIN_NS + step * 1_000_000_000 // RATE_HZ)
                gc.collect()
                moments.append(
                    Moment(
                        (step + 1) / RATE_HZ / 3600,
                        (step + 1) * cells,
                        report.frames_after,
                        written_bytes / 1e6,
                        stored / 1e6,
                        report.bytes_after / 1e6,
                        process.memory_info().rss / 1e6,
                        time.monotonic() - pruned_s,
                    )
                )
                print(f"  {moments[-1]}", flush=True)
    for writer in writers:
        writer.close()
    after = StreamReader(folder)
    after.refresh()
    kept = set(after.frame_ids())
    past = [int(frame_id.rpartition("/")[2]) for frame_id in kept - labelled]
    return Day(
        cells,
        image_px,
        budget_mb,
        moments,
        batches,
        len(kept & labelled),
        hours - min(past) / RATE_HZ / 3600,
        time.monotonic() - began_s,
    )


class _Scene:
    """Images of a cell: a window that wanders over a picture while robots work, and stands still while they do not."""

    def __init__(self, image_px: int, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._picture = np.repeat(np.repeat(self._rng.integers(0, 200, (64, 64, 3), dtype=np.uint8), 8, 0), 8, 1)
        self._noise = self._rng.integers(0, 8, (image_px + 64, image_px, 3), dtype=np.uint8)
        self._size = image_px
        self._corner = np.array([100.0, 100.0])
        intrinsics = np.array([[image_px, 0, image_px / 2], [0, image_px, image_px / 2], [0, 0, 1]], dtype=float)
        self._cameras = [
            Camera(
                f"cam{number}", image_px, image_px, intrinsics, np.zeros(5), np.eye(3), np.array([0.1 * number, 0, 1])
            )
            for number in range(VIEWS)
        ]

    def record(self, cell_id: str, step: int) -> StreamRecord:
        at_ns = BEGIN_NS + step * 1_000_000_000 // RATE_HZ
        if int(step / RATE_HZ / 3600) % 24 not in STILL_HOURS:
            most = len(self._picture) - 2 * self._size
            self._corner = np.clip(self._corner + self._rng.normal(0, 4, 2), 0, most)
        row, column = self._corner.astype(int)
        start = int(self._rng.integers(64))
        views = []
        for number, camera in enumerate(self._cameras):
            left = column + number * self._size // 2
            image = (
                self._picture[row : row + self._size, left : left + self._size]
                + self._noise[start : start + self._size]
            )
            views.append(View(camera, image, at_ns))
        frame = MultiViewFrame(cell_id, step, at_ns, tuple(views))
        return StreamRecord(frame, f"{cell_id}-{step // 40}", step % 40, 1 + step // 100_000)


def _stored_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in _shards(folder))


def _shards(folder: Path) -> Iterator[Path]:
    yield from folder.glob("*/*.s3k")
