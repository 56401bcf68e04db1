"""What a disk does: it flips bits, or is full."""

from pathlib import Path

import psutil

from deploy.run_folder import RunFolder
from experiments.soak.ledger import Ledger
from learners.ddpg.checkpoint import REPLAY_FILE, latest_checkpoint
from s3k_dist.errors import StorageError
from s3k_dist.stream.reader import StreamReader
from s3k_dist.weights import WEIGHTS_NAME, WeightsRegistry


def flip_a_bit(path: Path, where: float = 0.5) -> None:
    """At a share of a file's length; it stays the file it is."""
    with path.open("r+b") as file:
        at = int(where * path.stat().st_size)
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def flip_all_over(path: Path) -> None:
    """A hundred bits of a file: some bytes of one mean nothing."""
    for percent in range(100):
        flip_a_bit(path, percent / 100)


def damage_checkpoint(root: Path) -> str:
    """The newest of the policy learner; returns its name."""
    newest = latest_checkpoint(RunFolder(root).checkpoints)
    if newest is None:
        raise StorageError(f"{root} has no checkpoint to damage")
    flip_a_bit(newest / REPLAY_FILE)
    return newest.name


def damage_trainer(root: Path) -> None:
    """The keypoint learner's state."""
    flip_all_over(RunFolder(root).trainer)


def damage_served_weights(root: Path, ledger: Ledger) -> int:
    """Of the promoted version; returns it."""
    registry = WeightsRegistry(RunFolder(root).models)
    version = RunFolder(root).require_model()
    flip_a_bit(registry.root / f"v{version:06d}" / WEIGHTS_NAME)
    ledger.forget_version(version)
    return version


def damage_shard(root: Path, frame_id: str, ledger: Ledger) -> list[str]:
    """That of a frame, all over; returns the frames that cannot be read any more."""
    stream = RunFolder(root).stream
    cell_id, _, sequence = frame_id.rpartition("/")
    for path in (stream / cell_id).glob("*.s3k"):
        first, count = (int(number) for number in path.stem.split("-")[:2])
        if first <= int(sequence) < first + count:
            flip_all_over(path)
            reader = StreamReader(stream)
            reader.refresh()
            names = [f"{cell_id}/{number:08d}" for number in range(first, first + count)]
            damaged = [name for name in names if not _readable(reader, name)]
            for name in damaged:
                ledger.forget_frame(name)
            return damaged
    raise StorageError(f"no shard of {cell_id} holds frame {sequence}")


def fill_disk(process: psutil.Process, size_bytes: int = 0) -> None:
    """As a full disk does, for one process: none of its files grows beyond this size."""
    process.rlimit(psutil.RLIMIT_FSIZE, (size_bytes, psutil.RLIM_INFINITY))


def free_disk(process: psutil.Process) -> None:
    """There is room again."""
    process.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))


def _readable(reader: StreamReader, name: str) -> bool:
    try:
        reader.read_by_id(name)
    except StorageError:
        return False
    return True
