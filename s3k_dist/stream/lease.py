"""One process at a time removes shards: two that do not know of each other could each remove the other's copy."""

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from s3k_dist.errors import StorageError
from s3k_dist.file_lock import acquire_lock
from s3k_dist.folders import make_folder
from s3k_dist.stream.folder_store import FolderStore
from s3k_dist.stream.store import StreamStore

LEASE = ".retention/lease"  # hidden: no cell has such a name
LEASE_S = 600.0  # after which the owner is taken for dead; clocks may differ by less
LOCK_NAME = ".retention.lock"
LOCK_TIMEOUT_S = 1.0


@contextmanager
def retention_lease(store: StreamStore) -> Iterator[Callable[[], None]]:
    """Own the right to move and remove shards for the length of a block; what it gives is to be called now and then.

    In a folder it is a lock that dies with its process; in another store an object that runs out.

    Raises:
        StorageError: another process owns it.
    """
    if isinstance(store, FolderStore):
        make_folder(store.root)
        lock = acquire_lock(store.root / LOCK_NAME, LOCK_TIMEOUT_S)
        try:
            yield lambda: None
        finally:
            os.close(lock)
        return
    owner = secrets.token_hex(8)
    if not store.create(LEASE, _content(owner)):
        holder, until_s = _read(store)
        if until_s > time.time():
            raise StorageError(
                f"{store.url}: process {holder} moves shards, for up to {until_s - time.time():.0f} s more"
            )
        store.remove(LEASE)
        if not store.create(LEASE, _content(owner)):
            raise StorageError(f"{store.url}: another process has just begun to move shards")
    renewed_s = time.monotonic()

    def renew() -> None:
        nonlocal renewed_s
        if time.monotonic() - renewed_s > LEASE_S / 4:
            if _read(store)[0] != owner:
                raise StorageError(f"{store.url}: another process has taken over the right to move shards")
            store.put(LEASE, _content(owner))
            renewed_s = time.monotonic()

    try:
        yield renew
    finally:
        with suppress(StorageError):  # it runs out by itself
            if _read(store)[0] == owner:
                store.remove(LEASE)


def _content(owner: str) -> bytes:
    return json.dumps({"owner": owner, "until_s": time.time() + LEASE_S}).encode()


def _read(store: StreamStore) -> tuple[str, float]:
    try:
        lease = json.loads(store.read(LEASE, 0, 1000))
        return str(lease["owner"]), float(lease["until_s"])
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{store.where(LEASE)} is damaged: {error}; remove it") from error
