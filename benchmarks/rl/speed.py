"""Updates and environment steps per second, all contestants by turns in one process on Pendulum-v1."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.rl.bare import BareOurs, BareTD3, random_batches
from benchmarks.rl.contestants import BATCH, CONTESTANTS, Contestant, Task, skipped
from benchmarks.rl.timing import Rates, by_turns
from learners.ddpg.networks import ActorShape

STORED = 2000  # transitions in each replay before anything is timed
BARE_OURS, BARE_TD3 = "bare: our loss", "bare: TD3"
OBSERVATION_SIZE, ACTION_SIZE = 3, 1


@dataclass(frozen=True)
class SpeedPlan:
    """How much is measured.

    Attributes:
        updates: gradient steps of one contestant in one round; a multiple of 8.
        env_steps: environment steps likewise, with as many updates; a multiple of 8.
        rounds: of both.
    """

    updates: int
    env_steps: int
    rounds: int


FULL = SpeedPlan(updates=128, env_steps=128, rounds=15)
QUICK = SpeedPlan(updates=16, env_steps=16, rounds=3)


def measure_speed(plan: SpeedPlan) -> dict[str, Any]:
    """Rates of all contestants that can run, as plain values."""
    missing = skipped(list(CONTESTANTS))
    task = Task(lambda: gym.make("Pendulum-v1"), gamma=0.98, learning_starts=STORED)
    contestants: dict[str, Contestant] = {}
    try:
        for name, build in CONTESTANTS.items():
            if name not in missing:
                print(f"{name}: gathers {STORED} steps", flush=True)
                contestants[name] = build(task)
                contestants[name].step(STORED)
        updates = by_turns(_updates(contestants, plan.updates), plan.updates, plan.rounds)
        steps = by_turns(_steps(contestants, plan.env_steps), plan.env_steps, plan.rounds)
    finally:
        for contestant in contestants.values():
            contestant.close()
    return {
        "updates": _plain(updates),
        "env_steps": _plain(steps),
        "mflop": {BARE_OURS: _mflop(BareOurs), BARE_TD3: _mflop(BareTD3)},
        "skipped": missing,
        "rounds": plan.rounds,
    }


def _updates(contestants: Mapping[str, Contestant], count: int) -> dict[str, Callable[[], object]]:
    work: dict[str, Callable[[], object]] = {
        name: lambda contestant=contestant: contestant.update(count)  # type: ignore[misc]
        for name, contestant in contestants.items()
    }
    shape = ActorShape(OBSERVATION_SIZE, ACTION_SIZE)
    batches = random_batches(8, BATCH, OBSERVATION_SIZE, ACTION_SIZE)
    for name, bare in ((BARE_OURS, BareOurs(shape)), (BARE_TD3, BareTD3(shape))):

        def run(bare: BareOurs | BareTD3 = bare) -> None:
            for batch in itertools.islice(itertools.cycle(batches), count):
                bare.update(batch)

        work[name] = run
    return work


def _steps(contestants: Mapping[str, Contestant], count: int) -> dict[str, Callable[[], object]]:
    return {
        name: lambda contestant=contestant: contestant.step(count)  # type: ignore[misc]
        for name, contestant in contestants.items()
    }


def _mflop(bare: type[BareOurs] | type[BareTD3]) -> float:
    """Of matrix products in one update, 10^6; the mean of two, since TD3's actor moves at every second."""
    shape = ActorShape(OBSERVATION_SIZE, ACTION_SIZE)
    networks, batches = bare(shape), random_batches(2, BATCH, OBSERVATION_SIZE, ACTION_SIZE)
    with FlopCounterMode(display=False) as counted:
        for batch in batches:
            networks.update(batch)
    return float(counted.get_total_flops()) / 2 / 1e6


def _plain(rates: Mapping[str, Rates]) -> dict[str, Any]:
    return {name: rate.to_json() for name, rate in rates.items()}
