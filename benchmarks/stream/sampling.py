"""The sampler against a bare read of the same bytes, and against WebDataset on the same frames."""

import json
import os
import statistics
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.stream.frames import records
from benchmarks.stream.timing import interleaved, ratio
from s3k_dist.frames import MultiViewFrame
from s3k_dist.images import Encoding, decode_image, encode_image
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.sampler import SamplerConfig, StreamSampler, draw
from s3k_dist.stream.writer import StreamWriter

THREADS = 2
BATCH = 16
WEB_SHARD_FRAMES = 64
WEB_SHUFFLE = 256  # frames held to be shuffled


@dataclass(frozen=True)
class Sampled:
    """Of one encoding, from the disk or from memory.

    Attributes:
        encoding: of the images.
        cached: the files were in the page cache.
        frames_per_s: of each contestant.
        of_bare: speed of the sampler over that of a bare read.
        of_decoding: likewise, where the bare read decodes the images, too.
        of_webdataset: over that of the faster WebDataset; None where it is not installed.
    """

    encoding: str
    cached: bool
    frames_per_s: dict[str, float]
    of_bare: float
    of_decoding: float
    of_webdataset: float | None


def time_sampling(frames: list[MultiViewFrame], folder: Path, rounds: int) -> list[Sampled]:
    """Each encoding, each from the disk and from memory."""
    found = []
    for encoding in (Encoding.RAW, Encoding.PNG):
        root = folder / encoding.name
        with StreamWriter(root / "stream", "cell0", encoding=encoding) as writer:
            for record in records(frames, "cell0"):
                writer.append(record)
        web = _web_contestants(frames, root / "web", encoding)
        found += [_time(encoding, root, web, len(frames), rounds, cached=cached) for cached in (False, True)]
    return found


def _time(
    encoding: Encoding, root: Path, web: dict[str, Callable[[], object]], count: int, rounds: int, *, cached: bool
) -> Sampled:
    reader = StreamReader(root / "stream")
    reader.refresh()
    config = SamplerConfig(batch=BATCH, threads=THREADS, ahead=4, fresh_frames=count // 4)
    batches = count // BATCH
    drawn = [draw(reader, config, np.random.default_rng((0, number))) for number in range(batches)]
    places = [_place(reader, int(index)) for indices in drawn for index in indices]
    layouts = [[(view.camera.width_px, view.camera.height_px) for view in reader.read(0).frame.views]] * len(places)
    files = sorted(path for path in root.glob("**/*") if path.is_file())

    def forget() -> None:
        for path in files if not cached else ():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)

    def sampler() -> None:
        with StreamSampler(reader, config, seed=0) as drawing:
            for _ in range(batches):
                drawing.next()

    def bare() -> None:
        with ThreadPoolExecutor(THREADS) as threads:
            for _ in threads.map(_read, places):
                pass

    def decoding() -> None:
        # The images lie one after the other in a record; where, is known here before the clock runs.
        with ThreadPoolExecutor(THREADS) as threads:
            for _ in threads.map(
                lambda place, sizes: _decode(_read(place[:3]), place[3], sizes, encoding), spans, layouts
            ):
                pass

    spans = [(*place, _images_in(_read(place), encoding)) for place in places]
    work: dict[str, Callable[[], object]] = {"sampler": sampler, "bare read": bare, "bare read, decoded": decoding}
    seconds = interleaved(work | web, rounds, before=forget)
    fastest = max(web, key=lambda name: ratio(seconds[name], seconds["sampler"]), default=None)
    return Sampled(
        encoding.name,
        cached,
        {name: batches * BATCH / statistics.median(taken) for name, taken in seconds.items()},
        ratio(seconds["sampler"], seconds["bare read"]),
        ratio(seconds["sampler"], seconds["bare read, decoded"]),
        ratio(seconds["sampler"], seconds[fastest]) if fastest else None,
    )


def _place(reader: StreamReader, index: int) -> tuple[str, int, int]:
    """File, offset and length of a frame's record."""
    sequence = np.uint64(int(reader.id_of(index).rpartition("/")[2]))
    for shard in reader.shards():
        at = int(np.searchsorted(shard.sequences, sequence))
        if at < len(shard) and shard.sequences[at] == sequence:
            start, end = int(shard.offsets[at]), int(shard.offsets[at + 1])
            return reader.store.where(shard.name), start, end - start
    raise AssertionError("a frame that was listed is in no shard")


def _read(place: tuple[str, int, int]) -> bytes:
    path, offset, length = place
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.pread(descriptor, length, offset)
    finally:
        os.close(descriptor)


def _images_in(data: bytes, encoding: Encoding) -> list[tuple[int, int]]:
    """Where the images begin and end in a record."""
    import msgpack

    spans, at = [], 0
    for view in msgpack.unpackb(data)["views"]:
        at = data.index(view["image"], at)
        spans.append((at, at + len(view["image"])))
        at += len(view["image"])
    return spans


def _decode(
    data: bytes, spans: list[tuple[int, int]], sizes: list[tuple[int, int]], encoding: Encoding
) -> list[np.ndarray]:
    return [
        decode_image(data[start:end], encoding, width, height)
        for (start, end), (width, height) in zip(spans, sizes, strict=True)
    ]


def _web_contestants(frames: list[MultiViewFrame], folder: Path, encoding: Encoding) -> dict[str, Callable[[], object]]:
    """WebDataset in this process, and in as many workers as the sampler has threads; none where it is not installed."""
    try:
        import webdataset
    except ImportError:
        return {}
    from torch.utils.data import DataLoader

    folder.mkdir(parents=True)
    paths = []
    taken = list(records(frames, "cell0"))
    for start in range(0, len(taken), WEB_SHARD_FRAMES):
        path = folder / f"{start:06d}.tar"
        paths.append(str(path))
        with webdataset.TarWriter(str(path)) as sink:
            for record in taken[start : start + WEB_SHARD_FRAMES]:
                images = {
                    f"{number}.image": encode_image(view.image, encoding)
                    for number, view in enumerate(record.frame.views)
                }
                facts = {
                    "step": record.step,
                    "sizes": [(view.camera.width_px, view.camera.height_px) for view in record.frame.views],
                    "intrinsics": [view.camera.intrinsics.tolist() for view in record.frame.views],
                    "rotation": [view.camera.rotation.tolist() for view in record.frame.views],
                    "translation_m": [view.camera.translation_m.tolist() for view in record.frame.views],
                }
                sink.write({"__key__": f"{record.frame.sequence:08d}", **images, "json": json.dumps(facts).encode()})

    def dataset() -> Any:
        return (
            webdataset.WebDataset(paths, shardshuffle=len(paths), seed=0, empty_check=False)
            .shuffle(WEB_SHUFFLE)
            .map(_web_frame(encoding))
            .batched(BATCH, collation_fn=list)
        )

    def drain(batches: Iterator[Any]) -> None:
        for _ in batches:
            pass

    return {
        "WebDataset": lambda: drain(iter(dataset())),
        f"WebDataset, {THREADS} workers": lambda: drain(
            iter(DataLoader(dataset(), batch_size=None, num_workers=THREADS, collate_fn=_as_it_is))
        ),
    }


def _as_it_is(batch: Any) -> Any:
    return batch


def _web_frame(encoding: Encoding) -> Callable[[dict[str, Any]], Any]:
    def decode(sample: dict[str, Any]) -> Any:
        facts = json.loads(sample["json"])
        images = [
            decode_image(sample[f"{number}.image"], encoding, width, height)
            for number, (width, height) in enumerate(facts["sizes"])
        ]
        return images, facts

    return decode
