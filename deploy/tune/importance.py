"""Which settings decided: PED-ANOVA (Watanabe et al. 2023, arXiv 2304.10255) over the trials, as a bar chart."""

import io
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

import optuna
from matplotlib.figure import Figure

from deploy.report.charts import bare_axes
from deploy.report.palette import LIGHT
from deploy.tune.config import SearchConfig
from deploy.tune.space import searched
from deploy.tune.trials import Trial
from s3k_dist.atomic import write_atomic

PICTURE = "importance.png"
TOP = 0.25  # what sets the best quarter apart; of 40 trials that is ten
LEAST_TRIALS = 2


def importances(config: SearchConfig, trials: Iterable[Trial]) -> dict[str, float]:
    """Share of each setting in what sets the best quarter of the trials apart, most important first, sum 1.

    Empty while fewer than two trials have a score, or all have the same.
    """
    scored = [trial for trial in trials if trial.score is not None]
    if len(scored) < LEAST_TRIALS or len({trial.score for trial in scored}) == 1:
        return {}
    distributions = {name: span.distribution() for name, span in searched(config).items()}
    study = optuna.create_study(direction="maximize")
    for trial in scored:
        study.add_trial(
            optuna.trial.create_trial(params=dict(trial.settings), distributions=distributions, value=trial.score)
        )
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=TOP)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about few trials, which the picture says itself
        return optuna.importance.get_param_importances(study, evaluator=evaluator)


def write_importance(folder: Path, config: SearchConfig, trials: Iterable[Trial]) -> None:
    """Draw them into ``importance.png``.

    Raises:
        StorageError: it cannot be written.
    """
    known = list(trials)
    count = sum(trial.score is not None for trial in known)
    data = io.BytesIO()
    _figure(importances(config, known), count).savefig(data, dpi=150, format="png", facecolor=LIGHT["card"])
    write_atomic(folder / PICTURE, data.getvalue())


def _figure(shares: Mapping[str, float], count: int) -> Figure:
    figure = Figure(figsize=(6.4, 0.9 + 0.32 * max(len(shares), 3)), layout="constrained")
    axes = figure.add_subplot()
    bare_axes(axes)
    axes.grid(visible=False)
    axes.set_title(f"What set the best quarter of {count} trials apart", loc="left", color=LIGHT["ink"], size=11)
    if not shares:
        axes.set_axis_off()
        axes.text(0, 0.5, "Too few trials, or all the same.", color=LIGHT["muted"], transform=axes.transAxes)
        return figure
    names = list(shares)[::-1]
    bars = axes.barh(names, [shares[name] for name in names], color=LIGHT["truth"], height=0.62)
    axes.bar_label(bars, [f"{shares[name]:.0%}" for name in names], padding=4, color=LIGHT["muted"], size=9.5)
    axes.spines["bottom"].set_visible(False)
    axes.set_xticks([])
    axes.margins(x=0.12)
    axes.tick_params(axis="y", labelcolor=LIGHT["ink"])
    return figure
