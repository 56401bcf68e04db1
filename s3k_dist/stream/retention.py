"""What the stream keeps when it may not grow for ever: all that is fresh, all that is labelled, and a diverse past.

    retention = Retention(store, RetentionPolicy(max_bytes=2 * 1024**3, max_age_s=86_400))
    report = retention.prune(labelled={"cell0/00000017"})

Of each cell the newest shards are fresh, as far as the budgets reach; what is older is past. Of the past stay the
labelled frames and a reservoir of frames that look unlike each other (`diversity.py`). In the fresh part, near-
identical frames of a still scene are thinned. A shard is never changed: what is kept of several old ones is packed into
new ones, and the old ones go when the new ones are there. A crash in between leaves a frame in two shards, never in
none; readers count it once, and the next pass removes the second copy. Of each cell one shard stays whatever the
budgets say: it tells the writer where the cell's sequence goes on.
"""

import time
from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path

from s3k_dist.errors import ShardGoneError, StorageError, StoreAwayError
from s3k_dist.stream.lease import retention_lease
from s3k_dist.stream.quarantine import set_aside
from s3k_dist.stream.repacking import repack
from s3k_dist.stream.retention_plan import RetentionPolicy, ShardLooks, plan_cell
from s3k_dist.stream.shard import first_sequence_of, read_index
from s3k_dist.stream.store import StreamStore, open_store


@dataclass
class PruneReport:
    """What a pass did, or would do.

    Attributes:
        frames_before: in the stream, each counted once.
        frames_after: likewise.
        bytes_before: of all shards.
        bytes_after: likewise; of a dry run, an estimate.
        labelled: frames that were kept because they are labelled.
        reservoir: frames of the past that were kept because they are unlike the others.
        set_aside: damaged shards, and why.
        over_budget: cells whose labelled frames alone exceed what the past may take.
    """

    frames_before: int = 0
    frames_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    labelled: int = 0
    reservoir: int = 0
    set_aside: dict[str, str] = field(default_factory=dict)
    over_budget: list[str] = field(default_factory=list)


class Retention:
    """Holds a stream to its budgets, pass by pass.

    Keeps the headers and descriptors of the shards in memory between passes, about 300 bytes a frame of the store.

    Args:
        place: of the stream.
        policy: the budgets.
    """

    def __init__(self, place: Path | str | StreamStore, policy: RetentionPolicy) -> None:
        self.store: StreamStore = open_store(place)
        self.policy = policy
        self._known: dict[str, ShardLooks] = {}

    def prune(
        self, labelled: Set[str] = frozenset(), now_ns: int | None = None, *, dry_run: bool = False
    ) -> PruneReport:
        """One pass over all cells.

        Args:
            labelled: frames that always stay, by their ids.
            now_ns: nanoseconds since the Unix epoch; the clock's by default.
            dry_run: change nothing, and say what would be done.

        Raises:
            StorageError: another process prunes, or the store is away; whatever was kept so far is there.
        """
        now_ns = time.time_ns() if now_ns is None else now_ns
        report = PruneReport()
        with retention_lease(self.store) as renew:
            cells: dict[str, list[ShardLooks]] = {}
            for shard in self._look(report, dry_run):
                cells.setdefault(shard.index.cell_id, []).append(shard)
            for cell_id, shards in sorted(cells.items()):
                named = (name.rpartition("/") for name in labelled)
                mine = {int(number) for cell, _, number in named if cell == cell_id and number.isdecimal()}
                plan = plan_cell(shards, self.policy, mine, now_ns)
                report.frames_before += plan.frames
                report.frames_after += plan.frames_kept
                report.bytes_before += sum(shard.index.size_bytes for shard in shards)
                report.labelled += plan.labelled
                report.reservoir += plan.reservoir
                if plan.over_budget:
                    report.over_budget.append(cell_id)
                if dry_run:
                    report.bytes_after += plan.bytes_kept
                    continue
                damaged = repack(self.store, plan, self.policy, renew)
                report.set_aside |= damaged
            if not dry_run:
                listed = self.store.list()
                report.bytes_after = sum(size for name, size in listed.items() if first_sequence_of(name) is not None)
        return report

    def _look(self, report: PruneReport, dry_run: bool) -> list[ShardLooks]:
        """All sound shards; the others are moved aside."""
        known: dict[str, ShardLooks] = {}
        for name, size in sorted(self.store.list().items()):
            if first_sequence_of(name) is None:
                continue
            try:
                known[name] = self._known.get(name) or ShardLooks.read(self.store, read_index(self.store, name, size))
            except ShardGoneError:
                continue
            except StoreAwayError:
                raise
            except StorageError as error:
                report.set_aside[self.store.where(name)] = str(error)
                if not dry_run:
                    set_aside(self.store, name, str(error))
        self._known = known
        return list(known.values())
