"""The supervisor follows the register, names liars, and ends a run of which nothing can come."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from deploy.config import load_config
from deploy.fleet.cell_file import CellFile
from deploy.fleet.part import State
from deploy.fleet.register import FleetRegister
from deploy.fleet.status import read_status
from deploy.fleet.supervisor import Supervisor
from deploy.policy import PolicyProgress
from deploy.run_folder import RunFolder
from deploy.session import Session
from deploy.topology import ProcessDiedError
from learners.ddpg.ingest import Refusals
from s3k_dist.errors import S3KError
from tests.deploy.fleet.conftest import Clock, FakeHost, HandCalls, Said, outcome

NUMBERS = {"env_steps": 10.0, "updates": 5.0, "replay_size": 10.0, "feature_distance": 0.0}


class View(Said):
    """What a person is shown; only events matter here."""

    def event(self, text: str) -> None:
        self.append(text)

    def update(self, **figures: object) -> None: ...


@pytest.fixture
def view() -> View:
    return View()


@pytest.fixture
def supervisor(
    tmp_path: Path, host: FakeHost, calls: HandCalls, view: View, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Supervisor:
    monkeypatch.setattr("deploy.fleet.supervisor.Calls", lambda: calls)
    host.service = lambda: "127.0.0.1:1"  # type: ignore[attr-defined]
    session = SimpleNamespace(
        config=load_config("smoke", ["keypoints.follow_stream=false"]),
        folder=RunFolder(tmp_path),
        topology=host,
        log=SimpleNamespace(add=lambda *values: None),
        problems=(),
        view=view,
        latencies_ms=[],
        keep=lambda stage, kept: None,
        note_drift=lambda cell_id, report, env_steps: None,
        seed=lambda offset: offset,
    )
    FleetRegister(RunFolder(tmp_path).fleet).begin([CellFile(cell="cell0"), CellFile(cell="cell1")])
    return Supervisor(cast(Session, session))


def turn(supervisor: Supervisor, clock: Clock) -> None:
    clock.now_s += 100
    supervisor._turn()


def learned(supervisor: Supervisor, **refused: Refusals) -> None:
    supervisor._policy_learned(PolicyProgress(NUMBERS, dict(refused)))


def all_at_work(supervisor: Supervisor, calls: HandCalls, clock: Clock) -> None:
    turn(supervisor, clock)
    for cell_id in ("cell0", "cell1"):
        calls.answer(cell_id)
        calls.answer(cell_id)


def states(supervisor: Supervisor, root: Path) -> dict[str, State]:
    return {part.name: part.state for part in read_status(root).parts}


def test_cells_that_join_and_go_while_it_runs(
    supervisor: Supervisor, calls: HandCalls, clock: Clock, tmp_path: Path, host: FakeHost
) -> None:
    all_at_work(supervisor, calls, clock)
    register = FleetRegister(tmp_path / "fleet")
    register.add(CellFile(cell="bench3", resource="arm"))
    turn(supervisor, clock)
    assert states(supervisor, tmp_path)["bench3"] is State.WAITING
    host.resources.add("arm")
    register.wish("cell1", "remove")
    turn(supervisor, clock)
    calls.answer("cell1", outcome())
    turn(supervisor, clock)
    assert states(supervisor, tmp_path) == {
        "bench3": State.STARTING,
        "cell0": State.RUNNING,
        "service0": State.STARTING,
        "policy": State.STARTING,
    }
    assert set(register.cells()) == {"bench3", "cell0"}


def test_a_damaged_cell_file_changes_nothing_and_is_named(
    supervisor: Supervisor, calls: HandCalls, clock: Clock, tmp_path: Path, view: View
) -> None:
    all_at_work(supervisor, calls, clock)
    (tmp_path / "fleet" / "cell9.yaml").write_text("cell: [")
    turn(supervisor, clock)
    turn(supervisor, clock)
    assert states(supervisor, tmp_path)["cell0"] is State.RUNNING
    assert sum("cell9.yaml is damaged" in text for text in view) == 1


def test_a_lying_cell_is_named_once_for_each_reason_and_then_left_alone(
    supervisor: Supervisor, calls: HandCalls, clock: Clock, view: View
) -> None:
    all_at_work(supervisor, calls, clock)
    for count in (1, 2):
        learned(supervisor, cell1=Refusals(Counter(shape=count), count, "cell1: expected rewards of shape (8,)"))
    assert view == ["refused: cell1: expected rewards of shape (8,)"]
    learned(supervisor, cell1=Refusals(Counter(shape=2, not_finite=8), 10, "cell1: rewards not finite"))
    assert view[1:] == [
        "refused: cell1: rewards not finite",
        "cell1 gets no more episodes: its last 10 chunks were refused",
    ]
    for cell_id in ("cell0", "cell1"):
        calls.answer(cell_id, outcome())
    assert [name for name, reference in calls.asked if "train_episode" in reference].count("cell1") == 1
    assert calls.last == "cell0#1.train_episode"
    turn(supervisor, clock)  # the other one goes on: no reason to end


def test_a_run_whose_cells_all_lie_ends_with_the_reasons(
    supervisor: Supervisor, calls: HandCalls, clock: Clock
) -> None:
    all_at_work(supervisor, calls, clock)
    learned(supervisor, **{name: Refusals(Counter(shape=10), 10, f"{name} lies") for name in ("cell0", "cell1")})
    with pytest.raises(S3KError, match="what the cells send is refused: cell0 lies; cell1 lies"):
        turn(supervisor, clock)


def test_a_run_whose_cells_all_fail_ends_and_one_with_a_sound_cell_goes_on(
    supervisor: Supervisor, calls: HandCalls, clock: Clock
) -> None:
    all_at_work(supervisor, calls, clock)
    for cell_id in ("cell0", "cell1"):
        if cell_id == "cell1":
            turn(supervisor, clock)  # cell0 has failed five times; cell1 is well
        for _ in range(5):
            calls.answer(cell_id, ProcessDiedError("its process died"))
            if cell_id == "cell1" and supervisor._cells["cell1"].part.failures == 5:
                break
            turn(supervisor, clock)
    with pytest.raises(S3KError, match="every cell failed 5 times in a row; the last time cell"):
        supervisor._require_cells()


def test_the_status_says_when_the_run_is_over(
    supervisor: Supervisor, calls: HandCalls, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise S3KError("enough")

    monkeypatch.setattr(supervisor, "_turn", broken)
    with pytest.raises(S3KError, match="enough"):
        supervisor.run()
    assert read_status(tmp_path).over
