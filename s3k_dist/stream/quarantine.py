"""Damaged shards: found, moved aside under a name that says so, with the reason beside them.

cell0/00000064-64.s3k.damaged            the shard as it was
cell0/00000064-64.s3k.damaged.reason     why, one line
"""

from collections.abc import Iterator
from dataclasses import dataclass

from s3k_dist.errors import ShardGoneError, StorageError, StoreAwayError
from s3k_dist.stream.shard import SUFFIX, first_sequence_of, read_descriptors, read_index, read_packed, read_record
from s3k_dist.stream.store import StreamStore

DAMAGED = ".damaged"
REASON = f"{DAMAGED}.reason"


@dataclass(frozen=True)
class ShardCheck:
    """What came of reading a shard.

    Attributes:
        name: in the store.
        frames: that can be read.
        faults: what cannot, and why; empty for a sound shard.
    """

    name: str
    frames: int
    faults: tuple[str, ...]


def set_aside(store: StreamStore, name: str, reason: str) -> None:
    """Move a shard aside. Only whoever holds the `retention_lease` does.

    Raises:
        StorageError: the store is away, or refuses.
    """
    store.put(name + REASON, f"{' '.join(reason.split())}\n".encode())
    store.move(name, name + DAMAGED)


def shards_aside(store: StreamStore) -> dict[str, str]:
    """The shards that were moved aside, and why."""
    names = store.list()
    found = {}
    for name in sorted(name for name in names if name.endswith(SUFFIX + DAMAGED)):
        reason = name.removesuffix(DAMAGED) + REASON
        said = store.read(reason, 0, 10_000) if reason in names else b"no reason is there"
        found[name] = said.decode(errors="replace").strip()
    return found


def verify(store: StreamStore, *, decode: bool = False) -> Iterator[ShardCheck]:
    """Read every record of every shard and check it against its checksum.

    Args:
        store: the stream.
        decode: take the records apart and decode their images, too.

    Raises:
        StoreAwayError: the store does not answer; this is no fault of a shard.
    """
    for name in sorted(name for name in store.list() if first_sequence_of(name) is not None):
        try:
            yield _check(store, name, decode)
        except ShardGoneError:
            continue  # retention took it meanwhile


def _check(store: StreamStore, name: str, decode: bool) -> ShardCheck:
    try:
        index = read_index(store, name)
    except (StoreAwayError, ShardGoneError):
        raise
    except StorageError as error:
        return ShardCheck(name, 0, (str(error),))
    faults, sound = [], 0
    for position in range(len(index)):
        try:
            if decode:
                read_record(store, index, position)
            else:
                read_packed(store, index, position)
            sound += 1
        except (StoreAwayError, ShardGoneError):
            raise
        except StorageError as error:
            faults.append(str(error))
    try:
        read_descriptors(store, index)
    except (StoreAwayError, ShardGoneError):
        raise
    except StorageError as error:
        faults.append(str(error))
    return ShardCheck(name, sound, tuple(faults))
