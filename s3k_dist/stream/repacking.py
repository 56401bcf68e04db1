"""Packs the frames that stay into new shards, and then lets the old ones go."""

import heapq
from collections.abc import Callable, Iterator

import numpy as np

from s3k_dist.errors import ShardGoneError, StorageError, StoreAwayError
from s3k_dist.stream.quarantine import set_aside
from s3k_dist.stream.retention_plan import CellPlan, RetentionPolicy, Rewrite, ShardLooks
from s3k_dist.stream.shard import PackedRecord, pack_shard, packed_name, read_index, read_packed
from s3k_dist.stream.store import StreamStore


def repack(store: StreamStore, plan: CellPlan, policy: RetentionPolicy, renew: Callable[[], None]) -> dict[str, str]:
    """Carry out a plan. Holds one shard of records in memory.

    An old shard goes only when every frame of it that stays is in a new shard, read back from the store. One with a
    damaged frame among them is moved aside instead.

    Args:
        store: the stream.
        plan: for one cell.
        policy: how large the new shards are.
        renew: called now and then; raises where the right to remove is lost.

    Returns:
        The shards that were moved aside, and why.
    """
    damaged: dict[str, str] = {}
    for group in plan.groups:
        _repack_group(store, group, policy, renew, damaged)
    return {store.where(name): reason for name, reason in damaged.items()}


def salvage(store: StreamStore, name: str, reason: str, renew: Callable[[], None]) -> int:
    """Move a damaged shard aside, after packing its sound frames into another. Under the `retention_lease`.

    Returns:
        The number of sound frames.

    Raises:
        StorageError: the store is away, or refuses.
    """
    try:
        shard = ShardLooks.read(store, read_index(store, name))
    except (ShardGoneError, StoreAwayError):
        raise
    except StorageError:
        set_aside(store, name, reason)
        return 0
    damaged = {name: reason}
    return _repack_group(store, [Rewrite(shard, np.ones(len(shard.index), bool))], RetentionPolicy(), renew, damaged)


def _repack_group(
    store: StreamStore,
    group: list[Rewrite],
    policy: RetentionPolicy,
    renew: Callable[[], None],
    damaged: dict[str, str],
) -> int:
    sound = 0
    waiting = {rewrite.shard.index.name: int(rewrite.keep.sum()) for rewrite in group}
    cell_id = group[0].shard.index.cell_id if group else ""
    batch: list[PackedRecord] = []
    sources: list[str] = []

    def settle() -> None:
        renew()
        if batch:
            data = pack_shard(cell_id, batch)
            name = f"{cell_id}/{packed_name(batch[0].sequence, data, len(batch))}"
            if store.size(name) is None:
                store.put(name, data)
            read_index(store, name)  # it is there, in full length, and says what it should
            if name in waiting:
                waiting[name] = -1  # the very same frames again: it stays
        for source in sources:
            waiting[source] -= 1
        batch.clear()
        sources.clear()
        for name in [name for name, left in waiting.items() if left == 0]:
            del waiting[name]
            if name in damaged:
                set_aside(store, name, damaged[name])
            else:
                store.remove(name)

    for source, position, rewrite in _kept(group):
        index = rewrite.shard.index
        try:
            data = read_packed(store, index, position)
        except (ShardGoneError, StoreAwayError):
            raise
        except StorageError as error:
            damaged.setdefault(source, str(error))
            waiting[source] -= 1
            continue
        length = int(index.descriptor_lengths[position])
        looks = rewrite.shard.descriptors[position]
        batch.append(
            PackedRecord(
                int(index.sequences[position]),
                int(index.captured_at_ns[position]),
                int(index.model_versions[position]),
                data,
                (looks[:length] if length else looks).tobytes(),
            )
        )
        sources.append(source)
        sound += 1
        if len(batch) >= policy.shard_frames or sum(len(record.data) for record in batch) >= policy.shard_bytes:
            settle()
    settle()
    return sound


def _kept(group: list[Rewrite]) -> Iterator[tuple[str, int, Rewrite]]:
    """The frames that stay, by sequence over all shards: shard, position in it."""

    def of(rewrite: Rewrite) -> Iterator[tuple[int, str, int, Rewrite]]:
        index = rewrite.shard.index
        for position in np.flatnonzero(rewrite.keep).tolist():
            yield int(index.sequences[position]), index.name, position, rewrite

    for _, name, position, rewrite in heapq.merge(*map(of, group), key=lambda frame: frame[:3]):
        yield name, position, rewrite
