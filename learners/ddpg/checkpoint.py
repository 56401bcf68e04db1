"""Checkpoints that a kill at any moment leaves whole: written aside, synced, renamed; the newest two are kept.

Each carries the sha256 of its files, so that one that a disk has damaged since is told before anything is read from it.
"""

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np

from s3k_dist.atomic import atomic_file, sync_folder, write_atomic
from s3k_dist.errors import StorageError

KEPT = 2
REPLAY_FILE = "replay.npz"
PROGRESS_FILE = "progress.json"
SUMS_FILE = "sha256.json"
_NAME = re.compile(r"checkpoint-(\d{6,})")
_ASIDE = ".unfinished-"
_DAMAGED = "damaged-"


class Saveable(Protocol):
    """Anything that writes itself into a folder, such as an RLlib algorithm."""

    def save_to_path(self, path: Any) -> Any:
        """Write all files below ``path``."""
        ...


def save_checkpoint(algorithm: Saveable, folder: Path) -> Path:
    """Write the next checkpoint below ``folder`` and forget all but the newest two.

    Only one process may save into a folder.

    Returns:
        The checkpoint, ``folder/checkpoint-000017`` or the like, for ``restore_from_path``.

    Raises:
        StorageError: it cannot be written; earlier checkpoints are untouched.
    """
    folder = Path(folder).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(f"{_ASIDE}*"):
            shutil.rmtree(leftover)
        existing = _checkpoints(folder)
        number = int(_NAME.fullmatch(existing[-1].name)[1]) + 1 if existing else 0  # type: ignore[index]
        target = folder / f"checkpoint-{number:06d}"
        aside = folder / f"{_ASIDE}{target.name}"
        algorithm.save_to_path(str(aside))
        write_atomic(aside / SUMS_FILE, json.dumps(_sums(aside), indent=1).encode())
        _sync_tree(aside)
        aside.rename(target)
        sync_folder(folder)
        for old in _checkpoints(folder)[:-KEPT]:
            # Renamed first, so that a kill while its files go never leaves a torn folder under a checkpoint's name.
            doomed = old.rename(folder / f"{_ASIDE}{old.name}")
            shutil.rmtree(doomed)
    except OSError as error:
        raise StorageError(f"cannot write a checkpoint below {folder}: {error}") from error
    return target


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint below ``folder``, whole unless a disk has damaged it since; None if there is none."""
    checkpoints = _checkpoints(Path(folder).absolute())
    return checkpoints[-1] if checkpoints else None


@dataclass(frozen=True)
class FoundCheckpoint:
    """What there is to go on from.

    Attributes:
        path: of the newest checkpoint that is whole.
        damaged: what is wrong with each newer one, in words.
    """

    path: Path
    damaged: tuple[str, ...] = ()


def find_checkpoint(folder: Path) -> FoundCheckpoint | None:
    """The newest checkpoint below ``folder`` that is as it was written; None if there is none at all.

    Newer ones that are not are put aside under another name, the last of them for a person to look at.

    Raises:
        StorageError: there are checkpoints, and all are damaged; they stay where they are.
    """
    folder = Path(folder).absolute()
    bad: list[Path] = []
    reasons: list[str] = []
    for path in reversed(_checkpoints(folder)):
        try:
            verify_checkpoint(path)
        except StorageError as error:
            bad.append(path)
            reasons.append(str(error))
            continue
        _put_aside(bad)
        return FoundCheckpoint(path, tuple(reasons))
    if not reasons:
        return None
    raise StorageError(f"no checkpoint below {folder} is whole; put one back from a copy: {'; '.join(reasons)}")


def verify_checkpoint(path: Path) -> None:
    """Compare each file with the sum that was written beside it. A checkpoint older than these sums passes.

    RLlib keeps its state as pickles, and whoever writes a pickle that is loaded runs what they like. So every file, and
    every folder on its way, must be this user's own (or root's), and nobody else's to write; sums tell of bad disks,
    not of bad people.

    Raises:
        StorageError: a file is gone, cannot be read, is not as it was written, or somebody else could have written it;
            names it.
    """
    _require_own(path)
    try:
        written = json.loads((path / SUMS_FILE).read_text())
        there = {str(each.relative_to(path)) for each in path.rglob("*") if each.is_file()} - {SUMS_FILE}
        if strange := sorted(there - set(written)):
            raise StorageError(f"checkpoint {path} is damaged: {', '.join(strange)} was not written with it")
        for name, digest in written.items():
            if _sum(path / name) != digest:
                raise StorageError(f"checkpoint {path} is damaged: {name} is not as it was written")
    except FileNotFoundError as error:
        if Path(error.filename or "").name != SUMS_FILE:
            raise StorageError(f"checkpoint {path} is damaged: {error.filename} is gone") from error
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise StorageError(f"checkpoint {path} is damaged: {' '.join(str(error).split())}") from error


def _require_own(path: Path) -> None:
    for each in (path.parent, path, *path.rglob("*")):
        try:
            status = each.lstat()
        except OSError as error:
            raise StorageError(f"checkpoint {path} is damaged: {each.name}: {error.strerror}") from error
        if status.st_uid not in (os.geteuid(), 0):
            raise StorageError(
                f"checkpoint {path} is not loaded: {each} belongs to user {status.st_uid}, not to {os.geteuid()} who "
                "runs this, and a checkpoint can run anything"
            )
        if stat.S_ISLNK(status.st_mode) or (status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX):
            raise StorageError(
                f"checkpoint {path} is not loaded: {each} is a link, or anybody may write it, and a checkpoint can "
                "run anything"
            )


def write_progress(folder: Path, replay: dict[str, np.ndarray], progress: dict[str, Any]) -> None:
    """Add to a checkpoint what RLlib does not save: the replay (npz without pickle), counters and the like (JSON).

    Raises:
        StorageError: a file cannot be written.
    """
    with atomic_file(folder / REPLAY_FILE) as file:
        np.savez(file, allow_pickle=False, **replay)
    write_atomic(folder / PROGRESS_FILE, json.dumps(progress).encode())


def read_progress(folder: Path, names: Iterable[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what ``write_progress`` wrote; ``names`` are those that must be there.

    Raises:
        StorageError: a file or name is missing or damaged: resuming without it would not be resuming.
    """
    try:
        # Opened here, since NumPy leaves a torn file open.
        with (folder / REPLAY_FILE).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            replay = dict(file)
        stored = json.loads((folder / PROGRESS_FILE).read_text())
        progress = {name: stored[name] for name in names}
    except (OSError, ValueError, EOFError, KeyError, TypeError, BadZipFile) as error:
        raise StorageError(f"{folder} is not a complete DDPG checkpoint: {error}") from error
    return replay, progress


def _checkpoints(folder: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


def _put_aside(damaged: list[Path]) -> None:
    """Out of the way of the next checkpoints; a disk that damages many does not fill with them."""
    if not damaged:
        return
    folder = damaged[0].parent
    for before in folder.glob(f"{_DAMAGED}*"):
        shutil.rmtree(before, ignore_errors=True)
    for path in damaged[1:]:
        shutil.rmtree(path, ignore_errors=True)
    try:
        damaged[0].rename(folder / f"{_DAMAGED}{damaged[0].name}")
        sync_folder(folder)
    except OSError as error:
        raise StorageError(f"cannot put {damaged[0]} aside: {error.strerror}") from error


def _sums(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): _sum(path) for path in sorted(root.rglob("*")) if path.is_file()}


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_tree(root: Path) -> None:
    for parent, _, files in os.walk(root):
        for name in files:
            descriptor = os.open(Path(parent) / name, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(parent))
