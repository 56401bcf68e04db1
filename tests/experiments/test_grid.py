"""A tiny experiment from end to end: data, training, interruption, results, page."""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from actors.sim.scenes.catalogue import SceneSpec
from actors.sim.scenes.simulate import LabelPlan
from experiments.grid import Experiment, Results
from experiments.pages import foot, number, table
from experiments.scene_data import SceneData
from experiments.training import SPOILT_METRIC, Training, train

BOX = SceneSpec("box", 1, 64)
TEST = SceneData(SceneSpec("box", 2, 64), 3, LabelPlan(held_out=3))
TINY = {"channels": (4, 8), "residual_blocks": 1}


def training(steps: int = 6) -> Training:
    return Training(
        data=SceneData(BOX, 8, LabelPlan(train=4)),
        labelled=2,
        unlabelled=6,
        tests={"test": TEST},
        steps=steps,
        settings={"warm_start_steps": 2, "labelled_batch": 1, "unlabelled_batch": 1, "augment": {"crop": 1}},
        network=TINY,
    )


def grid(preset: str) -> Mapping[str, Training]:
    return {"one": training(), "two": training(4)}


def page(results: Results) -> str:
    rows = [[name, number(results.metric(name, "test", "rms_px"))] for name in ("one", "two")]
    return "\n\n".join([foot(results, "the command"), table(["cell", "RMS"], rows)])


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["tiny", *arguments])
    return Experiment("tiny", grid, page).main()


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_grid_is_trained_cell_by_cell_and_its_page_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--cell", "one") == 0
    text = Path("docs/experiments/tiny.md").read_text()
    assert "Not run: two." in text
    assert "| two | – |" in text
    assert run(monkeypatch) == 0
    results = json.loads(Path("runs/experiments/tiny/cpu/results.json").read_text())
    assert (
        Path("docs/experiments/tiny/cpu.json").read_text() == Path("runs/experiments/tiny/cpu/results.json").read_text()
    )
    assert set(results["cells"]) == {"one", "two"}
    rms = results["cells"]["one"]["metrics"]["test"]["rms_px"]
    assert f"| one | {rms:.2f} |" in Path("docs/experiments/tiny.md").read_text()
    capsys.readouterr()
    assert run(monkeypatch, "--list") == 0
    assert capsys.readouterr().out == "done  one\ndone  two\n"


def test_an_unknown_cell_is_refused_with_those_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--cell", "three") == 1
    assert "no cell 'three'; there are: one, two" in capsys.readouterr().err


def test_a_training_in_slices_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    whole = train(training(), tmp_path / "data", tmp_path / "whole.pt")
    slices = 0
    while (sliced := train(training(), tmp_path / "data", tmp_path / "sliced.pt", slice_s=0)) is None:
        slices += 1
        assert (tmp_path / "sliced.pt").exists()
    assert slices >= 4
    assert whole is not None
    assert sliced["metrics"] == whole["metrics"]
    assert not (tmp_path / "sliced.pt").exists()


def test_the_same_data_set_is_made_once(tmp_path: Path) -> None:
    data = SceneData(BOX, 4, LabelPlan(train=2))
    shards = [path.stat().st_mtime_ns for path in data.folder(tmp_path).root.rglob("*.s3k")]
    assert [path.stat().st_mtime_ns for path in data.folder(tmp_path).root.rglob("*.s3k")] == shards
    other = SceneData(BOX, 4, LabelPlan(train=3))
    assert other.folder(tmp_path).root != data.folder(tmp_path).root


@pytest.mark.parametrize("experiment", ["box_scaling", "domain_shift", "category", "alpha", "ablation"])
@pytest.mark.parametrize("preset", ["cpu", "paper"])
def test_every_cell_of_the_papers_experiments_has_a_valid_recipe(experiment: str, preset: str) -> None:
    module = __import__(f"experiments.{experiment}", fromlist=["grid"])
    cells = module.grid(preset)
    assert cells
    for name, cell in cells.items():
        assert cell.config().anneal_steps == cell.steps, name
        assert all(test.spec.seed != cell.data.spec.seed for test in cell.tests.values()), "held out"
        assert "/" not in name


def judged(number: float) -> dict[str, float]:
    """What a cell's test set says, the same for every metric."""
    names = ("rms_px", "median_px", "median_mm", "p95_mm", "coverage_90")
    return dict.fromkeys((*names, *(SPOILT_METRIC + kind for kind in ("noise", "blackout", "another frame"))), number)


@pytest.mark.parametrize("experiment", ["box_scaling", "domain_shift", "category", "alpha", "ablation"])
@pytest.mark.parametrize("preset", ["cpu", "paper"])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_page_is_made_of_whatever_cells_are_done(experiment: str, preset: str, share: float) -> None:
    module = __import__(f"experiments.{experiment}", fromlist=["grid", "page"])
    cells = module.grid(preset)
    done = list(cells)[: round(share * len(cells))]
    results = Results(
        experiment,
        preset,
        {
            name: {
                "metrics": {test: judged(1.25 + index) for test in cells[name].tests},
                "training_s": 60.0,
                "core_s": 60.0 * (index + 1),
                "machine": "a machine, no GPU",
                "curve": [{"gate_open": 0.5, "plausible": 0.75, "recoveries": 0}],
            }
            for index, name in enumerate(done)
        },
        tuple(name for name in cells if name not in done),
    )
    text = module.page(results)
    assert f"Trainings: {len(done)}, of 1 to {len(done)} minutes of one core" in text
    assert ("Not run: " in text) == (share < 1)
    pictures = re.findall(r"\]\(\.\./(images/[^)]+)\)", text)
    assert all(Path("docs", picture).stat().st_size > 5000 for picture in pictures)
    assert pictures or experiment == "ablation"
