"""Each part under more and more cells: the service, the policy learner, the stream, and whole cells."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from actors.sim.cell import CableCell, CableCellSpec
from benchmarks.scale.replayed import replay
from benchmarks.scale.service_process import service_process
from deploy.config import PolicyConfig, RunConfig
from deploy.policy import algorithm_config
from s3k_dist.episodes import EpisodeChunk
from s3k_dist.frames import MultiViewFrame
from s3k_dist.images import Encoding
from s3k_dist.stream.record import StreamRecord, pack_record

IMAGE_PX, FRAMES = 128, 16
CHUNK_STEPS = 8


def recorded_frames(image_px: int = IMAGE_PX, count: int = FRAMES) -> list[MultiViewFrame]:
    """Frames of a simulated cell, to be replayed."""
    cell = CableCell(CableCellSpec(image_px=image_px))
    frames = [cell.reset(seed).frame for seed in range(count)]
    cell.stop()
    return frames


def measure_service(frames: list[MultiViewFrame], cells: Sequence[int], seconds: float) -> dict[str, Any]:
    """One service on one core under each number of cells: what they get, its processor time and its memory."""
    rows = []
    with service_process(frames[0].cameras[0].width_px, threads=1) as (address, process):
        replay(address, frames, 1, 2.0)
        for count in cells:
            before, began = _busy_s(process), time.monotonic()
            served = replay(address, frames, count, seconds)
            cores = (_busy_s(process) - before) / (time.monotonic() - began)
            rows.append({"cells": count, **asdict(served), "cores": cores, "rss_mb": process.memory_info().rss / 2**20})
            print(rows[-1], flush=True)
    return {"rows": rows, "image_px": frames[0].cameras[0].width_px, "views": len(frames[0].views)}


def measure_learner(cells: Sequence[int], seconds: float) -> dict[str, Any]:
    """One policy learner, on one core, with more and more cells that push at 4 Hz: steps taken, updates, memory."""
    rows = []
    for count in cells:
        algorithm = algorithm_config(RunConfig(policy=PolicyConfig(pretrain_updates=0))).build_algo()
        inbox, pushed, refused = algorithm.env_runner.inbox, 0, 0
        chunks_s, began = count * 4.0 / CHUNK_STEPS, time.monotonic()
        spent_s = time.process_time()
        while (passed_s := time.monotonic() - began) < seconds:
            while pushed < chunks_s * passed_s:
                chunk = _chunk(f"cell{pushed % count}", pushed)
                refused += inbox.push(chunk) is not None
                pushed += 1
            algorithm.training_step()
        rows.append(
            {
                "cells": count,
                "steps_per_s": algorithm.env_steps / passed_s,
                "updates_per_s": algorithm.updates / passed_s,
                "behind_chunks": len(inbox),
                "dropped": inbox.dropped,
                "refused": refused,
                "cores": (time.process_time() - spent_s) / passed_s,
                "rss_mb": psutil.Process().memory_info().rss / 2**20,
            }
        )
        print(rows[-1], flush=True)
        algorithm.stop()
    return {"rows": rows}


def measure_frame_bytes(frames: list[MultiViewFrame]) -> dict[str, Any]:
    """What a frame weighs on the wire and in the stream, bytes, and what packing it takes, milliseconds."""
    found: dict[str, Any] = {}
    for encoding in (Encoding.RAW, Encoding.PNG, Encoding.JPEG):
        began = time.perf_counter()
        packed = [len(pack_record(StreamRecord(frame, "e", 0, 1), encoding)) for frame in frames]
        ms = 1e3 * (time.perf_counter() - began) / len(frames)
        found[encoding.name] = {"bytes": float(np.mean(packed)), "ms": ms}
    return found


def measure_whole_cells(cells: Sequence[int], seconds: float) -> dict[str, Any]:
    """Simulated cells with everything a run has, on this machine: steps a second of each, as fast as they go."""
    from benchmarks.scale.whole_run import steps_per_second

    rows = []
    for count in cells:
        with tempfile.TemporaryDirectory() as folder:
            rows.append({"cells": count, **steps_per_second(Path(folder) / "run", count, seconds)})
        print(rows[-1], flush=True)
    return {"rows": rows}


def _chunk(cell_id: str, number: int) -> EpisodeChunk:
    rng = np.random.default_rng(number)
    return EpisodeChunk(
        f"{cell_id}-{number}", cell_id, rng.normal(size=(CHUNK_STEPS + 1, 24)).astype(np.float32),
        rng.uniform(-1, 1, (CHUNK_STEPS, 6)).astype(np.float32), rng.normal(size=CHUNK_STEPS).astype(np.float32),
        True, False, 0, 1, np.ones(CHUNK_STEPS, np.int64),
    )  # fmt: skip


def _busy_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
