"""Cells and status as files: what is refused, what is read back, what a person sees."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from deploy.cells import collector_spec
from deploy.cli import main
from deploy.config import load_config
from deploy.fleet.cell_file import CellFile, cell_yaml, read_cell_file
from deploy.fleet.part import Part, State
from deploy.fleet.register import FleetRegister
from deploy.fleet.status import RunStatus, drawn, read_status, worst, write_status
from deploy.run_folder import RunFolder
from s3k_dist.errors import ConfigError, StorageError


def written(folder: Path, text: str) -> Path:
    path = folder / "cell.yaml"
    path.write_text(text)
    return path


def test_a_cell_file_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    cell = CellFile(cell="bench-3", resource="arm", simulated={"level": "hard", "scene_seed": 4})  # type: ignore[arg-type]
    assert read_cell_file(written(tmp_path, cell_yaml(cell))) == cell


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cell: b\nkind: dream\n", "kind: Input should be 'simulated', got 'dream'"),
        ("cell: b\nresuorce: arm\n", "unknown key 'resuorce'; available there: cell, kind, resource, simulated"),
        ("cell: ../b\n", "cell: String should match"),
        ("cell: a..b\n", "no two dots"),
        ("kind: simulated\n", "cell: Field required"),
        ("cell: [\n", "is damaged"),
        ("- a\n", "expected a tree of settings"),
    ],
)
def test_a_wrong_cell_file_is_told_what_is_wrong(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        read_cell_file(written(tmp_path, text))


def test_a_cell_is_as_its_file_says_and_else_as_the_run_says(tmp_path: Path) -> None:
    config = load_config("smoke", ["cells.level=hard", "cells.scene_seed=5"])
    folder = RunFolder(tmp_path)
    plain = collector_spec(config, folder, CellFile(cell="a"))
    own = collector_spec(config, folder, CellFile(cell="b", simulated={"level": "easy", "clearance_m": 0.002}))  # type: ignore[arg-type]
    assert plain.cell.scene_seed == own.cell.scene_seed == 5
    assert (own.cell.cell_id, own.cell.cable.clearance_m) == ("b", 0.002)
    assert plain.cell.decoys
    assert not own.cell.decoys


def test_cells_join_drain_and_go(tmp_path: Path) -> None:
    register = FleetRegister(tmp_path / "fleet")
    register.begin([CellFile(cell="cell0"), CellFile(cell="cell1")])
    register.add(CellFile(cell="bench3", resource="arm"))
    register.wish("cell1", "drain")
    assert {name: wish for name, (_, wish) in register.cells().items()} == {
        "bench3": "run", "cell0": "run", "cell1": "drain",
    }  # fmt: skip
    register.begin([CellFile(cell="another")])
    assert "another" not in register.cells(), "a run that goes on keeps its fleet"
    register.add(CellFile(cell="cell1"))
    assert register.cells()["cell1"][1] == "run"
    with pytest.raises(ConfigError, match="there is a cell 'cell1' already, which is another one"):
        register.add(CellFile(cell="cell1", resource="arm"))
    with pytest.raises(ConfigError, match="no cell 'cell9'; there are: bench3, cell0, cell1"):
        register.wish("cell9", "drain")
    register.forget("bench3")
    assert set(register.cells()) == {"cell0", "cell1"}


def status_of(at_s: float, *, over: bool = False, state: State = State.RUNNING) -> RunStatus:
    parts = (
        Part("bench3", "cell", state, 900.0, restarts=2, last_error="no feature service", figures={"steps/min": 240.0}),
        Part("policy", "policy", State.RUNNING, 100.0),
    )
    return RunStatus(at_s, "learn to act", parts, {"steps": 1200.0}, over)


def text_of(status: RunStatus, now_s: float) -> str:
    console = Console(width=200, record=True)
    console.print(drawn(status, now_s))
    return console.export_text()


def test_the_status_is_read_back_and_drawn(tmp_path: Path) -> None:
    status = status_of(1000.0, state=State.BACKING_OFF)
    write_status(tmp_path, status)
    assert read_status(tmp_path) == status
    text = text_of(status, 1001.0)
    for part in (
        "learn to act",
        "steps 1,200",
        "bench3",
        "backing off",
        "2 min",
        "no feature",
    ):
        assert part in text, part
    assert worst(status.parts) == 1
    assert worst(status_of(1000.0).parts) == 0


def test_a_run_that_fell_silent_or_is_over_says_so() -> None:
    assert "nobody has said anything for 60 s" in text_of(status_of(1000.0), 1060.0)
    assert "over since 60 s" in text_of(status_of(1000.0, over=True), 1060.0)
    assert status_of(1000.0).silent_s(1005.0) == 0


@pytest.mark.parametrize("text", ["{", "[]", '{"parts": [{"name": "a"}]}', '{"at_s": 1}'])
def test_a_damaged_status_is_said_to_be(text: str, tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text(text)
    with pytest.raises(StorageError, match=r"status\.json is damaged"):
        read_status(tmp_path)


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(tmp_path)
    assert main(["status", run]) == 1
    assert "has no status yet" in capsys.readouterr().err
    file = str(written(tmp_path, "cell: bench3\nresource: arm\n"))
    assert main(["cells", "add", file, "--run", run]) == 0
    assert "bench3 joins" in capsys.readouterr().out
    assert main(["cells", "list", "--run", run]) == 0
    assert "not begun" in capsys.readouterr().out
    write_status(tmp_path, status_of(1000.0))
    assert main(["status", run]) == 1, "nobody answers any more"
    capsys.readouterr()
    assert main(["status", run, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["parts"][0]["name"] == "bench3"
    assert main(["cells", "drain", "bench3", "--run", run]) == 0
    assert "the run does not run now" in capsys.readouterr().out
    assert main(["cells", "remove", "bench3", "--run", run]) == 0
    assert main(["cells", "drain", "bench3", "--run", run]) == 1
    assert "no cell 'bench3'; there are: none" in capsys.readouterr().err
    assert main(["cells", "list", "--run", str(tmp_path / "none")]) == 1
