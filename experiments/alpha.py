"""Fig. 12: the weight of the unlabelled loss, by both recipes, on the domain-shift scenes in full mode.

python -m experiments.alpha --preset cpu --jobs 2
"""

import sys
from collections.abc import Mapping

from actors.sim.scenes.catalogue import SceneSpec
from actors.sim.scenes.simulate import LabelPlan
from experiments.budget import BUDGETS, NO_WARM_START
from experiments.domain_shift import unseen_distractors
from experiments.grid import Experiment, Results
from experiments.pages import SERIES, axes, foot, line, log_axes, number, save, table
from experiments.scene_data import SceneData
from experiments.training import Training

ALPHAS = {"cpu": (0.1, 0.5, 1.0), "paper": (0.01, 0.03, 0.1, 0.3, 0.5, 1.0)}
LABELLED = {"cpu": (10, 50), "paper": (10, 30, 50, 100, 300)}
CPU_STEPS = 1200
RECIPES = ("s3k", "paper")


def grid(preset: str) -> Mapping[str, Training]:
    """Every alpha for every number of labels and both recipes."""
    budget = BUDGETS[preset]
    labels = LabelPlan(train=max(LABELLED[preset]))
    return {
        _name(recipe, count, alpha): budget.training(
            CPU_STEPS,
            {"alpha": alpha, **(NO_WARM_START if recipe == "paper" else {})},
            data=SceneData(SceneSpec("domain-shift", 201, budget.size_px), budget.unlabelled, labels),
            labelled=count,
            unlabelled=budget.unlabelled,
            tests={"test": unseen_distractors(budget)},
            recipe=recipe,
        )
        for recipe in RECIPES
        for count in LABELLED[preset]
        for alpha in ALPHAS[preset]
    }


def page(results: Results) -> str:
    """Fig. 12 and its numbers."""
    alphas, labelled = ALPHAS[results.preset], LABELLED[results.preset]
    rows = [
        [recipe, str(count), *(number(results.metric(_name(recipe, count, a), "test", "rms_px")) for a in alphas)]
        for recipe in RECIPES
        for count in labelled
    ]
    return (
        "\n\n".join(
            [
                "# The weight of the unlabelled loss (Fig. 12)",
                foot(results, f"python -m experiments.alpha --preset {results.preset}"),
                "RMS in pixels on held-out scenes of domain shift, `full` mode, by the weight alpha of Eq. 4.",
                table(["recipe", "labelled", *(f"alpha {alpha}" for alpha in alphas)], rows),
                _fig12(results),
                "The paper finds that alpha 1 is best with enough labels, and that with few a smaller alpha keeps "
                "the model from collapsing on solutions such as the middle of the box; it uses 0.5.",
            ]
        )
        + "\n"
    )


def _fig12(results: Results) -> str:
    figure, plot = axes()
    for recipe, dash in zip(RECIPES, ("-", "--"), strict=True):
        for colour, count in zip(SERIES, LABELLED[results.preset], strict=False):
            points = [(a, results.metric(_name(recipe, count, a), "test", "rms_px")) for a in ALPHAS[results.preset]]
            line(plot, points, f"o{dash}", colour, f"{recipe}, {count} labelled")
    plot.set(xlabel="alpha", ylabel="RMS error, px", title="As Fig. 12")
    log_axes(plot, ALPHAS[results.preset])
    plot.legend(frameon=False)
    return save(figure, f"alpha_{results.preset}")


def _name(recipe: str, labelled: int, alpha: float) -> str:
    return f"{recipe}-{labelled}-alpha{alpha}"


if __name__ == "__main__":
    sys.exit(Experiment("alpha", grid, page).main())
