"""What each ingredient of our recipe is worth: left out alone, on the box.

python -m experiments.ablation --preset cpu --jobs 2
"""

import sys
from collections.abc import Mapping
from typing import Any

from actors.sim.scenes.catalogue import SceneSpec
from actors.sim.scenes.simulate import LabelPlan
from experiments.box_scaling import TEST_SEED
from experiments.budget import CPU_BATCH, CPU_NETWORK, PAPER_BATCH, PAPER_NETWORK, PAPER_STEPS
from experiments.grid import Experiment, Results
from experiments.pages import foot, number, table
from experiments.scene_data import SceneData
from experiments.training import Training
from learners.keypoint.recipes import WITHOUT

LABELLED, CPU_STEPS = 10, 1500
HEADER = (
    *("recipe", "RMS, px", "of the whole recipe's", "median, px", "median, mm"),
    *("believed", "plausible", "recoveries"),
)
WHOLE, PUBLISHED, WIDE = "s3k, whole", "paper", "without a narrow sigma (2 cells)"


def grid(preset: str) -> Mapping[str, Training]:
    """The whole recipe, the paper's, and ours without each ingredient."""
    paper = preset == "paper"
    size_px = 400 if paper else 128
    scenes, tested = (10_000, 500) if paper else (1500, 150)
    batch = PAPER_BATCH if paper else CPU_BATCH

    def training(recipe: str, settings: Mapping[str, Any], **network: Any) -> Training:
        return Training(
            data=SceneData(SceneSpec("box", 101, size_px), scenes, LabelPlan(train=30)),
            labelled=LABELLED,
            unlabelled=scenes,
            tests={"test": SceneData(SceneSpec("box", TEST_SEED, size_px), tested, LabelPlan(held_out=tested))},
            steps=PAPER_STEPS if paper else CPU_STEPS,
            recipe=recipe,
            settings=settings,
            network={**(PAPER_NETWORK if paper else CPU_NETWORK), **network},
            compiled=paper,
            precision="bf16" if paper else "fp32",
        )

    published = {name: value for name, value in batch.items() if name != "warm_start_steps"}
    cells = {
        WHOLE: training("s3k", batch),
        PUBLISHED: training("paper", published),
        WIDE: training("s3k", batch, sigma=2.0),
    }
    return cells | {_name(left_out): training("s3k", {**batch, **WITHOUT[left_out]}) for left_out in WITHOUT}


def page(results: Results) -> str:
    """A row for each ingredient."""
    whole = results.metric(WHOLE, "test", "rms_px")
    rows = []
    for name in (WHOLE, *map(_name, WITHOUT), WIDE, PUBLISHED):
        rms, px, millimetres = (results.metric(name, "test", m) for m in ("rms_px", "median_px", "median_mm"))
        factor = None if rms is None or whole is None else rms / whole
        last = results.cells[name]["curve"][-1] if name in results.cells else {}
        believed, plausible = last.get("gate_open"), last.get("plausible")
        accuracy = (number(rms), number(factor), number(px), number(millimetres, "{:.1f}"))
        rows.append([name, *accuracy, number(believed), number(plausible), str(last.get("recoveries", "–"))])
    return (
        "\n\n".join(
            [
                "# What each ingredient is worth",
                foot(results, f"python -m experiments.ablation --preset {results.preset}"),
                f"The box, {LABELLED} labelled frames, all unlabelled ones, a short training; held-out scenes. "
                "One seed: factors between about 0.9 and 1.1 say nothing.",
                table(HEADER, rows),
                "Believed: the share of unlabelled keypoints that passed the gate in the last step. Plausible: the "
                "share of distances between estimated keypoints that the object can have; near 0 is a collapse "
                "(`docs/keypoints.md`). Recoveries: how often training went back from one.",
            ]
        )
        + "\n"
    )


def _name(left_out: str) -> str:
    return f"without {left_out}"


if __name__ == "__main__":
    sys.exit(Experiment("ablation", grid, page).main())
