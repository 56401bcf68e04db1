"""Where the shards lie: a folder, or whatever fsspec has a URL for.

    store = open_store("runs/a/stream")              # a folder; also file:///srv/stream
    store = open_store("s3://bucket/stream")         # pip install 's3k-dist[s3]'; credentials as for any S3 client
    for name, size in store.list().items():
        head = store.read(name, 0, 16)

Names are ``<cell>/<file>``. What is put is there whole or not at all. A folder that holds a file ``URL`` stands for the
stream at that URL, so that a run, whose stream is elsewhere, is still a data set.
"""

from pathlib import Path
from typing import Any, Protocol

from s3k_dist.atomic import write_atomic
from s3k_dist.errors import ConfigError, StorageError
from s3k_dist.folders import make_folder
from s3k_dist.stream.folder_store import FolderStore

POINTER = "URL"
DEADLINE_S = 20.0  # a shard of 32 MB over 15 Mbit/s


class StreamStore(Protocol):
    """A flat collection of immutable files.

    Every method raises StorageError; `StoreAwayError`, one of these, where a later try may succeed.
    """

    @property
    def url(self) -> str:
        """Where it is."""

    @property
    def is_local(self) -> bool:
        """Whether what was put is synced on a disk of this machine, so that no spool is needed."""

    def where(self, name: str) -> str:
        """Path or URL of a file, for a person."""

    def list(self) -> dict[str, int]:
        """Every file that is no hidden one, with its length in bytes."""

    def size(self, name: str) -> int | None:
        """Length in bytes; None where there is no such file."""

    def read(self, name: str, start: int, end: int) -> bytes:
        """Bytes from ``start`` up to ``end``, fewer where the file ends before. ShardGoneError: no such file."""

    def put(self, name: str, data: bytes) -> None:
        """Write a file, whole; an old one is replaced."""

    def create(self, name: str, data: bytes) -> bool:
        """Write a file, whole, unless there is one of that name; returns whether it was written."""

    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""

    def move(self, name: str, to: str) -> None:
        """Rename a file."""


def point_to(folder: Path, url: str) -> None:
    """Let ``folder`` stand for the stream at ``url``.

    Raises:
        ConfigError: it holds frames itself, or stands for another stream.
        StorageError: it cannot be written.
    """
    pointer = folder / POINTER
    if pointer.is_file():
        if (known := pointer.read_text().strip()) != url:
            raise ConfigError(f"{folder} stands for the stream at {known}, not for {url}")
        return
    if FolderStore(folder).list():
        raise ConfigError(f"{folder} holds a stream of its own; it cannot stand for {url}")
    make_folder(folder)
    write_atomic(pointer, f"{url}\n".encode())


def open_store(place: "str | Path | StreamStore", deadline_s: float = DEADLINE_S, **options: Any) -> StreamStore:
    """The store at a path or URL.

    Args:
        place: a folder, which need not exist yet, or a URL; a store is returned as it is.
        deadline_s: patience with one call of a store that is not a folder.
        options: for the file system, as fsspec takes them: ``endpoint_url`` of an S3-compatible store, for example.

    Raises:
        ConfigError: an unknown protocol, or the package that speaks it is missing.
        StorageError: the folder points elsewhere in a way that cannot be read.
    """
    if not isinstance(place, str | Path):
        return place
    text = str(place).removeprefix("file://")
    if "://" in text:
        from s3k_dist.stream.remote_store import RemoteStore

        return RemoteStore(text, deadline_s, options)
    pointer = Path(text) / POINTER
    if pointer.is_file():
        try:
            elsewhere = pointer.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise StorageError(f"{pointer} cannot be read: {error}") from error
        if not elsewhere or (Path(elsewhere.removeprefix("file://")) / POINTER).is_file():
            raise ConfigError(f"{pointer} points to {elsewhere or 'nowhere'}: expected the path or URL of a stream")
        return open_store(elsewhere, deadline_s, **options)
    return FolderStore(Path(text))
