"""Folders that are still there after a power loss."""

from pathlib import Path

from s3k_dist.atomic import sync_folder
from s3k_dist.errors import StorageError


def make_folder(path: Path) -> None:
    """Make ``path`` and the folders above it where they are missing, and sync each into its parent.

    Raises:
        StorageError: it cannot be made, or a file is in the way.
    """
    try:
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)  # another process may make it at the same moment
            sync_folder(folder.parent)
        if not path.is_dir():
            raise StorageError(f"cannot make the folder {path}: a file is in the way")
    except OSError as error:
        raise StorageError(f"cannot make the folder {path}: {error.strerror or error}") from error
