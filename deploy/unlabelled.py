"""All frames of a stream in memory, to train on."""

from deploy.live_view import LiveView
from learners.keypoint.batches import LabelledFrames, UnlabelledFrames
from learners.keypoint.data import UnlabelledPool
from s3k_dist.errors import PreflightError
from s3k_dist.memory import available_bytes
from s3k_dist.stream.reader import StreamReader

FRAMES_A_READ = 64
MEMORY_SHARE = 0.8  # of what is free, for frames; the network needs some, too


def require_memory(frames: int, frame_bytes: int) -> None:
    """Raise PreflightError unless so many frames fit into the memory that is free."""
    needed, free = frames * frame_bytes, available_bytes()
    if needed > MEMORY_SHARE * free:
        raise PreflightError(
            f"{frames} frames take {needed / 1e9:.1f} GB in memory, {free / 1e9:.1f} GB are free: "
            "train on fewer or smaller frames, or on a larger machine"
        )


def read_unlabelled(reader: StreamReader, view: LiveView) -> UnlabelledFrames | None:
    """Every frame of the stream that has the layout of the first; None if none can be read."""
    pool, taken = UnlabelledPool(len(reader), seed=0), 0
    while taken < len(reader):
        taken += pool.follow(reader, FRAMES_A_READ)
        view.progress(taken / len(reader))
    if len(pool) < taken:
        view.event(f"{taken - len(pool)} frames are damaged or of another layout, and left out")
    return pool.frames()


def layout(frames: LabelledFrames | UnlabelledFrames) -> str:
    """Views and their size, for a person."""
    views, height, width = frames.images.shape[1:4]
    return f"{views} views of {width} x {height} px"
