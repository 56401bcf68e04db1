"""Runs that begin alike: what is recorded, labelled and learned from it is made once, and copied to each of them.

Whatever is told to stop, by a slice's end or by Ctrl-C, goes on where it was when it is asked for again.
"""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.interrupt import INTERRUPTED
from deploy.run_folder import RunFolder
from s3k_dist.errors import S3KError

KEEP_S = 60.0  # for a run that is told to stop
RUN_DEADLINE_S = 24 * 3600.0


@dataclass(frozen=True)
class Start:
    """Recordings, labels, and the keypoint model trained on them.

    Attributes:
        folder: of a run that goes no further.
        seed: of the run.
        settings: beside the preset's.
        preset: of the run.
    """

    folder: Path
    seed: int
    settings: tuple[str, ...] = ()
    preset: str = "laptop"

    def make(self, ends_s: float | None) -> bool:
        """Record, label and learn to see, unless that is done; False where the slice ended first.

        Args:
            ends_s: of the slice, by ``time.monotonic``; None for no end.

        Raises:
            S3KError: a command failed.
        """
        done = RunFolder(self.folder).progress()
        if done.get("sees"):
            return True
        if not done.get("recorded"):
            shutil.rmtree(self.folder, ignore_errors=True)  # half a recording is made anew
            command = ["collect", "--preset", self.preset, "--seed", str(self.seed), "--out", str(self.folder)]
            if not s3k([*command, *settings_arguments(self.settings)], ends_s):
                return False
        return s3k(["train", "keypoints", "--run", str(self.folder)], ends_s)

    def copy_to(self, folder: Path, ends_s: float | None) -> bool:
        """A run that begins here, unless there is one already; False where the slice ended first.

        Raises:
            S3KError: a command failed.
        """
        if folder.exists():
            return True
        if not self.make(ends_s):
            return False
        # Aside and renamed: half a copy must not look like a run.
        aside = folder.with_name(f".{folder.name}")
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(self.folder, aside)
        aside.rename(folder)
        return True


def finished(folder: Path) -> bool:
    """Whether a run has come to its end."""
    return RunFolder(folder).summary.exists()


def go_on(folder: Path, settings: Sequence[str], ends_s: float | None) -> bool:
    """Run to the end what was begun; False where the slice ended first.

    Raises:
        S3KError: it failed.
    """
    return s3k(["run", "--resume", str(folder), *settings_arguments(settings)], ends_s)


def settings_arguments(settings: Sequence[str]) -> list[str]:
    """Of the command line."""
    return [argument for setting in settings for argument in ("--set", setting)]


def s3k(arguments: Sequence[str], ends_s: float | None) -> bool:
    """Run the command; False where it was told to stop because the slice ended.

    Raises:
        S3KError: it failed.
    """
    left_s = RUN_DEADLINE_S if ends_s is None else ends_s - time.monotonic()
    if left_s <= 0:
        return False
    with subprocess.Popen([sys.executable, "-m", "deploy.cli", *arguments]) as process:
        try:
            code = process.wait(timeout=left_s)
        except (subprocess.TimeoutExpired, KeyboardInterrupt) as stop:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=KEEP_S)
            except subprocess.TimeoutExpired:
                process.kill()
            if isinstance(stop, KeyboardInterrupt):
                raise
            return False
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        raise S3KError(f"`s3k {' '.join(arguments)}` ended with code {code}; see above")
    return True
