"""What the contestants do under load: as much as they can take, and at the rates of robots."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.load import Ask, Served, paced, unpaced
from benchmarks.serving import callers
from benchmarks.serving.model import MAX_BATCH, detector
from benchmarks.serving.server import server_process
from s3k_dist.frames import MultiViewFrame
from s3k_dist.images import Encoding

CALLERS = 32  # twice the largest batch: the next one is there when the last one ends
CELLS, RATES_HZ = (1, 2, 4, 8, 16, 32, 64), (4.0, 10.0, 30.0)
PEER_CELLS = (1, 8, 64)
BARE_BATCHES = (1, 4, MAX_BATCH)

Connect = Callable[[int], AbstractAsyncContextManager[Ask]]


def saturation(frames: list[MultiViewFrame], image_px: int, seconds: float, rounds: int) -> dict[str, Any]:
    """Frames a second of each contestant when more is asked of it than it can do, by turns; and of a bare loop."""
    rows: dict[str, list[float]] = {}
    bare = detector(image_px)
    with contestants(frames, image_px) as able:
        for _ in range(rounds):
            for batch in BARE_BATCHES:
                rows.setdefault(f"bare, batches of {batch}", []).append(_bare_rate(bare, frames[:batch], seconds))
            for name, connect in able.items():
                rows.setdefault(name, []).append(_run(connect, CALLERS, _unpaced(seconds)).frames_per_s)
            print({name: round(values[-1], 1) for name, values in rows.items()}, flush=True)
    return {"frames_per_s": rows, "callers": CALLERS}


def rates(frames: list[MultiViewFrame], image_px: int, seconds: float) -> list[dict[str, Any]]:
    """Round trips at the rates of robots; and how long a bare forward pass of one frame takes, before each load."""
    bare = detector(image_px)
    rows = []
    with contestants(frames, image_px) as able:
        for hz in RATES_HZ:
            for cells in CELLS:
                for name, connect in able.items():
                    if name != OURS and (cells not in PEER_CELLS or hz != RATES_HZ[0]):
                        continue
                    forward_ms = 1e3 / _bare_rate(bare, frames[:1], 1.0)
                    served = _run(connect, cells, _paced(hz, seconds))
                    row = {"contestant": name, "hz": hz, "cells": cells, "forward_ms": forward_ms, **asdict(served)}
                    rows.append(row)
                    print(row, flush=True)
    return rows


def ways(frames: list[MultiViewFrame], image_px: int, seconds: float, rounds: int) -> dict[str, Any]:
    """The ways to our own service, by turns: how images travel, in calls or in a stream, over TCP or a Unix socket."""
    found: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        socket = f"unix:{Path(folder) / 'features.sock'}"
        with server_process("ours", image_px) as tcp, server_process("ours", image_px, socket) as unix:
            able: dict[str, Connect] = {
                "raw, calls, TCP": partial(callers.unary, tcp, frames),
                "JPEG, calls, TCP": partial(callers.unary, tcp, frames, encoding=Encoding.JPEG),
                "PNG, calls, TCP": partial(callers.unary, tcp, frames, encoding=Encoding.PNG),
                "raw, stream, TCP": partial(callers.streamed, tcp, frames),
                "raw, calls, Unix socket": partial(callers.unary, unix, frames),
            }
            for _ in range(rounds):
                for name, connect in able.items():
                    row = found.setdefault(name, {"frames_per_s": [], "p50_ms": [], "p99_ms": []})
                    row["frames_per_s"].append(_run(connect, CALLERS, _unpaced(seconds)).frames_per_s)
                    alone = _run(connect, 1, _paced(RATES_HZ[0], seconds))
                    row["p50_ms"].append(alone.p50_ms)
                    row["p99_ms"].append(alone.p99_ms)
                    print(name, row, flush=True)
    return {"ways": found}


OURS, RAY, LEROBOT = "s3k-dist", "Ray Serve, gRPC", "lerobot's transport"


@contextmanager
def contestants(frames: list[MultiViewFrame], image_px: int) -> Iterator[dict[str, Connect]]:
    """Those that are installed, each with its server at work."""
    kinds: dict[str, tuple[str, str, Callable[..., AbstractAsyncContextManager[Ask]]]] = {
        OURS: ("ours", "s3k_dist", callers.unary),
        RAY: ("ray", "ray.serve", callers.unary),
        LEROBOT: ("lerobot", "lerobot", callers.lerobot),
    }
    from contextlib import ExitStack

    with ExitStack() as stack:
        able: dict[str, Connect] = {}
        for name, (kind, package, ask) in kinds.items():
            try:
                if find_spec(package) is None:
                    raise RuntimeError(f"{package} is not installed")
                address = stack.enter_context(server_process(kind, image_px))
            except (RuntimeError, ModuleNotFoundError) as error:
                print(f"left out: {name}: {error}", flush=True)
                continue
            able[name] = partial(ask, address, frames)
        yield able


def _run(connect: Connect, cells: int, load: Callable[[Ask, int], Any]) -> Served:
    async def run() -> Served:
        async with connect(cells) as ask:
            served: Served = await load(ask, cells)
            return served

    return asyncio.run(run())


def _unpaced(seconds: float) -> Callable[[Ask, int], Any]:
    return lambda ask, callers_: unpaced(ask, callers_, seconds)


def _paced(hz: float, seconds: float) -> Callable[[Ask, int], Any]:
    return lambda ask, cells: paced(ask, cells, hz, seconds)


def _bare_rate(model: Any, frames: list[MultiViewFrame], seconds: float) -> float:
    """Frames a second of the detector alone, called again and again."""
    model.detect(frames)
    began, done = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds:
        model.detect(frames)
        done += len(frames)
    return done / passed
