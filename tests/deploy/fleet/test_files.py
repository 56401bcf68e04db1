"""Cells and status as files: what is refused, what is read back, what a person sees."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

import pytest
from rich.console import Console

from deploy.cells import cell_spec, collector_spec, configured_cells, credentials_of
from deploy.cli import main
from deploy.config import load_config, read_config, save_config
from deploy.fleet.cell_file import CellFile, ResetSection, cell_yaml, read_cell_file
from deploy.fleet.part import Part, State
from deploy.fleet.register import FleetRegister
from deploy.fleet.status import RunStatus, drawn, read_status, worst, write_status
from deploy.physical_cell import SceneReset
from deploy.run_folder import RunFolder
from s3k_dist.errors import CellError, ConfigError, StorageError


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
        ("cell: b\nkind: dream\n", "kind: Input should be 'simulated', 'emulated' or 'physical', got 'dream'"),
        ("cell: b\nresuorce: arm\n", "unknown key 'resuorce'; available there: cell, kind, resource, simulated"),
        ("cell: ../b\n", "cell: String should match"),
        ("cell: a..b\n", "no two dots"),
        ("kind: simulated\n", "cell: Field required"),
        ("cell: [\n", "is damaged"),
        ("- a\n", "expected a tree of settings"),
        ("cell: b\nkind: physical\n", "yaml: a physical cell has a section `physical`, with its rig and its robot"),
        ("cell: b\nphysical: {rig: r, robot: r}\n", "is of kind physical, not simulated"),
        ("cell: b\nkind: physical\nphysical: {rig: r}\n", r"physical\.robot: Field required"),
        (
            "cell: b\nkind: physical\nphysical: {rig: r, robot: r, robots: r}\n",
            "unknown key 'physical.robots'; available there: rig",
        ),
        ("cell: b\nkind: physical\nsimulated: {level: easy}\nphysical: {rig: r, robot: r}\n", "has no section `simul"),
        (
            "cell: b\nkind: physical\nphysical: {rig: r, robot: r, twist_limit: [1, 1, 1, 1, 1, 0]}\n",
            r"twist_limit\.5: Input should be greater than 0",
        ),
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


def test_a_physical_cell_finds_its_files_beside_its_own(tmp_path: Path) -> None:
    text = """
cell: bench1
kind: physical
physical: {rig: rig.yaml, robot: arm.yaml, reset: {script: [./put_back.sh, --fast]}}
"""
    physical = read_cell_file(written(tmp_path, text)).physical
    assert physical is not None
    assert (physical.rig, physical.robot) == (tmp_path / "rig.yaml", str(tmp_path / "arm.yaml"))
    assert physical.robot_address is None
    assert physical.reset.script == (str(tmp_path / "put_back.sh"), "--fast")
    served = read_cell_file(written(tmp_path, text.replace("arm.yaml", "10.0.0.7:50061"))).physical
    assert served is not None
    assert served.robot_address == "10.0.0.7:50061"


def test_a_cell_of_a_file_takes_the_place_of_the_simulated_ones(tmp_path: Path) -> None:
    shipped = Path(str(resources.files("deploy") / "cells"))
    config = load_config("smoke", ["cells.scene_seed=5"], [shipped / "emulated-basler.yaml", shipped / "physical.yaml"])
    cells = configured_cells(config)
    assert [(cell.cell, cell.kind) for cell in cells] == [("bench0", "emulated"), ("bench1", "physical")]
    save_config(tmp_path, config)
    assert configured_cells(read_config(tmp_path)) == cells, "a run that goes on needs the files no more"
    emulated = cell_spec(config, RunFolder(tmp_path), cells[0])
    assert (emulated.cell_id, emulated.image_px) == ("bench0", 64)
    assert emulated.simulated.scene_seed == 5  # type: ignore[attr-defined]
    register = FleetRegister(tmp_path / "fleet")
    register.begin(cells)
    assert [cell for cell, _ in register.cells().values()] == cells
    with pytest.raises(ConfigError, match="two cells are called bench0"):
        load_config("smoke", [], [shipped / "emulated-basler.yaml"] * 2)


def test_a_cell_that_waits_for_a_person_is_told_that_its_scene_is_set_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    register = FleetRegister(tmp_path / "fleet")
    register.begin([CellFile(cell="bench1"), CellFile(cell="bench2")])
    reset = SceneReset("bench1", ResetSection(ask=True), register.waits_path("bench1"))
    run = ["--run", str(tmp_path)]
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(reset, 3)
        while not register.waiting():
            time.sleep(0.01)
        assert main(["cells", "list", *run]) == 0
        assert "s3k cells ready bench1" in " ".join(capsys.readouterr().out.split())
        assert main(["cells", "ready", "bench2", *run]) == 1
        assert "cell 'bench2' does not wait for its scene; those that do: bench1" in capsys.readouterr().err
        assert main(["cells", "ready", "bench1", *run]) == 0
        under_way.result(30)
    assert register.waiting() == []


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"ask": True, "patience_s": 0.3}, "nobody set up its scene and said so .* within 0.[23] s"),
        ({"script": ["sh", "-c", "echo no cable left >&2; exit 4"]}, "reset script sh returned 4: no cable left"),
        ({"script": ["/none/such"]}, "reset script /none/such: No such file"),
        ({"script": ["sleep", "60"], "patience_s": 0.2}, "reset script sleep was not done within 0.[23] s"),
    ],
)
def test_a_scene_that_is_not_set_up_is_an_error_of_the_cell(
    section: dict[str, object], says: str, tmp_path: Path
) -> None:
    reset = SceneReset("bench1", ResetSection.model_validate(section), tmp_path / "bench1.waits")
    with pytest.raises(CellError, match=says):
        reset(0)
    assert not (tmp_path / "bench1.waits").exists()


def test_a_reset_script_is_told_the_seed(tmp_path: Path) -> None:
    script = ("sh", "-c", f"echo $S3K_SEED > {tmp_path}/seed")
    SceneReset("bench1", ResetSection(script=script), tmp_path / "bench1.waits")(42)
    assert (tmp_path / "seed").read_text() == "42\n"


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


def test_a_cell_shows_the_certificate_of_its_file_or_the_runs(tmp_path: Path) -> None:
    path = tmp_path / "bench4.yaml"
    path.write_text("{cell: bench4, credentials: bench4}")
    cell = read_cell_file(path)
    assert cell.credentials == tmp_path / "bench4"
    config = load_config("smoke", ["credentials=/etc/s3k/credentials"])
    assert credentials_of(config, cell) == tmp_path / "bench4"
    assert credentials_of(config, CellFile(cell="bench5")) == Path("/etc/s3k/credentials")
    assert credentials_of(load_config("smoke"), CellFile(cell="bench5")) is None
