"""Checkpoints that a kill at any moment leaves whole: written aside, synced, renamed; the newest two are kept."""

import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np

from s3k_dist.atomic import atomic_file, sync_folder, write_atomic
from s3k_dist.errors import StorageError

KEPT = 2
REPLAY_FILE = "replay.npz"
PROGRESS_FILE = "progress.json"
_NAME = re.compile(r"checkpoint-(\d{6,})")
_ASIDE = ".unfinished-"


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
    """The newest whole checkpoint below ``folder``, None if there is none."""
    checkpoints = _checkpoints(Path(folder).absolute())
    return checkpoints[-1] if checkpoints else None


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


def _sync_tree(root: Path) -> None:
    for parent, _, files in os.walk(root):
        for name in files:
            descriptor = os.open(Path(parent) / name, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(parent))
