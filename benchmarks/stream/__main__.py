"""Speed of the stream, and what becomes of its memory and its store in a day.

    python -m benchmarks.stream --write                # all, some ten minutes on two cores
    python -m benchmarks.stream --part day --hours 2

WebDataset is an extra, `pip install -e .[peers]`; without it that contestant is skipped.
"""

import argparse
import shlex
import sys
import tempfile
from pathlib import Path

from benchmarks.stream.day import replay_day
from benchmarks.stream.frames import cell_frames
from benchmarks.stream.page import PAGE, day_section, joined, sample_section, write_section
from benchmarks.stream.sampling import time_sampling
from benchmarks.stream.writing import time_writing
from experiments.machine import machine
from s3k_dist.atomic import write_atomic
from s3k_dist.folders import make_folder

PARTS = ("write", "sample", "day")


def main(arguments: list[str]) -> None:
    """Measure, print, and write the page if asked to."""
    options = _parser().parse_args(arguments)
    parts = PARTS if options.part is None else (options.part,)
    sections = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if "write" in parts or "sample" in parts:
            frames = cell_frames(options.frames, options.size)
        if "write" in parts:
            written = time_writing(frames, Path(folder) / "write", options.rounds)
            sections.append(_shown(write_section(written, len(frames), options.size)))
        if "sample" in parts:
            sampled = time_sampling(frames, Path(folder) / "sample", options.rounds)
            sections.append(_shown(sample_section(sampled, len(frames), options.size)))
        if "day" in parts:
            day = replay_day(
                Path(folder) / "day",
                cells=options.cells,
                hours=options.hours,
                image_px=options.day_size,
                budget_mb=options.budget_mb,
            )
            sections.append(_shown(day_section(day)))
    if options.write:
        make_folder(PAGE.parent)
        old = PAGE.read_text() if PAGE.exists() else ""
        write_atomic(PAGE, joined(_heading(arguments), sections, old).encode())
        print(f"\nwritten: {PAGE}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stream", description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, help="one part (default: all)")
    parser.add_argument("--frames", type=int, default=512, metavar="N", help="to write and sample (%(default)s)")
    parser.add_argument("--size", type=int, default=128, metavar="PX", help="of their images (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="of everything, by turns (%(default)s)")
    parser.add_argument("--cells", type=int, default=2, help="of the day (%(default)s)")
    parser.add_argument("--hours", type=float, default=24.0, help="of the day, simulated (%(default)s)")
    parser.add_argument("--day-size", type=int, default=32, metavar="PX", help="of the day's images (%(default)s)")
    parser.add_argument("--budget-mb", type=float, default=200.0, metavar="MB", help="of each cell (%(default)s)")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where the files go for the while (default: TMPDIR)")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE}")
    return parser


def _heading(arguments: list[str]) -> str:
    command = shlex.join(["python", "-m", "benchmarks.stream", *arguments])
    return (
        "# The stream against bare files, WebDataset and a day\n\n"
        f"Made by `{command}`, or by one part of it at a time; numbers are not edited. Machine: {machine()}. What is "
        "compared was timed by turns in one process; speeds are medians of the rounds, and each ratio is the median of "
        "the rounds' own, above 1 where the stream is faster."
    )


def _shown(section: str) -> str:
    print(f"\n{section}", flush=True)
    return section


if __name__ == "__main__":
    main(sys.argv[1:])
