"""Renders scenes on every core. Scene ``i`` depends on the seed and on ``i``; the number of cores changes nothing."""

import os
import signal
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

import numpy as np

from actors.sim.scenes.catalogue import SceneSpec
from actors.sim.scenes.studio import Shot, Studio
from s3k_dist.errors import CellError, S3KError

SCENES_A_WORKER = 64  # at least: fewer are rendered sooner than a process starts
SHOT_DEADLINE_S = 300.0  # the first shot of a worker takes seconds, the others milliseconds
END_S = 10.0


def shots(spec: SceneSpec, scenes: int, *, workers: int | None = None) -> Generator[Shot]:
    """Scenes 0 to ``scenes - 1`` in order. Close the generator to end the worker processes early.

    Args:
        spec: the scene.
        scenes: how many in all; says where in the timeline each of them is.
        workers: processes that render; None takes every core, where there is enough to do.

    Raises:
        CellError: a renderer died or hung.
        PreflightError: no OpenGL renderer can be had.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = min(cores, scenes // SCENES_A_WORKER) if workers is None else workers
    if count <= 1:
        yield from _render(spec, range(scenes), scenes)
        return
    with _workers(spec, scenes, count) as sources:
        for index in range(scenes):
            yield _receive(sources[index % count], spec.name)


def _render(spec: SceneSpec, indices: Sequence[int], scenes: int) -> Iterator[Shot]:
    studio = Studio(spec.build(), size_px=spec.size_px, seed=spec.seed, cluttered=spec.cluttered)
    try:
        for index in indices:
            yield studio.take(np.random.default_rng((spec.seed, 31, index)), index / scenes)
    finally:
        studio.close()


@contextmanager
def _workers(spec: SceneSpec, scenes: int, count: int) -> Iterator[list[Connection]]:
    """Worker ``w`` renders scenes ``w``, ``w + count``, and so on; it waits where nobody takes its last shot."""
    # Spawned, not forked: a fork would share the parent's OpenGL context.
    context = get_context("spawn")
    with ExitStack() as stack:
        sources = []
        for first in range(count):
            source, sink = context.Pipe(duplex=False)
            stack.enter_context(source)
            indices = range(first, scenes, count)
            process = context.Process(target=_work, args=(sink, spec, indices, scenes), daemon=True)
            # The worker's copy of the sink must be the only one, so that its death is the end of the pipe.
            with sink, _deaf():
                process.start()
                stack.callback(_end, process)
            sources.append(source)
        yield sources


def _receive(source: Connection, scene: str) -> Shot:
    try:
        if not source.poll(SHOT_DEADLINE_S):
            raise CellError(f"a renderer of scene {scene!r} gave nothing for {SHOT_DEADLINE_S:.0f} s")
        answer = source.recv()
    except (EOFError, OSError) as error:
        raise CellError(f"a renderer of scene {scene!r} died; it may have run out of memory") from error
    if isinstance(answer, S3KError):
        raise answer
    return answer


@contextmanager
def _deaf() -> Iterator[None]:
    """A process that starts in this block never hears Ctrl-C, which reaches every process of a terminal.

    This one does, and ends the others.
    """
    resource_tracker.ensure_running()  # else the first start starts it, and lets the signal through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(process: SpawnProcess) -> None:
    process.kill()
    process.join(END_S)


def _work(sink: Connection, spec: SceneSpec, indices: Sequence[int], scenes: int) -> None:
    """Body of a worker process; ends by itself when the parent is gone."""
    try:
        for shot in _render(spec, indices, scenes):
            sink.send(shot)
    except BrokenPipeError:
        return
    except S3KError as error:
        sink.send(error)
