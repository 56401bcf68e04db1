"""Renders scenes on every core. Scene ``i`` depends on the seed and on ``i`` alone: the number of cores changes nothing."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import numpy as np

from actors.sim.scenes.catalogue import SceneSpec
from actors.sim.scenes.studio import Shot, Studio
from s3k_dist.errors import CellError

CHUNK = 16  # scenes that a worker renders between two reports
CHUNK_DEADLINE_S = 300.0


def shots(spec: SceneSpec, scenes: int, first: int = 0) -> Iterator[Shot]:
    """Scenes ``first`` to ``scenes - 1``, rendered on every core, in order.

    Raises:
        CellError: a renderer died or hung.
    """
    chunks = [(start, min(start + CHUNK, scenes)) for start in range(first, scenes, CHUNK)]
    workers = min(len(chunks), os.cpu_count() or 1)
    if workers <= 1:
        studio = _open_studio(spec)
        try:
            for start, end in chunks:
                yield from _take(studio, spec.seed, start, end, scenes)
        finally:
            studio.close()
        return
    # Spawned, not forked: a fork would share the parent's OpenGL context.
    with ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (spec,)) as pool:
        pending: list[Future[list[Shot]]] = []
        try:
            for start, end in chunks:
                pending.append(pool.submit(_work, spec.seed, start, end, scenes))
                if len(pending) > 2 * workers:  # bounds the memory, however slow the disk
                    yield from pending.pop(0).result(CHUNK_DEADLINE_S)
            while pending:
                yield from pending.pop(0).result(CHUNK_DEADLINE_S)
        except (BrokenProcessPool, TimeoutError) as error:
            reason = "died" if isinstance(error, BrokenProcessPool) else f"gave nothing for {CHUNK_DEADLINE_S:.0f} s"
            for process in pool._processes.values():
                process.kill()
            raise CellError(f"a renderer of scene {spec.name!r} {reason}") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _open_studio(spec: SceneSpec) -> Studio:
    return Studio(spec.build(), size_px=spec.size_px, seed=spec.seed)


def _take(studio: Studio, seed: int, start: int, end: int, scenes: int) -> list[Shot]:
    return [studio.take(np.random.default_rng((seed, 31, index)), index / scenes) for index in range(start, end)]


_worker_studio: Studio  # a worker process renders one scene all its life


def _start_worker(spec: SceneSpec) -> None:
    global _worker_studio
    _worker_studio = _open_studio(spec)


def _work(seed: int, start: int, end: int, scenes: int) -> list[Shot]:
    return _take(_worker_studio, seed, start, end, scenes)
