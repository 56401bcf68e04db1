"""The page of the changing scene: goals, a figure over time, and what followed each change."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.live_shift_figures import NamedCamera, ShiftPlan, ShiftRun, by_way, moving_change, seconds
from experiments.pages import SERIES, page_of, save, table
from experiments.run_course import windows
from experiments.scene_pictures import draw_changes
from s3k_dist.atomic import write_atomic
from s3k_dist.folders import make_folder

PAGE = Path("docs/experiments/live_shift.md")
DOUBLE, RETURNED, NOTICED_S, HOUR_S, NEAR = 2.0, 1.25, 60.0, 3600.0, 0.2
COLOURS = {"adapting": SERIES[0], "frozen": SERIES[1]}
POINTS = 400


def write_page(preset: str, plan: ShiftPlan, runs: Mapping[str, ShiftRun], missing: Sequence[str]) -> Path:
    """Draw the pictures and write the page.

    Args:
        preset: of the experiment.
        plan: of the changes.
        runs: finished ones by name, at least one.
        missing: names of those that are not done.

    Returns:
        Where it is.
    """
    ways = by_way(list(runs.values()))
    summary = next(iter(runs.values())).summary
    machine, labelled = summary["machine"], summary["keypoints"]["labelled_frames"]
    minutes = sorted(run.summary["wall_s"] / 60 for run in runs.values())
    interval_min, window_min = (seconds(frames) / 60 for frames in (plan.interval_frames, plan.window_frames))
    parts = [
        "# The scene changes while the run works",
        f"Made by `python -m experiments.live_shift --preset {preset}`; numbers are not edited. Machine: "
        f"{machine['cpu']}, {machine['cores']} cores; {minutes[0]:.0f} to {minutes[-1]:.0f} minutes a run."
        + (f" Not run: {', '.join(missing)}." if missing else ""),
        f"One cell, level `{plan.level}`, {labelled} labelled frames, and no label added. Every "
        f"{plan.interval_frames:,} frames of the cell ({interval_min:.0f} minutes at 4 Hz) the scene changes, on top "
        f"of what it was: {'; '.join(text for text, _ in plan.changes)}. `adapting` follows the stream; `frozen` keeps "
        "the first keypoint model (`keypoints.follow_stream=false`). Both learn their policy, and share recordings, "
        "labels and first model. Errors are distances from the simulator's truth, over all keypoints of all frames "
        f"that the agent visits, {plan.window_frames} frames at a time ({window_min:.1f} minutes); success is by "
        "truth, too.",
        draw_scenes(preset, plan),
        "## What was to be shown",
        _goals(plan, ways),
        "## Over time",
        _figure(preset, plan, ways),
        "Lines: the median seed; bands: all seeds; dashed: the 95th percentile of the median seed. Dotted upright: the "
        "changes. Windows look back, so that a change shows over one window's length.",
        "## After each change",
        _after(plan, ways),
        "The median over the seeds, and the least and the largest. Worst and lowest: of any window before the next "
        "change; end: the last one. First alarm: on a cell at 4 Hz, and in brackets as the run took it, whose cell is "
        "faster; `on`: an alarm was on already when the change came, and no further one began.",
        *_camera(plan, ways),
    ]
    page = page_of(PAGE, preset)
    make_folder(page.parent)
    write_atomic(page, ("\n\n".join(parts) + "\n").encode())
    return page


def draw_scenes(preset: str, plan: ShiftPlan) -> str:
    """Draw what the changes look like; returns the Markdown that shows it."""
    name = f"live_shift_{preset}_scenes"
    return draw_changes(name, plan.changes, scene_seed=plan.scene_seed, level=plan.level, image_px=plan.image_px)


def _goals(plan: ShiftPlan, ways: Mapping[str, Sequence[ShiftRun]]) -> str:
    every = [run for of_way in ways.values() for run in of_way]
    rows = []
    if doubled := [max(change.worst_factor for change in run.after) for run in ways.get("frozen", ()) if run.after]:
        text = f"at most by {_each(doubled, '{:.2f}')} (a factor for each seed)"
        rows.append(["the frozen model at least doubles its error at some change", text, _yes(min(doubled) >= DOUBLE)])
    if returned := [max(change.end_factor for change in run.after) for run in ways.get("adapting", ()) if run.after]:
        text = f"after the change that it recovers from least: {_each(returned, '{:.2f}')}"
        rows.append([f"the adapting one returns to {RETURNED} of it", text, _yes(max(returned) <= RETURNED)])
    quiet = [change for run in every for change in run.after if not change.on_already]
    if quiet:
        delays = [seconds(change.alarm_frames) for change in quiet if change.alarm_frames is not None]
        within = sum(delay <= NOTICED_S for delay in delays)
        text = f"{within} of {len(quiet)} that came while no alarm was on"
        text += f"; the slowest after {max(delays):.0f} s" if delays else ""
        rows.append([f"an alarm within {NOTICED_S:.0f} s of each change, at 4 Hz", text, _yes(within == len(quiet))])
    false, watched_s = sum(run.false_alarms for run in every), seconds(sum(run.watched_frames for run in every))
    text = f"{false} in {watched_s / 60:.0f} minutes of all runs before the first change"
    rows.append(["no false alarm in an hour", text, _yes(false == 0) if watched_s >= HOUR_S else "too short to say"])
    number = moving_change(plan)
    came = [run for run in every if number is not None and number < len(run.after)]
    if came and number is not None:
        moved = plan.changes[number][1]
        answers = [_last_word(run) for run in came]
        right = [each for each in answers if each is not None and each.camera == moved.camera]
        true_mm = 1e3 * float(np.linalg.norm(moved.camera_moved_m))
        near = sum(each.off_mm <= NEAR * true_mm for each in right)
        rows.append(["the moved camera is named", f"in {len(right)} of {len(came)} runs", _yes(right == answers)])
        rows.append(
            [f"its motion is found within {NEAR:.0%}", f"in {near} of {len(came)} runs", _yes(near == len(came))]
        )
    return table(["goal", "came to", "reached"], rows)


def _figure(preset: str, plan: ShiftPlan, ways: Mapping[str, Sequence[ShiftRun]]) -> str:
    every = [run for of_way in ways.values() for run in of_way]
    figure = Figure(figsize=(8.0, 9.0), layout="constrained", facecolor="white")
    plots = figure.subplots(4, 1, sharex=True, height_ratios=(3, 2, 1.2, 1.2))
    error, success, alarms, versions = plots
    end_min = min(_minutes(run, run.course.sequence[-1]) for run in every)
    for way, of_way in ways.items():
        colour = COLOURS[way]
        at = np.linspace(_minutes(of_way[0], of_way[0].recorded + plan.window_frames), end_min, POINTS)
        median, p95, rate = np.stack([_curves(run, at) for run in of_way], axis=1)
        error.fill_between(at, median.min(0), median.max(0), color=colour, alpha=0.18, linewidth=0)
        error.plot(
            at,
            np.median(median, axis=0),
            color=colour,
            label=f"{way}, {len(of_way)} seed{'s' if len(of_way) > 1 else ''}",
        )
        error.plot(at, np.median(p95, axis=0), "--", color=colour, linewidth=1)
        success.fill_between(at, 100 * rate.min(0), 100 * rate.max(0), color=colour, alpha=0.18, linewidth=0)
        success.plot(at, 100 * np.median(rate, axis=0), color=colour)
    for row, run in enumerate(every):
        colour = COLOURS[run.way]
        minutes = [_minutes(run, sequence) for sequence in run.course.alarms()]
        alarms.plot(minutes, [row] * len(minutes), "|", color=colour, markersize=9)
        # Dots, not a line: while a version is on trial, episodes take turns.
        at = _minutes(run, run.course.sequence[run.course.ends])
        versions.plot(at, run.course.model_version, ".", color=colour, markersize=2)
    for plot in plots:
        plot.spines[["top", "right"]].set_visible(False)
        plot.grid(color="#e6e2da", linewidth=0.8)
        plot.set_axisbelow(True)
        for number in range(len(plan.changes)):
            plot.axvline(seconds((1 + number) * plan.interval_frames) / 60, color="#666b75", lw=1, ls=":")
    error.set(ylabel="error, mm", yscale="log", xlim=(0, end_min))
    error.legend(frameon=False)
    success.set(ylabel="success, %", ylim=(-3, 103))
    alarms.set(ylabel="alarms begin", ylim=(-0.7, len(every) - 0.3))
    alarms.set_yticks(range(len(every)), [f"{run.way} {run.seed}" for run in every], size=7)
    versions.yaxis.set_major_locator(MaxNLocator(integer=True))
    versions.set(ylabel="model of each episode", xlabel="minutes of the cell at 4 Hz")
    _steps_above(error, every[0])
    return save(figure, f"live_shift_{preset}")


def _curves(run: ShiftRun, at_min: np.ndarray) -> np.ndarray:
    """Median, 95th percentile and success of a run at some minutes, shape (3, points)."""
    size = run.plan.window_frames
    rolling = windows(run.course, size, max(1, size // 8))
    known = _minutes(run, run.course.sequence[rolling.index - 1])
    values = (rolling.median_mm, rolling.p95_mm, rolling.success)
    return np.stack([np.interp(at_min, known, value) for value in values])


def _minutes(run: ShiftRun, sequence: np.ndarray | float) -> np.ndarray:
    return np.asarray(seconds(1.0) * (np.asarray(sequence, np.float64) - run.recorded) / 60)


def _steps_above(plot: Axes, run: ShiftRun) -> None:
    """The same axis in environment steps, of one run."""
    course = run.course
    top = plot.twiny()
    top.spines[["top", "right"]].set_visible(False)
    ticks = np.linspace(0, plot.get_xlim()[1], 7)
    labels = np.interp(ticks, _minutes(run, course.sequence[course.ends]), course.steps, left=0)
    top.set(xlim=plot.get_xlim(), xlabel="environment steps")
    top.set_xticks(ticks, [f"{steps:,.0f}" for steps in labels])


def _after(plan: ShiftPlan, ways: Mapping[str, Sequence[ShiftRun]]) -> str:
    rows = []
    for number, (text, _) in enumerate(plan.changes):
        for way, of_way in ways.items():
            found = [run.after[number] for run in of_way if number < len(run.after)]
            if not found:
                continue
            row = [text, way]
            for which, form in ((0, "{:.2f}"), (1, "{:.1f}")):
                moments = [(one.before_mm[which], one.worst_mm[which], one.end_mm[which]) for one in found]
                row.append(" / ".join(_spread(values, form) for values in zip(*moments, strict=True)))
            row.append(_spread([one.worst_factor for one in found], "{:.2f}"))
            row.append(_spread([one.end_factor for one in found], "{:.2f}"))
            shares = zip(*(one.success for one in found), strict=True)
            row.append(" / ".join(_spread([100 * share for share in each], "{:.0f}%") for each in shares))
            row.append(", ".join(_alarm(one.alarm_frames, one.alarm_s, one.on_already) for one in found))
            rows.append(row)
    header = ["change", "model", "median error, mm: before / worst / end", "95th percentile", "worst ÷ before"]
    header += ["end ÷ before", "success: before / lowest / end", "first alarm, by seed"]
    return table(header, rows)


def _alarm(frames: int | None, run_s: float | None, on_already: int) -> str:
    if frames is None or run_s is None:
        return "on" if on_already else "none"
    return f"{seconds(frames):.0f} s ({run_s:.0f})"


def _camera(plan: ShiftPlan, ways: Mapping[str, Sequence[ShiftRun]]) -> list[str]:
    number = moving_change(plan)
    if number is None:
        return []
    moved = plan.changes[number][1]
    rows = []
    for run in (run for of_way in ways.values() for run in of_way if number < len(run.changed_at)):
        said, last = [each for each in run.named_cameras if each.frames >= 0], _last_word(run)
        others = sum(each.camera != moved.camera for each in run.named_cameras)
        row = [f"{run.way}, seed {run.seed}"]
        if last is None:
            row += ["not named", "–", "–", "–", "–"]
        else:
            row += [f"{said[0].camera} after {seconds(said[0].frames):.0f} s", last.camera, f"{last.found_mm:.1f}"]
            row += [f"{last.off_mm:.1f}", f"{last.turned_deg:.2f}" + ("" if last.settled else ", not settled")]
        early = sum(each.frames < 0 for each in run.named_cameras)
        rows.append([*row, str(others), str(early)])
    if not rows:
        return []
    true_mm = 1e3 * float(np.linalg.norm(moved.camera_moved_m))
    header = ["run", "first named, at 4 Hz", "last named", "motion found, mm", "off by, mm", "turned, °"]
    header += ["another one named", "named before it moved"]
    return [
        "## The moved camera",
        f"`{moved.camera}` moves by {true_mm:.1f} mm and does not turn; its calibration stays as it was. Nothing puts "
        "it right: a person would ([continual.md](../continual.md)). Off by: length of the difference between the "
        "motion found last and the true one.",
        table(header, rows),
    ]


def _last_word(run: ShiftRun) -> NamedCamera | None:
    return next((each for each in reversed(run.named_cameras) if each.frames >= 0), None)


def _spread(values: Sequence[float], form: str) -> str:
    known = [value for value in values if np.isfinite(value)]
    if not known:
        return "–"
    middle = form.format(float(np.median(known)))
    return middle if len(known) == 1 else f"{middle} ({form.format(min(known))} to {form.format(max(known))})"


def _each(values: Sequence[float], form: str) -> str:
    return ", ".join(form.format(value) for value in values)


def _yes(reached: bool) -> str:
    return "yes" if reached else "no"
