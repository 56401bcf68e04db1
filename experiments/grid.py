"""A grid of trainings: each cell can be run alone, stopped and resumed; the page is made of what is done.

python -m experiments.box_scaling --preset cpu                 # all cells, then the page
python -m experiments.box_scaling --preset cpu --list          # the cells, done or not
python -m experiments.box_scaling --preset cpu --cell NAME     # one cell
python -m experiments.box_scaling --preset paper --slice-min 9 # as much as fits; call again to go on
python -m experiments.box_scaling --preset cpu --page          # the page from what is there
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.training import Training
from s3k_dist.atomic import write_atomic
from s3k_dist.errors import S3KError
from s3k_dist.folders import make_folder

POLL_S = 0.5
CELL_DEADLINE_S = 24 * 3600.0


@dataclass(frozen=True)
class Results:
    """What is done of one preset.

    Attributes:
        experiment: its name.
        preset: cpu or paper.
        cells: metrics of each finished cell, by its name.
        missing: cells that are not done.
    """

    experiment: str
    preset: str
    cells: Mapping[str, Mapping[str, Any]]
    missing: tuple[str, ...]

    def metric(self, cell: str, test: str, name: str) -> float | None:
        """One number, None where the cell is not done, or was before this was measured."""
        value = self.cells[cell]["metrics"][test].get(name) if cell in self.cells else None
        return None if value is None else float(value)

    def core_minutes(self, cell: str) -> float | None:
        """Processor time of a training, likewise."""
        seconds = self.cells.get(cell, {}).get("core_s")
        return None if seconds is None else float(seconds) / 60


@dataclass(frozen=True)
class Experiment:
    """One figure or table of the paper.

    Attributes:
        name: of the module.
        grid: cells of a preset by name.
        page: writes pictures, and returns the text of ``docs/experiments/<name>.md``.
    """

    name: str
    grid: Callable[[str], Mapping[str, Training]]
    page: Callable[[Results], str]

    def main(self) -> int:
        """The command line; returns the exit code."""
        options = _parser(self.name).parse_args()
        try:
            return self._run(options)
        except S3KError as error:
            print(f"{self.name}: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("stopped; the same command goes on", file=sys.stderr)
            return 130

    def _run(self, options: argparse.Namespace) -> int:
        grid = self.grid(options.preset)
        root: Path = options.out / self.name / options.preset
        make_folder(root)
        unknown = [name for name in options.cell if name not in grid]
        if unknown:
            raise S3KError(f"no cell {', '.join(map(repr, unknown))}; there are: {', '.join(grid)}")
        chosen = options.cell or list(grid)
        if options.list:
            for name in grid:
                print(f"{'done' if _result(root, name).exists() else 'open'}  {name}")
            return 0
        if not options.page:
            todo = [name for name in chosen if not _result(root, name).exists()]
            if options.jobs > 1 and len(todo) > 1:
                _in_processes(self.name, options, todo)
            else:
                for name in todo:
                    if not _one(grid[name], name, root, options):
                        return 0
        self.publish(options.preset, grid, root)
        return 0

    def publish(self, preset: str, grid: Mapping[str, Training], root: Path) -> None:
        """Write ``results.json`` beside the cells, a copy of it for the docs, and the page of what is done."""
        cells = {name: json.loads(_result(root, name).read_text()) for name in grid if _result(root, name).exists()}
        results = Results(self.name, preset, cells, tuple(name for name in grid if name not in cells))
        docs = Path("docs/experiments")
        make_folder(docs / self.name)
        for path in (root / "results.json", docs / self.name / f"{preset}.json"):
            write_atomic(path, json.dumps(asdict(results), indent=1).encode())
        if cells:
            write_atomic(docs / f"{self.name}.md", self.page(results).encode())
            print(f"wrote {docs / self.name}.md")


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m experiments.{name}")
    parser.add_argument("--preset", choices=("cpu", "paper"), default="cpu", help="default: %(default)s")
    parser.add_argument("--cell", action="append", default=[], metavar="NAME", help="only this cell; may be repeated")
    parser.add_argument("--list", action="store_true", help="name the cells, and which are done")
    parser.add_argument("--page", action="store_true", help="train nothing; write the page from what is done")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="cells at a time, sharing the cores")
    parser.add_argument("--slice-min", type=float, default=None, metavar="M", help="stop after so long; resumable")
    parser.add_argument("--out", type=Path, default=Path("runs/experiments"), help="default: %(default)s")
    return parser


def _one(training: Training, name: str, root: Path, options: argparse.Namespace) -> bool:
    """Train one cell to the end, or for the rest of the slice; True where it is done."""
    from experiments.training import train

    started = time.monotonic()
    slice_s = None if options.slice_min is None else 60 * options.slice_min
    metrics = train(training, options.out / "data", root / f"{name}.pt", slice_s)
    if metrics is None:
        print(f"{name}: paused after {time.monotonic() - started:.0f} s", flush=True)
        return False
    write_atomic(_result(root, name), json.dumps({"training": asdict(training), **metrics}, indent=1).encode())
    first = next(iter(metrics["metrics"].values()))
    print(
        f"{name}: {first['rms_px']:.2f} px RMS, {first['median_mm']:.1f} mm median, {metrics['training_s']:.0f} s",
        flush=True,
    )
    if options.slice_min is not None:
        options.slice_min -= (time.monotonic() - started) / 60
    return True


def _in_processes(experiment: str, options: argparse.Namespace, names: list[str]) -> None:
    """Run cells in processes of their own, a few at a time, each with its share of the cores."""
    threads = max(1, (os.cpu_count() or 1) // options.jobs)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    waiting, running = list(names), dict[str, tuple[subprocess.Popen[bytes], float]]()
    failed: list[str] = []
    try:
        while waiting or running:
            while waiting and len(running) < options.jobs:
                name = waiting.pop(0)
                command = [sys.executable, "-m", f"experiments.{experiment}", "--preset", options.preset]
                command += ["--cell", name, "--out", str(options.out)]
                if options.slice_min is not None:
                    command += ["--slice-min", str(options.slice_min)]
                running[name] = (subprocess.Popen(command, env=environment), time.monotonic())
            time.sleep(POLL_S)
            for name, (process, since) in list(running.items()):
                if process.poll() is None and time.monotonic() - since < CELL_DEADLINE_S:
                    continue
                if process.poll() != 0:
                    failed.append(name)
                    process.kill()
                del running[name]
    finally:
        for process, _ in running.values():
            process.terminate()
        for process, _ in running.values():
            process.wait(timeout=60)
    if failed:
        raise S3KError(f"these cells failed: {', '.join(failed)}; see above")


def _result(root: Path, name: str) -> Path:
    return root / f"{name}.json"
