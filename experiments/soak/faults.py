"""What is tried on a run, and how long it takes to be noticed and got over."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil

from deploy.fleet.part import Part, State
from deploy.ray_nodes import LocalNodes
from experiments.soak import damage
from experiments.soak.ledger import Ledger
from experiments.soak.nodes import node_of
from experiments.soak.run import Parts, TriedRun, done, gone
from s3k_dist.errors import DeadlineError

BENCH, ARM = "bench", "arm"  # a cell that hangs on a node of its own
FULL_S = 10.0  # checkpoints, shards and lines of logs are due several times over


@dataclass
class Trial:
    """One fault, tried once.

    Attributes:
        fault: which.
        on: parts that it was done to.
        noticed_s: until the run knew; None where it knows by what it finds, not by waiting.
        recovered_s: until what failed did its work again; a node, since it joined; a disk, since it had room.
        lost: what was acknowledged and is gone, in words.
        others: parts that were begun anew although nothing was done to them.
        error: why the run did not come back by itself, in words; empty if it did.
    """

    fault: str
    on: list[str] = field(default_factory=list)
    noticed_s: float | None = None
    recovered_s: float | None = None
    lost: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    error: str = ""


@dataclass
class Soak:
    """What the faults are tried on.

    Attributes:
        run: the run.
        nodes: of its cluster.
        ledger: of what it has acknowledged.
        bench: the node that may go.
    """

    run: TriedRun
    nodes: LocalNodes
    ledger: Ledger
    bench: object

    def signal(self, trial: Trial, before: Parts, number: signal.Signals, *names: str) -> None:
        """Send a signal to the processes of some parts, and time how they come back."""
        trial.on = list(names)
        began_s = time.monotonic()
        for name in names:
            os.kill(before[name].pid, number)
        self.follow(trial, before, began_s, *names)

    def follow(self, trial: Trial, before: Parts, began_s: float, *names: str) -> None:
        """Time how parts are found to have failed, and do their work again."""
        noticed = self.run.until(
            lambda now: all(now[each].restarts > before[each].restarts for each in names), "noticed"
        )
        trial.noticed_s = time.monotonic() - began_s
        self.run.until(
            lambda now: all(
                now[each].state is State.RUNNING and now[each].pid and _works(now[each], noticed[each])
                for each in names
            ),
            f"{names} do their work again",
        )
        trial.recovered_s = time.monotonic() - began_s


Fault = Callable[[Soak, Trial, Parts], None]


def kill(name: str) -> Fault:
    """kill -9 of a part's process."""
    return lambda soak, trial, before: soak.signal(trial, before, signal.SIGKILL, name)


def pause(name: str) -> Fault:
    """SIGSTOP of a part's process: it is there, and does nothing."""
    return lambda soak, trial, before: soak.signal(trial, before, signal.SIGSTOP, name)


def kill_supervisor(soak: Soak, trial: Trial, before: Parts) -> None:
    """kill -9 of `s3k run`: all of it must be gone, and `--resume` goes on."""
    processes = soak.run.processes()
    trial.on = ["supervisor"]
    began_s = time.monotonic()
    soak.run.kill()
    psutil.wait_procs(processes.values(), timeout=soak.run.patience_s)
    if left := [name for name, process in processes.items() if not gone(process)]:
        raise DeadlineError(f"still there after {soak.run.patience_s:.0f} s: {', '.join(left)}")
    trial.noticed_s = time.monotonic() - began_s
    began_s = time.monotonic()
    soak.run.resume()
    soak.run.until(lambda parts: parts.keys() >= before.keys() and all(map(done, parts.values())), "it goes on")
    trial.recovered_s = time.monotonic() - began_s


def kill_node(soak: Soak, trial: Trial, before: Parts) -> None:
    """kill -9 of all processes of a Ray node, which joins anew."""
    trial.on = [BENCH]
    began_s = time.monotonic()
    soak.nodes.kill(soak.bench)
    noticed = soak.run.until(lambda now: now[BENCH].restarts > before[BENCH].restarts, "the node's loss is noticed")
    trial.noticed_s = time.monotonic() - began_s
    soak.bench = soak.nodes.add(node_of(ARM))
    began_s = time.monotonic()
    soak.run.until(lambda now: done(now[BENCH]) > done(noticed[BENCH]), "the node's cell contributes again")
    trial.recovered_s = time.monotonic() - began_s


def full_disk(soak: Soak, trial: Trial, before: Parts) -> None:
    """No file of any process grows for some seconds."""
    processes = soak.run.processes()
    trial.on = list(processes)
    for process in processes.values():
        damage.fill_disk(process)
    try:
        time.sleep(FULL_S)
    finally:
        for process in processes.values():
            damage.free_disk(process)
    began_s = time.monotonic()
    soak.run.until(lambda now: all(_works(now[name], part) for name, part in before.items()), "all goes on")
    trial.recovered_s = time.monotonic() - began_s


def damaged(what: Callable[[TriedRun, Ledger], object], *names: str) -> Fault:
    """A file is damaged while those who read it are away; they come back without it."""

    def fault(soak: Soak, trial: Trial, before: Parts) -> None:
        for name in names:  # who is stopped writes no other in its place
            os.kill(before[name].pid, signal.SIGSTOP)
        what(soak.run, soak.ledger)
        soak.signal(trial, before, signal.SIGKILL, *names)

    return fault


def damage_newest_shard(run: TriedRun, ledger: Ledger) -> None:
    """Of a cell. One with labels would do as well, but there are only so many."""
    newest = max(name for name in ledger.frames if name.startswith("cell0/"))
    damage.damage_shard(run.root, newest, ledger)


FAULTS: dict[str, Fault] = {
    "cell killed": kill("cell0"),
    "cell stopped": pause("cell1"),
    "service replica killed": kill("service0"),
    "service replica stopped": pause("service1"),
    "keypoint learner killed": kill("keypoints"),
    "keypoint learner stopped": pause("keypoints"),
    "policy learner killed": kill("policy"),
    "policy learner stopped": pause("policy"),
    "supervisor killed": kill_supervisor,
    "Ray node killed": kill_node,
    "disk full": full_disk,
    "newest checkpoint damaged": damaged(lambda run, ledger: damage.damage_checkpoint(run.root), "policy"),
    "keypoint learner's state damaged": damaged(lambda run, ledger: damage.damage_trainer(run.root), "keypoints"),
    "served weights damaged": damaged(
        lambda run, ledger: damage.damage_served_weights(run.root, ledger), "keypoints", "service1"
    ),
    "newest shard damaged": damaged(damage_newest_shard, "keypoints"),
}


def attempt(soak: Soak, fault: str) -> Trial:
    """Try one fault on a run that is well, and see that it is well again and has lost nothing."""
    trial = Trial(fault)
    before = soak.run.until_well()
    soak.ledger.note()
    FAULTS[fault](soak, trial, before)
    after = soak.run.until_well()
    trial.lost = soak.ledger.lost()
    if fault != "supervisor killed":  # its restarts are counted from nothing
        spared = [name for name in before if name not in trial.on]
        trial.others = [name for name in spared if after[name].restarts > before[name].restarts]
    return trial


def _works(now: Part, before: Part) -> bool:
    """Whether a part has done something since; a replica's rate may be what it was."""
    return done(now) > 0 if now.kind == "service" else done(now) != done(before)
