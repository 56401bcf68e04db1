"""Files that a crash cannot tear: written aside, synced, renamed."""

import os
from pathlib import Path

from s3k_dist.errors import StorageError


def write_atomic(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path`` so that a reader, or a reboot, finds the old file or the new one and nothing between.

    Args:
        path: destination; its folder must exist.
        data: the whole content.

    Raises:
        StorageError: the disk is full, or the folder is missing or read-only. The old file, if any, is untouched.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error


def sync_folder(folder: Path) -> None:
    """Make the renames in ``folder`` survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
