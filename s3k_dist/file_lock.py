"""One process at a time, by a lock on a file that the kernel frees when its holder dies."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from s3k_dist.errors import StorageError

RETRY_S = 0.02


def acquire_lock(path: Path, timeout_s: float) -> int:
    """Lock ``path``, made if need be, and return the descriptor that holds it; closing it frees the lock.

    Raises:
        StorageError: another holds it for ``timeout_s`` seconds, or the file cannot be made.
    """
    give_up = time.monotonic() + timeout_s
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}") from error
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() >= give_up:
                os.close(descriptor)
                raise StorageError(f"another process holds {path}, after {timeout_s:.1f} s of waiting") from None
            time.sleep(RETRY_S)
        except OSError as error:
            os.close(descriptor)
            raise StorageError(f"cannot lock {path}: {error.strerror}") from error


@contextmanager
def file_lock(path: Path, timeout_s: float) -> Iterator[None]:
    """Hold the lock on ``path`` for the length of a block; raises as `acquire_lock` does."""
    descriptor = acquire_lock(path, timeout_s)
    try:
        yield
    finally:
        os.close(descriptor)
