"""A run with everything in it, watched through its status: what its cells do each second."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from deploy.fleet.part import State
from deploy.fleet.status import read_status
from s3k_dist.errors import StorageError

BEGINS_S, ENDS_S = 300.0, 60.0


def steps_per_second(root: Path, cells: int, seconds: float) -> dict[str, float]:
    """Of a smoke run with so many simulated cells, once all are at work.

    Raises:
        RuntimeError: it did not come to that.
    """
    options = ["--preset", "smoke", "--out", str(root), "--set", f"cells.count={cells}"]
    options += ["--set", "policy.env_steps=100000000", "--set", "policy.checkpoint_s=600"]
    with subprocess.Popen(
        [sys.executable, "-m", "deploy.cli", "run", *options],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as run:
        try:
            end = time.monotonic() + BEGINS_S
            while not _all_at_work(root, cells):
                if run.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"a run with {cells} cells did not begin")
                time.sleep(0.5)
            before, began = _steps(root), time.monotonic()
            time.sleep(seconds)
            did, passed_s = _steps(root) - before, time.monotonic() - began
            memory = sum(each.memory_info().rss for each in psutil.Process(run.pid).children(recursive=True))
            status = read_status(root)
            p99 = max(float(part.figures.get("p99 ms", 0.0)) for part in status.parts if part.kind == "service")
            return {"steps_per_s": did / passed_s, "p99_ms": p99, "rss_mb": memory / 2**20}
        finally:
            run.send_signal(signal.SIGINT)
            run.wait(ENDS_S)


def _all_at_work(root: Path, cells: int) -> bool:
    try:
        parts = read_status(root).parts
    except StorageError:
        return False
    at_work = [part for part in parts if part.kind == "cell" and part.state is State.RUNNING]
    return len(at_work) == cells and _steps(root) > 0


def _steps(root: Path) -> float:
    return float(read_status(root).figures["steps"])
