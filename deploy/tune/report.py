"""The trials as tables: ``trials.csv`` for programs, ``table.md`` for people, best first."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from deploy.config import PolicyConfig
from deploy.tune.config import SearchConfig
from deploy.tune.space import searched
from deploy.tune.trials import Trial
from s3k_dist.atomic import write_atomic

RANKS = {"finished": 0, "stopped": 1, "running": 2, "failed": 3}


def best_first(trials: Iterable[Trial]) -> list[Trial]:
    """Finished ones by held-out success, then those that were stopped, then the rest."""
    return sorted(trials, key=lambda trial: (RANKS[trial.state], -(trial.score or 0.0), trial.number))


def describe(trial: Trial) -> str:
    """How it ended, in words."""
    if trial.evaluation is not None:
        return f"{trial.evaluation:.0%} of the held-out episodes"
    if trial.state == "stopped":
        return f"stopped at {trial.rolling[-1]:.0%} after {trial.steps[-1]} steps"
    return f"{trial.state}: {trial.reason}" if trial.reason else trial.state


def write_table(folder: Path, config: SearchConfig, trials: Iterable[Trial]) -> None:
    """Write both.

    Raises:
        StorageError: they cannot be written.
    """
    ordered, names = best_first(trials), list(searched(config))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["trial", "state", "evaluation", "rolling", "env_steps", "seconds", *names, "reason"])
    for trial in ordered:
        known = [trial.rolling[-1], trial.steps[-1]] if trial.rolling else ["", ""]
        evaluation = "" if trial.evaluation is None else trial.evaluation
        settings = [trial.settings[name] for name in names]
        writer.writerow([trial.number, trial.state, evaluation, *known, trial.seconds, *settings, trial.reason])
    write_atomic(folder / "trials.csv", text.getvalue().encode())
    write_atomic(folder / "table.md", _markdown(config, ordered, names).encode())


def _markdown(config: SearchConfig, trials: list[Trial], names: list[str]) -> str:
    about = (
        f"Level {config.level}, {config.noise_mm:g} mm of noise on the keypoints, {config.demonstrations} "
        f"demonstrations, {config.policy.env_steps} environment steps, seed {config.seed}. Success is by the "
        f"simulator's truth: held out, of {config.evaluation_episodes} episodes without exploration; training, of the "
        f"last {config.window} episodes. A trial without the former was stopped early or failed."
    )
    fixed = [f"`{name}={getattr(config.policy, name)!r}`" for name in config.fixed]
    about += f" Set by hand: {', '.join(fixed)}." if fixed else ""
    default = PolicyConfig()
    header = ["trial", "held out", "training", "steps", *names]
    lines = ["# Trials, best first", "", about, ""]
    lines += ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for trial in trials:
        held_out = trial.state if trial.evaluation is None else f"{trial.evaluation:.0%}"
        training = [f"{trial.rolling[-1]:.0%}", str(trial.steps[-1])] if trial.rolling else ["–", "–"]
        settings = [_value(trial.settings[name]) for name in names]
        lines.append("| " + " | ".join([str(trial.number), held_out, *training, *settings]) + " |")
    defaults = [_value(getattr(default, name)) for name in names]
    lines.append("| " + " | ".join(["defaults", "", "", "", *defaults]) + " |")
    return "\n".join([*lines, ""])


def _value(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
