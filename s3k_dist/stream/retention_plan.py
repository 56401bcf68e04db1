"""Which frames of a cell stay, and which of its shards have to be packed anew for that."""

from collections.abc import Set
from dataclasses import dataclass, field

import numpy as np

from s3k_dist.errors import ShardGoneError, StorageError, StoreAwayError
from s3k_dist.stream.descriptor import describe, stack_descriptors
from s3k_dist.stream.diversity import diverse
from s3k_dist.stream.shard import ShardIndex, is_packed, read_descriptors, read_record
from s3k_dist.stream.store import StreamStore

# A shard is packed anew when this share of its frames is to go: each frame is then copied a few times in all, not at
# each pass, and the past takes at most 1 / (1 - DEAD_SHARE) of what it needs.
DEAD_SHARE = 0.25
STILL_LEVELS = 2  # of 256: from one moment to the next, random motion of the simulated cell changes 10 or more


@dataclass(frozen=True)
class RetentionPolicy:
    """Budgets of each cell.

    Attributes:
        max_bytes: of its shards; None for no bound. Reached but for what is written between two passes, and exceeded
            only by labelled frames.
        max_age_s: of fresh frames; None for no bound.
        past_share: of ``max_bytes`` for what is older: labelled frames and the reservoir.
        reservoir_frames: of the past, at most.
        still_levels: a frame is still where no pixel of its descriptor differs from the last frame kept by more than
            this, grey levels of 256; None keeps still frames. Noise averages out over a descriptor's pixel.
        still_keep_s: of a still scene, one frame in this time stays.
        settle_s: younger frames are not thinned: episodes that are still learned from stay whole.
        shard_frames: of a shard of kept frames.
        shard_bytes: likewise.
    """

    max_bytes: int | None = None
    max_age_s: float | None = None
    past_share: float = 0.25
    reservoir_frames: int = 1000
    still_levels: int | None = STILL_LEVELS
    still_keep_s: float = 30.0
    settle_s: float = 600.0
    shard_frames: int = 64
    shard_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True, eq=False)
class ShardLooks:
    """A shard of R frames and what they look like.

    Attributes:
        index: where its records lie.
        descriptors: uint8, shape (R, D).
    """

    index: ShardIndex
    descriptors: np.ndarray

    @classmethod
    def read(cls, store: StreamStore, index: ShardIndex) -> "ShardLooks":
        """Its descriptors; where they are damaged, and of a shard of layout 1, from its images.

        Raises:
            ShardGoneError: the shard is gone.
            StoreAwayError: the store is away.
        """
        if index.descriptor_lengths.any():
            try:
                return cls(index, stack_descriptors(read_descriptors(store, index)))
            except (ShardGoneError, StoreAwayError):
                raise
            except StorageError:
                pass  # of use all the same: the records have checksums of their own
        looks = []
        for position in range(len(index)):
            try:
                looks.append(describe(read_record(store, index, position).frame))
            except (ShardGoneError, StoreAwayError):
                raise
            except StorageError:
                looks.append(b"")  # a damaged record: whoever reads it says so
        return cls(index, stack_descriptors(looks))


@dataclass(frozen=True, eq=False)
class Rewrite:
    """A shard that goes.

    Attributes:
        shard: it.
        keep: which of its frames are packed into another shard first, bool, shape (R,).
    """

    shard: ShardLooks
    keep: np.ndarray


@dataclass
class CellPlan:
    """What to do with a cell.

    Attributes:
        groups: shards to pack together, each group in the order of the sequences.
        frames: before, each counted once.
        frames_kept: after.
        bytes_kept: after, about.
        labelled: past frames kept for their labels.
        reservoir: past frames kept for their looks.
        over_budget: the labelled frames exceed what the past may take.
    """

    groups: list[list[Rewrite]] = field(default_factory=list)
    frames: int = 0
    frames_kept: int = 0
    bytes_kept: int = 0
    labelled: int = 0
    reservoir: int = 0
    over_budget: bool = False


def plan_cell(shards: list[ShardLooks], policy: RetentionPolicy, labelled: Set[int], now_ns: int) -> CellPlan:
    """Decide about the shards of one cell.

    Args:
        shards: all of them.
        policy: the budgets.
        labelled: sequences of labelled frames.
        now_ns: nanoseconds since the Unix epoch.
    """
    # By their newest frame; a copy of a frame in a packed shard stays, the one it was copied from goes.
    shards = sorted(shards, key=lambda shard: (int(shard.index.sequences[-1]), shard.index.name))
    frames = _Frames(shards, labelled, now_ns)
    plan = CellPlan(frames=int(frames.live.sum()))
    fresh_shard = _fresh_shards(shards, frames, policy)
    fresh = fresh_shard[frames.shard]
    kept_for_label = frames.live & ~fresh & frames.labelled
    kept_for_looks = _reservoir(frames, frames.live & ~fresh & ~frames.labelled, kept_for_label, policy)
    keep = (frames.live & fresh & ~_still(frames, fresh, policy, now_ns)) | kept_for_label | kept_for_looks
    keep[frames.shard == len(shards) - 1] = True  # the newest shard stays as it is
    for zone in (False, True):
        rewrites = [number for number in range(len(shards) - 1) if fresh_shard[number] == zone]
        plan.groups.append(_rewrites(rewrites, shards, frames, keep, policy))
    going = {rewrite.shard.index.name for group in plan.groups for rewrite in group}
    stays = keep | ~np.isin(frames.shard, [n for n, shard in enumerate(shards) if shard.index.name in going])
    plan.frames_kept = len(np.unique(frames.sequence[stays]))
    plan.bytes_kept = int(frames.bytes[stays].sum())
    plan.labelled, plan.reservoir = int(kept_for_label.sum()), int(kept_for_looks.sum())
    plan.over_budget = policy.max_bytes is not None and frames.bytes[kept_for_label].sum() > _past_bytes(policy)
    return plan


class _Frames:
    """The frames of a cell's shards, one after the other; all of shape (F,)."""

    def __init__(self, shards: list[ShardLooks], labelled: Set[int], now_ns: int) -> None:
        lengths = [len(shard.index) for shard in shards]
        self.shard = np.repeat(np.arange(len(shards)), lengths)
        self.sequence = np.concatenate([shard.index.sequences for shard in shards])
        # With a share of the header.
        self.bytes = np.concatenate(
            [np.diff(shard.index.offsets) + int(shard.index.offsets[0]) // len(shard.index) for shard in shards]
        )
        self.labelled = np.isin(self.sequence, np.array(sorted(labelled), np.uint64))
        width = max(shard.descriptors.shape[1] for shard in shards)
        self.looks = np.concatenate(
            [np.pad(shard.descriptors, ((0, 0), (0, width - shard.descriptors.shape[1]))) for shard in shards]
        )
        packed = np.repeat([is_packed(shard.index.name) for shard in shards], lengths)
        # The last of the copies of a frame is the live one.
        order = np.lexsort((self.shard, packed, self.sequence))
        last = np.append(self.sequence[order][1:] != self.sequence[order][:-1], True)
        self.live = np.zeros(len(order), bool)
        self.live[order[last]] = True
        captured = np.concatenate([shard.index.captured_at_ns for shard in shards])
        self.captured_at_ns = np.empty_like(captured)
        self.captured_at_ns[order] = effective_times_ns(captured[order], now_ns)
        self.age_s = (now_ns - self.captured_at_ns) / 1e9


def effective_times_ns(captured_at_ns: np.ndarray, now_ns: int) -> np.ndarray:
    """When frames were captured, as far as a clock that jumps can be believed; int64, of the same shape.

    A later frame is not older than an earlier one, and none is newer than now: a clock set back or ahead makes frames
    look too new, so that they stay, never too old.

    Args:
        captured_at_ns: by the cell's clock, in the order of the sequences.
        now_ns: by the clock of this machine.
    """
    return np.minimum(np.maximum.accumulate(captured_at_ns), now_ns)


def _past_bytes(policy: RetentionPolicy) -> float:
    """What labelled frames and reservoir may take, with room for what is dead but not yet packed anew."""
    return float("inf") if policy.max_bytes is None else policy.max_bytes * policy.past_share * (1 - DEAD_SHARE)


def _fresh_bytes(frames: _Frames, policy: RetentionPolicy) -> float:
    """What is left for fresh shards: all that labelled frames and a full reservoir leave."""
    if policy.max_bytes is None:
        return float("inf")
    labels = float(frames.bytes[frames.live & frames.labelled].sum())
    past = max(labels, min(_past_bytes(policy), labels + policy.reservoir_frames * float(frames.bytes.max())))
    return policy.max_bytes - past / (1 - DEAD_SHARE)


def _fresh_shards(shards: list[ShardLooks], frames: _Frames, policy: RetentionPolicy) -> np.ndarray:
    """Which shards are fresh, bool, shape (S,): from the newest on, as far as the budgets reach."""
    fresh = np.zeros(len(shards), bool)
    left = _fresh_bytes(frames, policy)
    for number in reversed(range(len(shards))):
        left -= shards[number].index.size_bytes
        young = policy.max_age_s is None or frames.age_s[frames.shard == number].min() <= policy.max_age_s
        if number < len(shards) - 1 and (left < 0 or not young):
            break
        fresh[number] = True
    return fresh


def _reservoir(frames: _Frames, candidates: np.ndarray, given: np.ndarray, policy: RetentionPolicy) -> np.ndarray:
    """Which candidates are unlike each other and what is given, bool, shape (F,)."""
    picked = np.zeros(len(candidates), bool)
    rows = np.flatnonzero(candidates)
    rows = rows[np.argsort(frames.sequence[rows])]
    if not len(rows):
        return picked
    left = _past_bytes(policy) - float(frames.bytes[given].sum())
    most = policy.reservoir_frames
    if np.isfinite(left):
        most = min(most, max(0, int(left / frames.bytes[rows].min())))
    order = rows[diverse(frames.looks[rows], most, frames.looks[given])]
    picked[order[np.cumsum(frames.bytes[order]) <= left]] = True
    return picked


def _still(frames: _Frames, fresh: np.ndarray, policy: RetentionPolicy, now_ns: int) -> np.ndarray:
    """Which fresh frames show what the last kept one shows, bool, shape (F,)."""
    still = np.zeros(len(fresh), bool)
    if policy.still_levels is None or not frames.looks.shape[1]:
        return still
    rows = np.flatnonzero(fresh & frames.live & ~frames.labelled & (frames.age_s > policy.settle_s))
    rows = rows[np.argsort(frames.sequence[rows])]
    looks = frames.looks.astype(np.int16)
    known: np.ndarray = np.any(looks, axis=1)
    last = -1
    for row in rows.tolist():
        if (
            last >= 0
            and known[row]
            and frames.captured_at_ns[row] - frames.captured_at_ns[last] < policy.still_keep_s * 1e9
            and np.abs(looks[row] - looks[last]).max() <= policy.still_levels
        ):
            still[row] = True
        else:
            last = row
    return still


def _rewrites(
    numbers: list[int], shards: list[ShardLooks], frames: _Frames, keep: np.ndarray, policy: RetentionPolicy
) -> list[Rewrite]:
    """The shards of one zone that are worth packing anew."""
    found, small = [], []
    for number in numbers:
        kept = keep[frames.shard == number]
        rewrite = Rewrite(shards[number], kept)
        if 1 - kept.mean() >= DEAD_SHARE:
            found.append(rewrite)
        elif is_packed(shards[number].index.name) and kept.sum() < policy.shard_frames / 2:
            small.append(rewrite)
    if len(small) + any(rewrite.keep.any() for rewrite in found) > 1:
        found += small
    return sorted(found, key=lambda rewrite: int(rewrite.shard.index.sequences[0]))
