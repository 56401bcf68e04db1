"""A folder that appears whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from s3k_dist.atomic import sync_folder
from s3k_dist.errors import StorageError
from s3k_dist.folders import make_folder


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Fill a folder beside ``path``; it takes that name at the end of the block, once all of it is on the disk.

    After an error or a Ctrl-C nothing is left. After a kill -9 or a power loss ``<name>.partial-<random>`` is left, and
    may be deleted.

    Raises:
        StorageError: ``path`` is there and not an empty folder, or something cannot be written.
    """
    path = Path(path).resolve()
    aside = path.parent / f"{path.name}.partial-{secrets.token_hex(4)}"
    try:
        _require_free(path)
        make_folder(path.parent)
        aside.mkdir()
        yield aside
        # One call for thousands of small files: syncing each of them takes minutes.
        os.sync()
        aside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _require_free(path: Path) -> None:
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise StorageError(f"{path} is there already and not empty; expected a new or an empty folder")
    if path.is_mount():
        raise StorageError(f"{path} is a mount point and cannot be replaced; name a folder in it")
