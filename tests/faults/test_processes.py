"""One run, and every kind of its processes killed and stopped in turn: the others go on, and it comes back."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from deploy.fleet.part import Part, State
from deploy.fleet.status import read_status
from s3k_dist.errors import StorageError
from s3k_dist.stream.reader import StreamReader

BEGINS_S, BACK_S, ENDS_S = 200.0, 120.0, 40.0  # a busy machine's patience; on an idle one it is back within 20 s

pytestmark = pytest.mark.timeout(BEGINS_S + BACK_S)


class Run:
    """A run that goes on for as long as it is let."""

    def __init__(self, root: Path) -> None:
        self.root = root
        arguments = ["run", "--preset", "smoke", "--out", str(root), "--set", "policy.env_steps=1000000"]
        arguments += ["--set", "service.replicas=2", "--set", "policy.checkpoint_s=2"]
        with (root.parent / "log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "deploy.cli", *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )

    def parts(self) -> dict[str, Part]:
        return {part.name: part for part in read_status(self.root).parts}

    def until(self, condition: Callable[[dict[str, Part]], bool], timeout_s: float = BACK_S) -> dict[str, Part]:
        end = time.monotonic() + timeout_s
        while True:
            assert self.process.poll() is None, (self.root.parent / "log").read_text()
            with suppress(StorageError):
                if condition(parts := self.parts()):
                    return parts
            assert time.monotonic() < end, f"it did not come to that: {self.parts()}"
            time.sleep(0.3)

    def well(self) -> dict[str, Part]:
        """Every part at work, with a process."""
        return self.until(lambda parts: all(part.state is State.RUNNING and part.pid for part in parts.values()))


def done(part: Part) -> float:
    """What a part has done, growing as long as it works."""
    name = {"cell": "episodes", "policy": "steps", "keypoints": "steps", "service": "frames/s"}[part.kind]
    return float(part.figures.get(name, 0.0))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    run = Run(tmp_path_factory.mktemp("faults") / "run")
    try:
        run.until(lambda parts: done(parts["policy"]) > 30, BEGINS_S)
        yield run
        run.process.send_signal(signal.SIGINT)
        assert run.process.wait(ENDS_S) == 130
    finally:
        if run.process.poll() is None:
            for child in psutil.Process(run.process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            run.process.kill()


def frames(root: Path) -> set[str]:
    reader = StreamReader(root / "stream")
    reader.refresh()
    return set(reader.frame_ids())


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("name", ["cell0", "service1", "keypoints", "policy"])
def test_one_process_lost_stops_no_other_and_loses_no_frame(name: str, sent: signal.Signals, run: Run) -> None:
    before, kept = run.well(), frames(run.root)
    os.kill(before[name].pid, sent)
    gone = run.until(lambda parts: parts[name].restarts > before[name].restarts)
    assert all(part.restarts == before[other].restarts for other, part in gone.items() if other != name)
    after = run.well()
    assert after[name].pid != before[name].pid
    assert not psutil.pid_exists(before[name].pid) or psutil.Process(before[name].pid).status() == "zombie"
    run.until(lambda parts: all(done(part) > 0 for part in parts.values()))
    cells = {part.name: done(part) for part in run.parts().values() if part.kind == "cell"}
    run.until(lambda parts: all(done(parts[cell]) > episodes for cell, episodes in cells.items()))
    assert kept <= frames(run.root), "a frame of the stream is gone"
