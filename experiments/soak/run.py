"""A real ``s3k run`` whose parts something happens to: begun, watched, resumed, ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

from deploy.fleet.part import Part, State
from deploy.fleet.status import read_status
from s3k_dist.errors import DeadlineError, S3KError, StorageError

LOOK_EVERY_S = 0.2
ENDS_S = 40.0  # a run promises 10; the rest is for a busy machine
SETTINGS = (
    "policy.env_steps=10000000",  # it goes on for as long as it is let
    "policy.checkpoint_s=2",
    "service.replicas=2",
    "policy.max_feature_distance=10",  # a barely trained detector moves much: nobody is to wait for that
)
DONE = {"cell": "episodes", "policy": "steps", "keypoints": "steps", "service": "frames/s"}

Parts = Mapping[str, Part]


class TriedRun:
    """A run with the smoke preset, in a process of its own.

    Args:
        root: its folder.
        settings: ``a.b=c`` each, beside ``SETTINGS``.
        environment: of its process, beside this one's; RAY_ADDRESS lets it join a cluster.
        patience_s: how long anything may take here before it is given up.
    """

    def __init__(
        self,
        root: Path,
        settings: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        *,
        patience_s: float,
    ) -> None:
        self.root = root
        self.log = root.parent / f"{root.name}.log"
        self.patience_s = patience_s
        self._settings = [word for each in (*SETTINGS, *settings) for word in ("--set", each)]
        self._environment = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """From nothing."""
        self._start("--preset", "smoke", "--out", str(self.root), *self._settings)

    def resume(self) -> None:
        """From where it was."""
        self._start("--resume", str(self.root))

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        assert self._process is not None, "begin() comes first"
        return self._process.pid

    def kill(self) -> None:
        """kill -9, of the supervisor."""
        assert self._process is not None, "begin() comes first"
        self._process.kill()
        self._process.wait(ENDS_S)

    def parts(self) -> Parts:
        """How each part is doing; empty while nothing is written, or what is written is of an earlier sitting."""
        try:
            status = read_status(self.root)
        except StorageError:
            return {}
        began_s = psutil.Process(self.pid).create_time()
        return {part.name: part for part in status.parts} if status.at_s > began_s else {}

    def until(self, condition: Callable[[Parts], bool], what: str) -> Parts:
        """Wait until it is so.

        Raises:
            S3KError: the run has ended.
            DeadlineError: it did not come to that; says how all parts are.
        """
        assert self._process is not None, "begin() comes first"
        end_s = time.monotonic() + self.patience_s
        while True:
            if self._process.poll() is not None:
                raise S3KError(f"the run has ended: {self.log.read_text()[-1000:]}")
            if (parts := self.parts()) and condition(parts):
                return parts
            if time.monotonic() > end_s:
                raise DeadlineError(f"not within {self.patience_s:.0f} s: {what}; {list(parts.values())}")
            time.sleep(LOOK_EVERY_S)

    def until_well(self) -> Parts:
        """Every part at work, with a process, and every cell has ended an episode since now."""
        before = self.until(_at_work, "all parts at work")
        return self.until(
            lambda parts: (
                _at_work(parts)
                and all(done(part) > 0 for part in parts.values())
                and all(done(part) != done(before[name]) for name, part in parts.items() if part.kind == "cell")
            ),
            "all parts do their work",
        )

    def processes(self) -> dict[str, psutil.Process]:
        """The supervisor's and each part's, by name, as far as they are on this machine."""
        found = {"supervisor": psutil.Process(self.pid)}
        for name, part in self.parts().items():
            with suppress(psutil.NoSuchProcess):
                if part.pid:
                    found[name] = psutil.Process(part.pid)
        return found

    def end(self) -> int:
        """As Ctrl-C does; returns the exit code. Nothing of it is left, however it ends."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            try:
                self._process.send_signal(signal.SIGINT)
                self._process.wait(ENDS_S)
            except subprocess.TimeoutExpired:
                for child in psutil.Process(self.pid).children(recursive=True):
                    with suppress(psutil.NoSuchProcess):
                        child.kill()
                self._process.kill()
                self._process.wait(ENDS_S)
        return int(self._process.returncode)

    def _start(self, *arguments: str) -> None:
        with self.log.open("ab") as log:
            self._process = _open([sys.executable, "-m", "deploy.cli", "run", *arguments], log, self._environment)


def done(part: Part) -> float:
    """What a part has done, growing as long as it works; for a replica, frames a second."""
    return float(part.figures.get(DONE[part.kind], 0.0))


def gone(process: psutil.Process) -> bool:
    """Whether a process has ended."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _at_work(parts: Parts) -> bool:
    waits = [part for part in parts.values() if part.state not in (State.RUNNING, State.DRAINED)]
    return not waits and all(part.pid for part in parts.values() if part.state is State.RUNNING)


def _open(command: list[str], log: IO[bytes], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=dict(environment))
