"""One run, and each fault tried on it: the others go on, what failed comes back, nothing acknowledged is lost."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from deploy.cli import main
from deploy.fleet.part import State
from experiments.soak.damage import (
    damage_checkpoint,
    damage_served_weights,
    damage_shard,
    damage_trainer,
    fill_disk,
    free_disk,
)
from experiments.soak.nodes import node_of
from experiments.soak.run import Parts, done, gone
from s3k_dist.labels.store import load_labels
from tests.faults.conftest import PATIENCE_S, Tried

pytestmark = [pytest.mark.timeout(2 * PATIENCE_S), pytest.mark.faults]

KINDS = ("cell0", "service1", "keypoints", "policy")  # one of each


def until_begun_anew(tried: Tried, before: Parts, *names: str) -> None:
    """These parts are begun anew, and no other is."""
    tried.run.until(lambda parts: all(parts[name].restarts > before[name].restarts for name in names), f"{names} fail")
    after = tried.run.until_well()
    assert all(part.restarts == before[other].restarts for other, part in after.items() if other not in names)
    for name in names:
        assert after[name].pid != before[name].pid
        assert gone_pid(before[name].pid), f"the old process of {name} is still there"


def gone_pid(pid: int) -> bool:
    try:
        return gone(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True


def test_one_process_killed_stops_no_other(tried: Tried) -> None:
    before = tried.run.until_well()
    tried.ledger.note()
    os.kill(before["cell0"].pid, signal.SIGKILL)
    until_begun_anew(tried, before, "cell0")
    assert tried.ledger.lost() == []


def damaged_weights(tried: Tried) -> str:
    version = damage_served_weights(tried.run.root, tried.ledger)
    return f"in place of {version}: version {version} in "


def damaged_checkpoint(tried: Tried) -> str:
    return f"{damage_checkpoint(tried.run.root)} is damaged: replay.npz is not as it was written; checkpoint-"


def damaged_state(tried: Tried) -> str:
    damage_trainer(tried.run.root)
    return "the keypoint learner begins from the promoted weights"


def damaged_shard(tried: Tried) -> str:
    labelled = load_labels(tried.run.root / "labels.json").labels[0].frame
    assert labelled in damage_shard(tried.run.root, labelled, tried.ledger)
    return f"a label is not used: frame {labelled}: "


@pytest.mark.parametrize(
    ("name", "damages"),
    [
        ("service1", (damaged_weights,)),
        ("policy", (damaged_checkpoint,)),
        ("keypoints", (damaged_state, damaged_shard)),
    ],
)
def test_one_killed_whose_files_are_damaged_does_without_them_and_stops_no_other(
    name: str, damages: tuple[Callable[[Tried], str], ...], tried: Tried
) -> None:
    before = tried.run.until_well()
    tried.ledger.note()
    os.kill(before[name].pid, signal.SIGSTOP)  # it would write another one in the place of what is damaged
    said = [damage(tried) for damage in damages]
    os.kill(before[name].pid, signal.SIGKILL)
    until_begun_anew(tried, before, name)
    for text in said:
        until_said(tried, text)
    assert tried.ledger.lost() == []


def test_processes_that_hang_are_begun_anew_while_the_others_go_on(tried: Tried) -> None:
    before = tried.run.until_well()
    tried.ledger.note()
    for name in KINDS:
        os.kill(before[name].pid, signal.SIGSTOP)
    # A cell, a replica and no learner are left: enough for robots to go on.
    tried.run.until(lambda parts: done(parts["cell1"]) > done(before["cell1"]) + 2, "the other cell goes on")
    until_begun_anew(tried, before, *KINDS)
    assert tried.ledger.lost() == []


def test_a_cell_comes_and_goes_with_its_node(tried: Tried, tmp_path: Path) -> None:
    before = tried.run.until_well()
    (tmp_path / "bench.yaml").write_text("cell: bench\nresource: arm\n")
    assert main(["cells", "add", str(tmp_path / "bench.yaml"), "--run", str(tried.run.root)]) == 0
    tried.run.until(lambda parts: "bench" in parts and parts["bench"].state is State.WAITING, "it waits for its node")
    node = tried.nodes.add(node_of("arm"))
    tried.run.until(lambda parts: done(parts["bench"]) > 0, "the new cell contributes")
    tried.ledger.note()
    assert any(name.startswith("bench/") for name in tried.ledger.frames)
    tried.nodes.kill(node)
    tried.run.until(lambda parts: parts["bench"].restarts > 0, "its loss is noticed")
    tried.run.until(lambda parts: parts["bench"].state is State.WAITING, "it waits for its node again")
    tried.run.until(
        lambda parts: all(done(parts[name]) > done(before[name]) for name in ("cell0", "cell1")), "the others go on"
    )
    node = tried.nodes.add(node_of("arm"))
    after = tried.run.until_well()
    assert after["bench"].state is State.RUNNING
    assert all(part.restarts == before[name].restarts for name, part in after.items() if name != "bench")
    assert main(["cells", "remove", "bench", "--run", str(tried.run.root)]) == 0
    tried.run.until(lambda parts: "bench" not in parts, "it is drained and forgotten")
    tried.nodes.kill(node)
    assert tried.ledger.lost() == []


def test_a_full_disk_costs_nothing_acknowledged_and_all_goes_on_when_there_is_room(tried: Tried) -> None:
    before = tried.run.until_well()
    tried.ledger.note()
    processes = tried.run.processes()
    # The supervisor still has room for what it says here.
    room = (tried.run.root / "metrics.jsonl").stat().st_size
    for name, process in processes.items():
        fill_disk(process, room if name == "supervisor" else 0)
    try:
        for line in ("metrics.jsonl: File too large", "policy is not saved: cannot write", "cell0: cannot write"):
            until_said(tried, line)
    finally:
        for process in processes.values():
            free_disk(process)
    after = tried.run.until_well()
    assert {name: part.pid for name, part in after.items()} == {name: part.pid for name, part in before.items()}
    assert tried.ledger.lost() == []


def test_a_killed_run_leaves_no_process_and_goes_on_with_all_it_had(tried: Tried) -> None:
    run = tried.run
    run.until_well()
    tried.ledger.note()
    processes, steps = run.processes(), done(run.parts()["policy"])
    run.kill()
    _, left = psutil.wait_procs(processes.values(), timeout=PATIENCE_S)
    assert all(gone(process) for process in left), left
    run.resume()
    parts = run.until_well()
    assert tried.ledger.lost(all_frames=True) == []
    assert "Traceback" not in run.log.read_text()
    run.until(lambda parts: done(parts["policy"]) >= steps, "no step is lost, or they are made up for")
    assert parts.keys() == {"cell0", "cell1", "service0", "service1", "keypoints", "policy"}
    assert run.end() == 130


def until_said(tried: Tried, text: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while text not in " ".join(tried.run.log.read_text().split()):
        assert time.monotonic() < end_s, f"{text!r} is never said: {tried.run.log.read_text()[-3000:]}"
        time.sleep(0.3)
