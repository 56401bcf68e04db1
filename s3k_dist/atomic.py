"""Files that a crash cannot tear: written aside, synced, renamed."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from s3k_dist.errors import StorageError

ANYBODY = 0o666  # less the umask, as `open` has it
OWNER_ONLY = 0o600


def write_atomic(path: Path, data: bytes, mode: int = ANYBODY) -> None:
    """Put ``data`` at ``path`` so that a reader, or a reboot, finds the old file or the new one and nothing between.

    Args:
        path: destination; its folder must exist.
        data: the whole content.
        mode: permissions of a new file, from its first byte on: OWNER_ONLY for a secret.

    Raises:
        StorageError: the disk is full, or the folder is missing or read-only. The old file, if any, is untouched.
    """
    with atomic_file(path, mode) as file:
        file.write(data)


@contextmanager
def atomic_file(path: Path, mode: int = ANYBODY) -> Iterator[BinaryIO]:
    """Open ``path`` for content too large to hold twice; it appears, whole, when the context ends without error.

    Args:
        path: destination; its folder must exist.
        mode: permissions of a new file.

    Raises:
        StorageError: the disk is full, or the folder is missing or read-only. The old file, if any, is untouched.
    """
    # A name of its own for every call: two threads may write the same path at once, and the last rename wins.
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        # Nothing is there after the rename; after a failure or a Ctrl-C the torn file goes.
        with suppress(OSError):
            aside.unlink()


def sync_folder(folder: Path) -> None:
    """Make the renames in ``folder`` survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
