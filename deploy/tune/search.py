"""The search: Ray Tune runs the trials, Optuna draws their settings, ASHA stops the hopeless ones.

Everything the search knows is in its trials' files. Resuming tells a new Optuna study and a new ASHA what became of the
trials that ended, and begins with those that were under way: no state of either library is stored or loaded.
"""

import logging
import os
import tempfile
import time
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import ray
from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.search.optuna import OptunaSearch

from deploy.ray_access import secure_ray
from deploy.tune.config import SearchConfig
from deploy.tune.demonstrations import kept_demonstrations
from deploy.tune.importance import write_importance
from deploy.tune.report import best_first, describe, write_table
from deploy.tune.space import defaults, searched, with_settings
from deploy.tune.trials import Trial, TrialFolder
from learners.ddpg.offline import read_episodes
from s3k_dist.errors import S3KError

SCORE, REPORT, NUMBER = "score", "report", "number"
SEEDS_OF_A_SEARCH = 1000
DEMONSTRATIONS, TRIALS = "demonstrations.parquet", "trials"
REDUCTION = 3  # ASHA: a third goes on at each rung (Li et al. 2020 have 4)


def search(config: SearchConfig, folder: Path) -> list[Trial]:
    """Run the trials that are still to run; returns all, best first.

    Raises:
        S3KError: no trial could be finished; says what the last one failed of.
    """
    kept = TrialFolder(folder / TRIALS)
    path = folder / DEMONSTRATIONS
    kept_demonstrations(path, config.level, config.noise_mm * 1e-3, config.demonstrations, config.seed)
    before = kept.read()
    ended = [trial for trial in before if trial.state != "running"]
    if config.trials > len(ended):
        _run(config, folder, ended, [trial for trial in before if trial.state == "running"])
    trials = best_first(kept.read())
    write_table(folder, config, trials)
    write_importance(folder, config, trials)
    if all(trial.score is None for trial in trials):
        raise S3KError(f"no trial could be finished; the last one: {trials[-1].reason}")
    return trials


def _run(config: SearchConfig, folder: Path, ended: list[Trial], broken_off: list[Trial]) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Ctrl-C is ours: what is known of the trials is in files already, and Tune would first write a state of its own.
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"  # the new one prints a banner whatever verbose is
    secure_ray()
    ray.init(
        address="local", num_cpus=config.jobs, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
    )
    try:
        with tempfile.TemporaryDirectory(prefix="s3k-tune-") as scratch, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Tune's own, about its own
            trainable = tune.with_parameters(
                _train, search=config.model_dump(mode="json"), folder=str(folder.absolute())
            )
            tuner = tune.Tuner(
                tune.with_resources(trainable, {"cpu": 1}),
                tune_config=tune.TuneConfig(
                    num_samples=config.trials - len(ended),
                    max_concurrent_trials=config.jobs,
                    search_alg=_optuna(config, ended, broken_off),
                    scheduler=_asha(config, ended),
                ),
                run_config=tune.RunConfig(storage_path=scratch, verbose=0, callbacks=[_Progress(config, folder)]),
            )
            tuner.fit()
    finally:
        ray.shutdown()


def _train(settings: dict[str, Any], search: Mapping[str, Any], folder: str) -> None:
    """What Tune runs in a process of its own for each trial."""
    # Here, since the search itself needs neither.
    import torch

    from deploy.tune.trial import train_trial

    torch.set_num_threads(1)
    config = SearchConfig.model_validate(search)
    kept = TrialFolder(Path(folder) / TRIALS)
    number = settings.pop(NUMBER)
    trial, began_s = Trial(number, settings), time.monotonic()

    def note(**known: Any) -> None:
        nonlocal trial
        trial = replace(trial, seconds=round(time.monotonic() - began_s, 1), **known)
        kept.write(trial)

    def report(env_steps: int, rolling: float) -> None:
        note(steps=[*trial.steps, env_steps], rolling=[*trial.rolling, rolling])
        tune.report({SCORE: rolling, REPORT: len(trial.steps)})

    note()
    try:
        demonstrations = read_episodes(Path(folder) / DEMONSTRATIONS)
        policy = with_settings(config, settings)
        evaluation = train_trial(config, policy, demonstrations, config.seed * SEEDS_OF_A_SEARCH + number, report)
    except Exception as error:
        note(state="failed", reason=" ".join(f"{type(error).__name__}: {error}".split()))
        raise
    note(state="finished", evaluation=evaluation)
    tune.report({SCORE: evaluation, REPORT: config.reports})


class _NumberedSearch(OptunaSearch):
    """Optuna's settings with the number of the trial that they are for."""

    def __init__(self, numbers: list[int], **settings: Any) -> None:
        super().__init__(**settings)
        self._numbers = numbers

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Settings to try next; those that were under way come first, and keep their numbers."""
        settings = super().suggest(trial_id)
        return None if settings is None else {**settings, NUMBER: self._numbers.pop(0)}


def _optuna(config: SearchConfig, ended: list[Trial], broken_off: list[Trial]) -> OptunaSearch:
    """A search that knows the trials that ended."""
    space = {name: span.distribution() for name, span in searched(config).items()}
    next_number = max((trial.number for trial in (*ended, *broken_off)), default=-1) + 1
    first: list[dict[str, Any]] = [dict(trial.settings) for trial in broken_off]
    if not (ended or broken_off):
        first = [defaults(config)]
    search = _NumberedSearch(
        [trial.number for trial in broken_off] + list(range(next_number, next_number + config.trials)),
        space=space,
        metric=SCORE,
        mode="max",
        points_to_evaluate=first,
        sampler=optuna.samplers.TPESampler(seed=config.seed + len(ended), constant_liar=config.jobs > 1),
    )
    for trial in ended:
        if trial.score is not None:
            search.add_evaluated_point(dict(trial.settings), trial.score, intermediate_values=trial.rolling)
    return search


def _asha(config: SearchConfig, ended: list[Trial]) -> AsyncHyperBandScheduler:
    """A scheduler that knows how the trials that ended stood at each report."""
    scheduler = AsyncHyperBandScheduler(
        time_attr=REPORT,
        metric=SCORE,
        mode="max",
        max_t=config.reports,
        grace_period=min(config.grace, config.reports),
        reduction_factor=REDUCTION,
    )
    for trial in ended:
        known = SimpleNamespace(trial_id=f"before-{trial.number}")
        scheduler.on_trial_add(None, known)
        for report, rolling in enumerate(trial.rolling, start=1):
            scheduler.on_trial_result(None, known, {REPORT: report, SCORE: rolling})
        scheduler.on_trial_remove(None, known)
    return scheduler


class _Progress(tune.Callback):
    """After each trial: a line, and the table anew."""

    def __init__(self, config: SearchConfig, folder: Path) -> None:
        self._config = config
        self._folder = folder

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """It was finished, or ASHA stopped it."""
        self._ended(trial.config[NUMBER])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """It failed."""
        self._ended(trial.config[NUMBER])

    def _ended(self, number: int) -> None:
        kept = TrialFolder(self._folder / TRIALS)
        found = {trial.number: trial for trial in kept.read()}
        if number in found and found[number].state == "running":
            # Only who stopped it knows.
            found[number] = replace(found[number], state="stopped")
            kept.write(found[number])
        trials = list(found.values())
        write_table(self._folder, self._config, trials)
        ended = sum(trial.state != "running" for trial in trials)
        best = max((trial.evaluation for trial in trials if trial.evaluation is not None), default=None)
        state = describe(found[number]) if number in found else "failed before it began"
        text = f"trial {number}: {state}; {ended} of {self._config.trials} done"
        print(text + ("" if best is None else f", best {best:.0%}"), flush=True)  # noqa: T201
