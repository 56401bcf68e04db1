"""A stream in a folder, of this machine or of a shared file system."""

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from s3k_dist.atomic import sync_folder, write_atomic
from s3k_dist.errors import ShardGoneError, StorageError
from s3k_dist.folders import make_folder

SETTLED_NS = 2_000_000_000  # clocks of file systems tick coarsely: a folder changed just now is listed again


class FolderStore:
    """See `StreamStore`."""

    is_local = True

    def __init__(self, root: Path) -> None:
        self.root = root
        # Of each cell's folder: when it had last changed, and what was in it.
        self._listed: dict[str, tuple[int, dict[str, int]]] = {}

    @property
    def url(self) -> str:
        """The folder."""
        return str(self.root)

    def where(self, name: str) -> str:
        """The file's path."""
        return str(self.root / name)

    def list(self) -> dict[str, int]:
        """Looks only into folders that have changed since; a stream of weeks has ten thousands of files."""
        found: dict[str, int] = {}
        listed: dict[str, tuple[int, dict[str, int]]] = {}
        try:
            with os.scandir(self.root) as cells:
                for cell in cells:
                    if not cell.name.startswith(".") and cell.is_dir():
                        listed[cell.name] = self._list_cell(cell.name, self._listed.get(cell.name, (0, {})))
                        found.update(listed[cell.name][1])
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageError(f"{self.root} cannot be listed: {error.strerror}") from error
        self._listed = listed
        return found

    def size(self, name: str) -> int | None:
        """See `StreamStore`."""
        try:
            return (self.root / name).stat().st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"{self.where(name)} cannot be read: {error.strerror}") from error

    def read(self, name: str, start: int, end: int) -> bytes:
        """See `StreamStore`."""
        try:
            descriptor = os.open(self.root / name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                return os.pread(descriptor, end - start, start)
            finally:
                os.close(descriptor)
        except FileNotFoundError as error:
            raise ShardGoneError(f"cannot be read: {error.strerror}") from error
        except OSError as error:
            raise StorageError(f"cannot be read: {error.strerror}") from error

    def put(self, name: str, data: bytes) -> None:
        """See `StreamStore`; on the disk when this returns."""
        path = self.root / name
        make_folder(path.parent)
        write_atomic(path, data)

    def create(self, name: str, data: bytes) -> bool:
        """See `StreamStore`; on the disk when this returns."""
        path = self.root / name
        make_folder(path.parent)
        aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        try:
            with aside.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.link(aside, path)  # unlike a rename, it refuses to replace
            sync_folder(path.parent)
        except FileExistsError:
            return False
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
        finally:
            with suppress(OSError):
                aside.unlink()
        return True

    def remove(self, name: str) -> None:
        """See `StreamStore`."""
        path = self.root / name
        try:
            path.unlink(missing_ok=True)
            sync_folder(path.parent)
        except OSError as error:
            raise StorageError(f"cannot remove {path}: {error.strerror}") from error

    def move(self, name: str, to: str) -> None:
        """See `StreamStore`."""
        path = self.root / name
        try:
            path.rename(self.root / to)
            sync_folder(path.parent)
        except OSError as error:
            raise StorageError(f"cannot move {path} to {to}: {error.strerror}") from error

    def _list_cell(self, cell: str, before: tuple[int, dict[str, int]]) -> tuple[int, dict[str, int]]:
        folder = self.root / cell
        now_ns = time.time_ns()
        try:
            changed_ns = folder.stat().st_mtime_ns
            if changed_ns == before[0]:
                return before
            files = {}
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = f"{cell}/{entry.name}"
                    if not entry.name.startswith("."):
                        # Files are never changed in place, so a length that is known stays.
                        files[name] = before[1].get(name) or entry.stat().st_size
        except FileNotFoundError:
            return 0, {}  # the cell, or a file of it, went at this moment; the next look finds out which
        return (changed_ns if now_ns - changed_ns > SETTLED_NS else 0), files
