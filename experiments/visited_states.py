"""How well keypoints are seen in the states that an agent visits while it learns: a detector that follows, one frozen.

python -m experiments.visited_states                               # every run, one after the other, then the page
python -m experiments.visited_states --curve frozen-seed0          # one
python -m experiments.visited_states --slice-min 60                # as much as fits; the same command goes on
python -m experiments.visited_states --page                        # the page from what is there
python -m experiments.visited_states --following DIR --frozen DIR  # the page from other runs, of any number

No change of the scene: the agent itself is the shift. It explores, and leaves the states that were labelled.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deploy.interrupt import INTERRUPTED
from deploy.run_folder import RunFolder
from experiments import shared_start
from experiments.pages import SERIES, axes, page_of, save, table
from experiments.run_course import RunCourse, read_course, windows
from experiments.shared_start import Start, finished
from s3k_dist.atomic import write_atomic
from s3k_dist.errors import S3KError, StorageError
from s3k_dist.folders import make_folder

PAGE = Path("docs/experiments/visited_states.md")
WAYS = {"following": (), "frozen": ("keypoints.follow_stream=false",)}
GOAL_MM = 5.0
WINDOW_FRAMES = 2000
POINTS = 200


@dataclass(frozen=True)
class Setting:
    """A preset of this experiment: seeds and preset of the runs, their settings, and frames of a window."""

    seeds: tuple[int, ...]
    preset: str
    shared: tuple[str, ...]
    own: tuple[str, ...]
    window_frames: int = WINDOW_FRAMES


SETTINGS = {
    "cpu": Setting((0, 1, 2), "laptop", ("cells.level=standard",), ("policy.env_steps=8000", "evaluation.episodes=20")),
    "smoke": Setting((0,), "smoke", (), ("evaluation.episodes=1",), window_frames=60),
}


@dataclass(frozen=True, eq=False)
class VisitedRun:
    """One run: where it is, its training, and what else it came to."""

    folder: Path
    course: RunCourse
    machine: str


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if bool(options.following) != bool(options.frozen):
        parser.error("--following and --frozen go together: the page sets one beside the other")
    setting, root = SETTINGS[options.preset], options.out / options.preset
    every = {f"{way}-seed{seed}": (way, seed) for seed in setting.seeds for way in WAYS}
    try:
        if unknown := [name for name in options.curve if name not in every]:
            raise S3KError(f"no curve {', '.join(map(repr, unknown))}; there are: {', '.join(every)}")
        if options.following:
            folders = {"following": options.following, "frozen": options.frozen}
        else:
            make_folder(root)
            ends_s = None if options.slice_min is None else time.monotonic() + 60 * options.slice_min
            for name in [] if options.page else options.curve or every:
                if not finished(root / name) and not _train(*every[name], root / name, setting, ends_s):
                    break
            folders = {way: [root / name for name, (of, _) in every.items() if of == way] for way in WAYS}
            folders = {way: [folder for folder in of_way if finished(folder)] for way, of_way in folders.items()}
        runs = {way: [_read(folder) for folder in of_way] for way, of_way in folders.items() if of_way}
        if runs:
            path = page_of(PAGE, options.preset)
            make_folder(path.parent)
            write_atomic(path, page(options.preset, runs, setting.window_frames).encode())
            print(f"wrote {path}")
    except S3KError as error:
        print(f"visited_states: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    return 0


def page(preset: str, runs: Mapping[str, Sequence[VisitedRun]], window_frames: int = WINDOW_FRAMES) -> str:
    """The text of ``docs/experiments/visited_states.md``; writes its picture.

    Args:
        preset: of the experiment.
        runs: of each way, at least one of one way.
        window_frames: over which errors are taken.
    """
    rows = []
    for way, of_way in runs.items():
        found = [windows(run.course, window_frames, max(1, window_frames // 8)) for run in of_way]
        medians, p95s, successes = zip(*(_last(run.course, window_frames) for run in of_way), strict=True)
        rows.append(
            [
                way,
                str(len(of_way)),
                _spread([each.median_mm[0] for each in found], "{:.2f}"),
                _spread([each.p95_mm[0] for each in found], "{:.1f}"),
                _spread([each.p95_mm.max() for each in found], "{:.1f}"),
                _spread(medians, "{:.2f}"),
                _spread(p95s, "{:.1f}"),
                _spread([100 * success for success in successes], "{:.0f}%"),
            ]
        )
    header = ["detector", "runs", "median, first", "95th percentile, first", "its largest", "median, last"]
    header += ["95th percentile, last", "success, last"]
    machines = "; ".join(sorted({run.machine for of_way in runs.values() for run in of_way}))
    last = [_last(run.course, window_frames)[1] for run in runs.get("following", ())]
    reached = f"The goal, a 95th percentile under {GOAL_MM:.0f} mm at the end with the following detector, is "
    reached += "reached" if last and max(last) < GOAL_MM else "not reached"
    reached += f" ({_spread(last, '{:.1f}')} mm)" if last else ""
    parts = [
        "# Keypoints in the states that an agent visits",
        f"Made by `python -m experiments.visited_states --preset {preset}`, which also takes the folders of "
        f"other runs; numbers are not edited. Machine: {machines}.",
        "Distance of served keypoints from the simulator's truth, mm, over all keypoints of the last "
        f"{window_frames:,} frames that the agent visited while it learned. Labels are from before it acted. "
        "`following`: the keypoint learner goes on with the agent's own stream, without a label; `frozen`: the first "
        "model stays (`keypoints.follow_stream=false`).",
        _figure(preset, runs, window_frames),
        "Lines: the median run; bands: all runs; dashed: the 95th percentile.",
        table(header, rows),
        f"The median over the runs, and the least and the largest. First: the first {window_frames:,} frames; last: "
        f"the last ones. {reached}.",
    ]
    return "\n\n".join(parts) + "\n"


def _figure(preset: str, runs: Mapping[str, Sequence[VisitedRun]], window_frames: int) -> str:
    figure, plot = axes(7.2, 4.4)
    every = [run.course for of_way in runs.values() for run in of_way]
    end = min(int(course.steps[-1]) for course in every)
    begin = max(float(_steps_at(course, np.array([window_frames]))[0]) for course in every)
    at = np.linspace(min(begin, end), end, POINTS)
    for (way, of_way), colour in zip(runs.items(), SERIES, strict=False):
        curves = []
        for run in of_way:
            rolling = windows(run.course, window_frames, max(1, window_frames // 8))
            known = _steps_at(run.course, rolling.index)
            curves.append([np.interp(at, known, value) for value in (rolling.median_mm, rolling.p95_mm)])
        for value, style, label in zip(np.stack(curves, axis=1), ("-", "--"), (way, None), strict=True):
            plot.fill_between(at, value.min(0), value.max(0), color=colour, alpha=0.15, linewidth=0)
            plot.plot(at, np.median(value, axis=0), style, color=colour, label=label)
    plot.axhline(GOAL_MM, color=SERIES[5], linewidth=1, linestyle=":")
    plot.set(xlabel="environment steps", ylabel="keypoint error in visited states, mm", yscale="log")
    plot.legend(frameon=False)
    return save(figure, f"visited_states_{preset}")


def _steps_at(course: RunCourse, index: np.ndarray) -> np.ndarray:
    """Environment steps that were over at the frame before each index."""
    return np.interp(index - 1, course.ends, course.steps)


def _last(course: RunCourse, window_frames: int) -> tuple[float, float, float]:
    """Median and 95th percentile of the error over the last frames, mm, and the share of successes there."""
    frames = len(course.sequence)
    first = max(0, frames - window_frames)
    return (*course.error(first, frames), course.success(first, frames))


def _spread(values: Sequence[float], form: str) -> str:
    middle = form.format(float(np.median(values)))
    return middle if len(values) == 1 else f"{middle} ({form.format(min(values))} to {form.format(max(values))})"


def _train(way: str, seed: int, folder: Path, setting: Setting, ends_s: float | None) -> bool:
    start = Start(folder.parent / f"base-seed{seed}", seed, setting.shared, setting.preset)
    return start.copy_to(folder, ends_s) and shared_start.go_on(folder, [*setting.own, *WAYS[way]], ends_s)


def _read(folder: Path) -> VisitedRun:
    try:
        machine = json.loads(RunFolder(folder).summary.read_text())["machine"]
    except (OSError, ValueError, KeyError) as error:
        raise StorageError(f"{folder} is not a finished run: {error}") from error
    return VisitedRun(folder, read_course(RunFolder(folder)), f"{machine['cpu']}, {machine['cores']} cores")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.visited_states")
    parser.add_argument("--preset", choices=tuple(SETTINGS), default="cpu", help="default: %(default)s")
    parser.add_argument("--curve", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--page", action="store_true", help="train nothing; write the page from what is done")
    parser.add_argument("--slice-min", type=float, default=None, metavar="M", help="stop after so long; resumable")
    parser.add_argument("--out", type=Path, default=Path("runs/experiments/visited_states"))
    for way in WAYS:
        parser.add_argument(f"--{way}", type=Path, action="append", default=[], metavar="DIR", help="a finished run")
    return parser


if __name__ == "__main__":
    sys.exit(main())
