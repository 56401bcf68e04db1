"""The writer against a bare write of the same bytes."""

import os
import shutil
import statistics
from dataclasses import dataclass
from pathlib import Path

from benchmarks.stream.frames import records
from benchmarks.stream.timing import interleaved, ratio
from s3k_dist.frames import MultiViewFrame
from s3k_dist.images import Encoding, encode_image
from s3k_dist.stream.writer import StreamWriter


@dataclass(frozen=True)
class Written:
    """Of one encoding.

    Attributes:
        encoding: of the images.
        frames_per_s: of the writer.
        mb_per_s: of the writer, as stored.
        of_bare: its speed over that of a bare write of the same shards, synced.
        of_encoding: likewise, where the bare write has to encode the images first.
    """

    encoding: str
    frames_per_s: float
    mb_per_s: float
    of_bare: float
    of_encoding: float


def time_writing(frames: list[MultiViewFrame], folder: Path, rounds: int) -> list[Written]:
    """Each encoding by turns with its bare writes."""
    return [_time(encoding, frames, folder / encoding.name, rounds) for encoding in (Encoding.RAW, Encoding.PNG)]


def _time(encoding: Encoding, frames: list[MultiViewFrame], folder: Path, rounds: int) -> Written:
    taken = list(records(frames, "cell0"))

    def clear() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def write() -> None:
        with StreamWriter(folder, "cell0", encoding=encoding) as writer:
            for record in taken:
                writer.append(record)

    clear()
    write()
    shards = [path.read_bytes() for path in sorted(folder.glob("*/*.s3k"))]

    def bare() -> None:
        for number, content in enumerate(shards):
            with (folder / str(number)).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())

    def encode() -> None:
        for frame in frames:
            for view in frame.views:
                encode_image(view.image, encoding)
        bare()

    seconds = interleaved({"writer": write, "bare": bare, "encode": encode}, rounds, before=clear)
    shutil.rmtree(folder)
    typical_s = statistics.median(seconds["writer"])
    return Written(
        encoding.name,
        len(frames) / typical_s,
        sum(map(len, shards)) / 1e6 / typical_s,
        ratio(seconds["writer"], seconds["bare"]),
        ratio(seconds["writer"], seconds["encode"]),
    )
