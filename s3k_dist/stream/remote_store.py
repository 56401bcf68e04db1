"""A stream behind a URL, through fsspec: object stores, remote file systems, and ``memory://`` for tests."""

import posixpath
import secrets
from collections.abc import Callable
from typing import Any, TypeVar

from fsspec.core import url_to_fs

from s3k_dist.deadlines import BoundedCalls
from s3k_dist.errors import ConfigError, ShardGoneError, StorageError, StoreAwayError

Result = TypeVar("Result")

# Where one request puts a whole object or none. Elsewhere a file is written aside and renamed.
OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "memory"}
PACKAGES = {
    "s3": "'s3k-dist[s3]'",
    "s3a": "'s3k-dist[s3]'",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "az": "adlfs",
}
CONNECT_S = 3.0


class RemoteStore:
    """See `StreamStore`.

    Args:
        url: where.
        deadline_s: patience with one call.
        options: for the file system.
    """

    is_local = False

    def __init__(self, url: str, deadline_s: float, options: dict[str, Any]) -> None:
        protocol = url.partition("://")[0]
        if protocol in ("s3", "s3a"):
            # The uploader and the reader try again by themselves, later; a call must end within its deadline.
            bounds = {"connect_timeout": CONNECT_S, "read_timeout": deadline_s, "retries": {"max_attempts": 1}}
            options = {"config_kwargs": bounds, **options}
        try:
            self._files, root = url_to_fs(url, use_listings_cache=False, skip_instance_cache=True, **options)
        except ImportError as error:
            package = PACKAGES.get(protocol, f"the fsspec package for {protocol}")
            raise ConfigError(f"{url}: this needs `pip install {package}` ({error})") from error
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{url} cannot be opened: {error}") from error
        if protocol in ("s3", "s3a"):
            self._files.retries = 1
        self.url = url.rstrip("/")
        self._root = str(root).rstrip("/")
        self._atomic = protocol in OBJECT_STORES
        self._calls = BoundedCalls(deadline_s)

    def where(self, name: str) -> str:
        """The file's URL."""
        return f"{self.url}/{name}"

    def list(self) -> dict[str, int]:
        """See `StreamStore`; one request for each thousand files, on an object store."""

        def find() -> dict[str, int]:
            self._files.invalidate_cache()
            try:
                found = self._files.find(self._root, detail=True)
            except FileNotFoundError:
                return {}
            return {path[len(self._root) + 1 :]: int(info["size"]) for path, info in found.items()}

        files = self._ask(find, "cannot be listed")
        return {
            name: size
            for name, size in files.items()
            if name.count("/") == 1 and not posixpath.basename(name).startswith(".") and not name.startswith(".")
        }

    def size(self, name: str) -> int | None:
        """See `StreamStore`."""

        def look() -> int | None:
            self._files.invalidate_cache()
            try:
                return int(self._files.info(self._path(name))["size"])
            except FileNotFoundError:
                return None

        return self._ask(look, f"{name} cannot be looked up")

    def read(self, name: str, start: int, end: int) -> bytes:
        """See `StreamStore`."""
        if end <= start:
            return b""
        data = self._ask(lambda: self._files.cat_file(self._path(name), start=start, end=end), f"{name} cannot be read")
        return bytes(data)

    def put(self, name: str, data: bytes) -> None:
        """See `StreamStore`."""
        self._ask(lambda: self._write(name, data), f"{name} cannot be written")

    def create(self, name: str, data: bytes) -> bool:
        """See `StreamStore`."""

        def write() -> bool:
            if not self._atomic:
                if self._files.exists(self._path(name)):
                    return False
                self._write(name, data)
                return True
            try:
                self._files.pipe_file(self._path(name), data, mode="create")
            except FileExistsError:
                return False
            return True

        return self._ask(write, f"{name} cannot be written")

    def remove(self, name: str) -> None:
        """See `StreamStore`."""

        def delete() -> None:
            try:
                self._files.rm_file(self._path(name))
            except FileNotFoundError:
                return

        self._ask(delete, f"{name} cannot be removed")

    def move(self, name: str, to: str) -> None:
        """See `StreamStore`; on an object store a copy, then a removal."""
        self._ask(lambda: self._files.mv(self._path(name), self._path(to)), f"{name} cannot be moved")

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _write(self, name: str, data: bytes) -> None:
        path = self._path(name)
        if self._atomic:
            self._files.pipe_file(path, data)
            return
        folder, _, file = path.rpartition("/")
        self._files.makedirs(folder, exist_ok=True)
        aside = f"{folder}/.{file}.{secrets.token_hex(8)}.tmp"
        self._files.pipe_file(aside, data)
        self._files.mv(aside, path)

    def _ask(self, call: Callable[[], Result], what: str) -> Result:
        try:
            return self._calls.call(call)
        except FileNotFoundError as error:
            raise ShardGoneError(f"{self.url}: {what}: no such file: {_one_line(error)}") from error
        except PermissionError as error:
            raise StorageError(f"{self.url}: {what}: refused: {_one_line(error)}") from error
        except Exception as error:  # every file system has errors of its own for a server that is not there
            raise StoreAwayError(f"{self.url}: {what}: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
