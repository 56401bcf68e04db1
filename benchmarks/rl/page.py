"""What was measured, as Markdown and two figures."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import Results
from benchmarks.rl import contestants, speed
from benchmarks.rl.buffers import ACTION_SIZE, BATCH, OBSERVATION_SIZE, OURS, RLLIB, SB3
from benchmarks.rl.contestants import (
    AS_DDPG,
    AS_LOOP,
    AS_TD3,
    HIDDEN,
    LOOP,
    OURS_DDPG,
    OURS_LOOP,
    OURS_TD3,
    SB3_DDPG,
    SB3_TD3,
)
from benchmarks.rl.curves import NAMES, SEEDS, TASKS, curve_names
from benchmarks.rl.timing import Rates
from experiments.pages import axes, number, table
from s3k_dist.atomic import write_atomic
from s3k_dist.folders import make_folder

WINDOW = 5  # episodes of Pendulum
SUCCESS_WINDOW_STEPS = 2000
GOAL = -200.0


def write_page(results: Results, docs: Path) -> None:
    """Write ``benchmarks/rl.md`` and its figures from what is there.

    Raises:
        StorageError: they cannot be written.
    """
    sections = [_heading(results)]
    for name, section in (("speed", speed_section), ("replay", replay_section)):
        if (measured := results.read(name)) is not None:
            sections.append(section(measured) + "\n\n" + _on(measured))
    curves = {name: curve for name in curve_names() if (curve := results.read(f"curves/{name}")) is not None}
    for task in TASKS:
        of_task = [curve for curve in curves.values() if curve["task"] == task]
        if of_task:
            sections.append(curves_section(task, of_task, docs / "images"))
    if missing := [name for name in curve_names() if name not in curves]:
        sections.append(f"Curves not run: {len(missing)} of {len(curve_names())} (`--list` names them).")
    make_folder(docs / "benchmarks")
    page = docs / "benchmarks" / "rl.md"
    write_atomic(page, ("\n\n".join(sections) + "\n").encode())
    print(f"wrote {page}")


def speed_section(measured: Mapping[str, Any]) -> str:
    """Updates and environment steps."""
    updates = {name: Rates.from_json(rates) for name, rates in measured["updates"].items()}
    steps = {name: Rates.from_json(rates) for name, rates in measured["env_steps"].items()}
    text = (
        f"Pendulum-v1, networks of {HIDDEN} x {HIDDEN}, batches of {BATCH}, one thread, an update for each environment "
        "step. *Updates* are gradient steps on a filled replay: drawing the batch, both networks, priorities where "
        "there are any. *Steps* are environment steps end to end. Rates count this process's CPU time, and by the "
        f"clock in brackets; medians of {measured['rounds']} rounds, in each of which all took their turn. *Ours* is "
        f"the default: twin critics with LayerNorm, 1-step and n-step targets, the actor at every step; "
        f"{measured['mflop'][speed.BARE_OURS]:.0f} million floating-point operations of matrix products an update, "
        f"where TD3 has {measured['mflop'][speed.BARE_TD3]:.0f}. Like for like are the peers' algorithms, with our "
        f"priorities: *{OURS_TD3}* ({_settings(AS_TD3)}), *{OURS_DDPG}* ({_settings(AS_DDPG)}) and *{OURS_LOOP}* "
        f"({_settings(AS_LOOP)}). *Bare* is the gradient step on tensors that are ready. SAC learns a temperature "
        "besides and samples actions. Denormal numbers are flushed for all."
    )
    rows = [[name, _rate(rates), _rate(steps.get(name))] for name, rates in updates.items()]
    goals = [
        _ratio(updates, OURS_TD3, SB3_TD3, "updates/s"),
        _ratio(updates, OURS_DDPG, SB3_DDPG, "updates/s"),
        _ratio(updates, OURS_LOOP, LOOP, "updates/s"),
        _ratio(updates, contestants.OURS, SB3_TD3, "updates/s"),
        _ratio(updates, contestants.OURS, speed.BARE_OURS, "updates/s"),
        _ratio(updates, OURS_TD3, speed.BARE_TD3, "updates/s"),
        _ratio(updates, contestants.OURS, contestants.SAC, "updates/s"),
        _ratio(steps, OURS_TD3, SB3_TD3, "environment steps/s"),
        _ratio(steps, contestants.OURS, SB3_TD3, "environment steps/s"),
        _ratio(steps, contestants.OURS, contestants.SAC, "environment steps/s"),
    ]
    return "\n\n".join(
        [
            "## Updates and environment steps",
            text,
            table(["", "updates/s", "environment steps/s"], rows),
            table(["ratio, median of the rounds' own", ""], [goal for goal in goals if goal is not None]),
            *_skipped(measured),
        ]
    )


def replay_section(measured: Mapping[str, Any]) -> str:
    """Replay alone."""
    text = (
        f"Transitions of {OBSERVATION_SIZE} observations and {ACTION_SIZE} actions, in episodes of 40 steps, full "
        f"buffers, batches of {BATCH}. Ours is prioritised, keeps 1-step and 5-step windows and returns columns, eight "
        "batches at a time as its learner draws them; "
        "Stable-Baselines3's is uniform, 1-step, and returns tensors; RLlib's is prioritised, 1-step, and returns "
        "episodes, which its learner has yet to make columns of. Memory is what the resident set of the process grew "
        "by while the buffer was filled."
    )
    header = ["transitions", "", "batches/s", "insertions/s", "MiB for each 10⁵", "batches/s, ours over it"]
    rows = []
    for size, found in measured["sizes"].items():
        samples = {name: Rates.from_json(rates) for name, rates in found["samples"].items()}
        inserts = {name: Rates.from_json(rates) for name, rates in found["insertions"].items()}
        for name in (OURS, SB3, RLLIB):
            if name in samples:
                ratio = "" if name == OURS else f"**{samples[OURS].over(samples[name]):.2f}**"
                memory = f"{1e5 * found['bytes'][name] / 2**20:.1f}"
                rows.append([f"{int(size):,}", name, _rate(samples[name]), _rate(inserts[name]), memory, ratio])
    return "\n\n".join(["## Replay", text, table(header, rows), *_skipped(measured)])


def curves_section(task: str, curves: Sequence[Mapping[str, Any]], images: Path) -> str:
    """Median over the seeds, as a figure and a table."""
    by_success = TASKS[task].by_success
    who = [name for name in TASKS[task].contestants if any(curve["contestant"] == name for curve in curves)]
    at = np.linspace(0, max(curve["env_steps"] for curve in curves), 61)[1:]
    drawn = {name: [_curve(curve, at, by_success) for curve in curves if curve["contestant"] == name] for name in who}
    _figure(task, at, drawn, by_success, images)
    rows = []
    for name in who:
        last = [float(curve[-1]) for curve in drawn[name] if np.isfinite(curve[-1])]
        row = [NAMES[name], str(len(drawn[name])), number(statistics.median(last) if last else None)]
        if not by_success:
            row.append(_reached([curve for curve in curves if curve["contestant"] == name]))
        row.append(f"{statistics.median(curve['cpu_s'] for curve in curves if curve['contestant'] == name) / 60:.1f}")
        rows.append(row)
    if by_success:
        what = (
            "insertions that succeed by truth (the pin at least 90% in), of the training episodes, exploration "
            f"included, that ended in the last {SUCCESS_WINDOW_STEPS} steps"
        )
        header = ["", "seeds", "at the end", "CPU minutes"]
    else:
        what = f"return of the last {WINDOW} training episodes, exploration included"
        header = ["", "seeds", "at the end", f"steps to {GOAL:.0f}, each seed", "CPU minutes"]
    text = (
        f"Median of the seeds ({', '.join(map(str, SEEDS))} where all are run), band from least to most: {what}. The "
        f"same networks, batch, discount {TASKS[task].gamma:g} and {TASKS[task].learning_starts} random steps first; "
        "each has its own defaults for the rest."
    )
    picture = f"![{task}](../images/rl_{task}.png)"
    return f"## {TITLES[task]}\n\n{text}\n\n{picture}\n\n{table(header, rows)}\n\n{_on(curves[0])}"


TITLES = {
    "pendulum": "Pendulum-v1",
    "insertion": "Insertion on true keypoints, level standard, 0.7 mm of noise, no demonstrations but where named",
}


def _curve(curve: Mapping[str, Any], at: np.ndarray, by_success: bool) -> np.ndarray:
    """Its height at some steps; NaN where there is nothing yet."""
    steps = np.array([episode["step"] for episode in curve["episodes"]])
    values = np.array([episode["success" if by_success else "return"] for episode in curve["episodes"]])
    heights = np.full(len(at), np.nan)
    for index, now in enumerate(at):
        if by_success:
            recent = values[(steps <= now) & (steps > now - SUCCESS_WINDOW_STEPS)]
        else:
            recent = values[steps <= now][-WINDOW:]
        if len(recent):
            heights[index] = recent.mean()
    return heights


def _figure(
    task: str, at: np.ndarray, drawn: Mapping[str, Sequence[np.ndarray]], by_success: bool, images: Path
) -> None:
    import io

    from experiments.pages import SERIES

    figure, plot = axes()
    for (name, heights), colour in zip(drawn.items(), SERIES, strict=False):
        stacked = np.ma.masked_invalid(np.stack(heights))
        plot.plot(at, np.ma.median(stacked, axis=0), color=colour, label=NAMES[name])
        plot.fill_between(at, stacked.min(axis=0), stacked.max(axis=0), color=colour, alpha=0.15, linewidth=0)
    if not by_success:
        plot.axhline(GOAL, color="#666b75", linestyle=(0, (4, 3)), linewidth=1.0)
    plot.set(xlabel="environment steps", ylabel="success by truth" if by_success else "return")
    plot.legend(frameon=False)
    make_folder(images)
    data = io.BytesIO()
    figure.savefig(data, dpi=150, format="png")
    write_atomic(images / f"rl_{task}.png", data.getvalue())


def _reached(curves: Sequence[Mapping[str, Any]]) -> str:
    """After how many steps the last few episodes earned the goal, seed by seed."""
    found = []
    for curve in sorted(curves, key=lambda one: int(one["seed"])):
        returns = [episode["return"] for episode in curve["episodes"]]
        steps = [
            curve["episodes"][end - 1]["step"]
            for end in range(WINDOW, len(returns) + 1)
            if statistics.fmean(returns[end - WINDOW : end]) >= GOAL
        ]
        found.append(f"{steps[0]:,.0f}" if steps else "not reached")
    return ", ".join(found)


def _heading(results: Results) -> str:
    quick = results.folder.name == "quick"
    warning = " **A quick run, to see that it works: not to be quoted.**" if quick else ""
    command = f"python -m benchmarks.rl {'--quick ' if quick else ''}--write"
    return f"# Speed and learning of DDPG against its peers\n\nMade by `{command}`; numbers are not edited.{warning}"


def _on(measured: Mapping[str, Any]) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in measured["libraries"].items())
    load = f"{measured['busy']:g} processes wanted to run at its end"
    return f"Measured {measured['day']} on {measured['machine']}; {libraries}; {load}."


def _skipped(measured: Mapping[str, Any]) -> list[str]:
    names = measured["skipped"]
    return [f"Skipped, not installed (`pip install -e .[peers]`): {', '.join(names)}."] if names else []


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}={value!r}`" for name, value in settings.items())


def _rate(rates: Rates | None) -> str:
    return "–" if rates is None else f"{rates.median:,.0f} ({rates.wall_median:,.0f})"


def _ratio(rates: Mapping[str, Rates], one: str, other: str, what: str) -> list[str] | None:
    if one not in rates or other not in rates:
        return None
    return [f"{one} over {other}, {what}", f"**{rates[one].over(rates[other]):.2f}**"]
