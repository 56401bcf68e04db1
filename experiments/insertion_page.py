"""The page of Fig. 7: curves by truth, what every curve came to, and the claims that were not true."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from deploy.run_folder import RunFolder
from deploy.session import episode_lines
from experiments.false_claims import draw_false_claims
from experiments.pages import SERIES, axes, number, save, table
from experiments.success_curve import SuccessCurve, band, steps_to, success_curve
from s3k_dist.atomic import write_atomic
from s3k_dist.folders import make_folder
from s3k_dist.weights import WeightsRegistry

PAGE = Path("docs/experiments/insertion.md")
ENCODER = "encoder-vae"
GOAL, PAPER = 0.95, "the paper: above 95% with keypoints, about 60% with the VAE, after 40,000 steps on a real robot"
KINDS = ("keypoints", "vae", "state")
OBSERVED = {"keypoints": "keypoints", "vae": "VAE", "state": "true state"}
# What fools an agent's detector: gate, and whether the detector goes on learning.
HACKING = {
    "keypoints-seed0": "gated, learning (ours)",
    "gated-frozen": "gated, frozen",
    "ungated": "not gated, learning",
    "ungated-frozen": "not gated, frozen",
}


@dataclass(frozen=True)
class Run:
    """A finished curve.

    Attributes:
        root: folder of the run.
        level: of the task.
        seed: of the run.
    """

    root: Path
    level: str
    seed: int

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What it came to."""
        return dict(json.loads(RunFolder(self.root).summary.read_text()))

    @cached_property
    def lines(self) -> list[dict[str, Any]]:
        """Its episodes."""
        return episode_lines(RunFolder(self.root))

    @cached_property
    def curve(self) -> SuccessCurve:
        """Its training."""
        return success_curve(self.lines)


def write_page(preset: str, runs: Mapping[str, Run], missing: Sequence[str]) -> None:
    """Draw the figures and write ``docs/experiments/insertion.md``.

    Args:
        preset: cpu or paper.
        runs: finished curves by name, at least one.
        missing: names of those that are not done.
    """
    any_run = next(iter(runs.values()))
    machine = any_run.summary["machine"]
    evaluated = any_run.summary["policy"]["eval_episodes"]
    parts = [
        "# Insertion from keypoints, from a VAE, from the true state (Fig. 7)",
        f"Made by `python -m experiments.insertion --preset {preset}`; numbers are not edited. "
        f"Machine: {machine['cpu']}, {machine['cores']} cores."
        + (f" Not run: {', '.join(missing)}." if missing else ""),
        f"Level `standard` ([levels](levels.md)) unless it says otherwise; served features of a model that was trained "
        f"with {any_run.summary['keypoints']['labelled_frames']} labelled frames; about "
        f"{any_run.summary['policy']['demonstrations']} demonstrations; reward, success and termination from served "
        f"keypoints whatever is observed. Success is the simulator's truth: 90% of the hole's depth. For comparison, "
        f"{PAPER}.",
    ]
    families = {kind: [run for name, run in runs.items() if name.startswith(f"{kind}-seed")] for kind in KINDS}
    families = {kind: of_kind for kind, of_kind in families.items() if of_kind}
    if families:
        parts += [_figure(preset, families), "Lines: the median seed, over the last 2,000 steps; bands: all seeds."]
    parts += [f"## What each came to, over {evaluated} held-out episodes without noise", _outcomes(runs)]
    parts += _hacking(preset, {name: runs[name] for name in HACKING if name in runs})
    parts += _eyes(any_run)
    make_folder(PAGE.parent)
    write_atomic(PAGE, ("\n\n".join(parts) + "\n").encode())


def _figure(preset: str, families: Mapping[str, Sequence[Run]]) -> str:
    figure, plot = axes()
    for colour, (kind, of_kind) in zip(SERIES, families.items(), strict=False):
        steps, low, middle, high = band([run.curve for run in of_kind])
        plot.fill_between(steps, low, high, color=colour, alpha=0.18, linewidth=0)
        plot.plot(steps, middle, color=colour, label=f"{OBSERVED[kind]}, {_seeds(len(of_kind))}")
        claimed = np.median(np.stack([run.curve.claimed[: len(steps)] for run in of_kind]), axis=0)
        plot.plot(steps, claimed, ":", color=colour, linewidth=1)
    cloned = [
        rate
        for run in families.get("keypoints", ())
        if (rate := run.summary["policy"]["cloned_success_rate"]) is not None
    ]
    if cloned:
        plot.axhline(fmean(cloned), color=SERIES[5], linestyle="--", label="cloning alone")
    plot.set(xlabel="environment steps", ylabel="success", ylim=(0, 1.02), xlim=(0, None), title="As Fig. 7")
    plot.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f}%")
    plot.legend(frameon=False, title="by truth; dotted: as the agent claims", loc="lower right")
    return save(figure, f"insertion_{preset}_fig7")


def _outcomes(runs: Mapping[str, Run]) -> str:
    rows = []
    for name, run in runs.items():
        policy, false = run.summary["policy"], run.summary["policy"]["false_successes"]
        reached = steps_to(run.curve, GOAL)
        rows.append(
            [
                name,
                run.level,
                _percent(policy["eval_success_rate"]),
                _percent(policy["eval_claimed_success_rate"]),
                _percent(policy["cloned_success_rate"]),
                "–" if reached is None else f"{reached:,}",
                f"{false} of {len(run.lines):,}",
                number(policy["mean_steps_to_success"], "{:.1f}"),
                f"{policy['env_steps']:,}",
                number(run.summary["keypoints"]["visited_median_mm"]),
                f"{run.summary['wall_s'] / 60:.0f}",
            ]
        )
    header = ["curve", "level", "success", "claimed", "cloned alone", f"steps to {GOAL:.0%}", "false claims"]
    header += ["steps an episode", "steps", "keypoints, mm", "minutes"]
    note = (
        f"Steps to {GOAL:.0%}: of training, with noise, from where on the last 2,000 steps stayed there. False claims: "
        "of all episodes of the run. Keypoints: median error in the states that the agent visited last."
    )
    return f"{table(header, rows)}\n\n{note}"


def _hacking(preset: str, runs: Mapping[str, Run]) -> list[str]:
    """What a claim is worth when the detector may be fooled."""
    if len(runs) < 2:
        return []
    figure, plot = axes()
    rows = []
    for colour, (name, run) in zip(SERIES, runs.items(), strict=False):
        curve, train = run.curve, [line for line in run.lines if line["stage"] == "train"]
        plot.plot(curve.steps, curve.false, color=colour, label=HACKING[name])
        claims = sum(bool(line["claimed"]) for line in train)
        false = sum(bool(line["claimed"]) and not line["truly_inserted"] for line in train)
        success = _percent(run.summary["policy"]["eval_success_rate"])
        rate = number(1000 * false / len(train) if train else None, "{:.1f}")
        rows.append([HACKING[name], f"{len(train):,}", f"{claims:,}", str(false), rate, success])
    plot.set(xlabel="environment steps", ylabel="false claims so far", xlim=(0, None), ylim=(0, None))
    plot.legend(frameon=False)
    parts = [
        "## Claims that are not true",
        "An agent that is paid for what its detector says learns where the detector errs. The gate counts a claim only "
        "where the views agree and see sharply; a detector that goes on learning from the agent's own stream errs less "
        "where the agent goes.",
        save(figure, f"insertion_{preset}_false"),
        table(["", "training episodes", "claims", "false", "false in 1,000 episodes", "success, held out"], rows),
    ]
    picture = draw_false_claims([run.root for run in runs.values()], f"insertion_{preset}_false_claims")
    if picture is not None:
        parts += ["What false claims look like, each in its four views at the moment of the claim:", picture]
    return parts


def _eyes(run: Run) -> list[str]:
    registry = WeightsRegistry(run.root.parent / ENCODER)
    version = registry.current()
    if version is None:
        return []
    metrics = registry.manifest(version).metrics
    found = [f"`{name}` {value:.3g}" for name, value in sorted(metrics.items())]
    return [
        "## The VAE",
        "Trained once, on the frames recorded with seed 0, and given to the VAE agents of all seeds "
        f"([representations](../representations.md)). On held-out frames: {', '.join(found)}.",
    ]


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}%"
