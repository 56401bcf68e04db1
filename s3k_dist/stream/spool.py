"""Shards on their way to a store that may be away: synced on this machine first, moved to the store when it answers.

<spool>/<cell>/<shard>.s3k    waits for the store
<spool>/<cell>/.next          the sequence after the last one that reached the store
"""

import random
import threading
import time
from contextlib import suppress
from pathlib import Path

from s3k_dist.atomic import sync_folder, write_atomic
from s3k_dist.errors import StorageError, StoreAwayError
from s3k_dist.folders import make_folder
from s3k_dist.stream.folder_store import FolderStore
from s3k_dist.stream.shard import SUFFIX, end_of_shard, first_sequence_of
from s3k_dist.stream.store import StreamStore

SPOOL_BYTES = 2 * 1024**3  # nearly two hours of a 4 Hz cell with four views of 128 px
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 30.0
NEXT_NAME = ".next"


class SpoolFullError(StorageError):
    """The store is away and the spool has used up its bytes: no further frame can be kept safe."""


class Spool:
    """The shards of one cell that the store does not have yet. One process at a time, under the writer's lock.

    A shard leaves the spool only after the store has it in full length. One that the store turns out to have already,
    because the process died between the two, is compared and let go.

    Args:
        folder: of the spool; the cell has a folder of its own in it.
        store: where the shards go.
        cell_id: whose.
        max_bytes: of the shards that wait; a further one is refused.

    Attributes:
        uploaded: shards moved to the store by this process.
        last_error: why the last try to reach the store failed; None where it did not.
    """

    def __init__(self, folder: Path, store: StreamStore, cell_id: str, max_bytes: int) -> None:
        self.folder = folder / cell_id
        self.uploaded = 0
        self.last_error: str | None = None
        self._store = store
        self._cell_id = cell_id
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None
        make_folder(self.folder)

    def take(self, file: str, data: bytes) -> None:
        """Keep a shard; it is synced when this returns.

        Raises:
            SpoolFullError: with it, the spool would exceed its bytes.
            StorageError: it cannot be written.
        """
        waiting = self.waiting_bytes()
        if waiting + len(data) > self._max_bytes:
            reason = f"; the store: {self.last_error}" if self.last_error else ""
            of = f"{waiting} bytes of its {self._max_bytes}"
            raise SpoolFullError(f"the spool {self.folder} holds {of}, and {len(data)} more came{reason}")
        path = self.folder / file
        if path.exists():
            raise StorageError(f"{path} is there already; a shard is never written over")
        write_atomic(path, data)
        with self._changed:
            self._changed.notify_all()

    def waiting(self) -> list[Path]:
        """The shards that the store does not have yet, oldest first."""
        found = [path for path in self.folder.glob(f"*{SUFFIX}") if first_sequence_of(path.name) is not None]
        return sorted(found, key=lambda path: first_sequence_of(path.name) or 0)

    def waiting_bytes(self) -> int:
        """Length of these."""
        total = 0
        for path in self.waiting():
            with suppress(FileNotFoundError):  # uploaded at this moment
                total += path.stat().st_size
        return total

    def next_sequence(self) -> int | None:
        """The sequence after the last one that this spool saw reach the store; None where it saw none."""
        path = self.folder / NEXT_NAME
        try:
            return int(path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StorageError(f"{path} is damaged: {error}") from error

    def note_next(self, sequence: int) -> None:
        """Remember that the store has every frame below ``sequence``."""
        if sequence > (self.next_sequence() or -1):
            write_atomic(self.folder / NEXT_NAME, str(sequence).encode())

    def upload(self) -> int:
        """Move what waits to the store, oldest first; returns how many shards.

        Raises:
            StoreAwayError: the store is away; the rest waits on.
            StorageError: it refuses a shard; the others were moved.
        """
        moved, refused = 0, None
        for path in self.waiting():
            try:
                self._move(path)
                moved += 1
            except StoreAwayError:
                raise
            except StorageError as error:
                refused = error
        if refused is not None:
            raise refused
        return moved

    def start(self) -> None:
        """Upload from now on, in a thread, with growing pauses while the store is away."""
        self._thread = threading.Thread(target=self._run, name=f"spool-{self._cell_id}", daemon=True)
        self._thread.start()

    def stop(self, drain_s: float) -> None:
        """Stop the thread, after waiting at most ``drain_s`` seconds for it to empty the spool."""
        until = time.monotonic() + drain_s
        self.drain(drain_s)
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(max(0.1, until - time.monotonic()))

    def drain(self, wait_s: float) -> bool:
        """Wait at most ``wait_s`` seconds for the store to have everything; returns whether it has."""
        until = time.monotonic() + wait_s
        with self._changed:
            while self.waiting():
                if time.monotonic() >= until:
                    return False
                self._changed.wait(min(0.1, wait_s))
        return True

    def _run(self) -> None:
        pause_s = FIRST_RETRY_S
        while True:
            with self._changed:
                if self._stopping:
                    return
            try:
                self.upload()
                self.last_error, pause_s = None, FIRST_RETRY_S
            except StorageError as error:
                self.last_error = str(error)
                # Cells whose store comes back do not all knock at the same moment.
                self._sleep(pause_s * random.uniform(0.5, 1.0))  # nosec B311  # jitter
                pause_s = min(2 * pause_s, LONGEST_RETRY_S)
                continue
            with self._changed:
                if not self._stopping and not self.waiting():
                    self._changed.wait(LONGEST_RETRY_S)

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        with self._changed:
            while not self._stopping and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)

    def _move(self, path: Path) -> None:
        name = f"{self._cell_id}/{path.name}"
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return  # an uploader that was given up on has finished after all
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror}") from error
        size = self._store.size(name)
        if size is None:
            self._store.put(name, data)
            size = self._store.size(name)
            if size != len(data):
                raise StoreAwayError(f"{self._store.where(name)} has {size} bytes of the {len(data)} that were put")
        elif size != len(data) or self._store.read(name, 0, size) != data:
            raise StorageError(
                f"{self._store.where(name)} is there already, and differs; a shard is never written over"
            )
        self.note_next(end_of_shard(FolderStore(self.folder.parent), name))
        self.uploaded += 1
        try:
            path.unlink(missing_ok=True)
            sync_folder(self.folder)
        except OSError as error:
            raise StorageError(f"{path} cannot be removed: {error.strerror}") from error
        with self._changed:
            self._changed.notify_all()
