"""The trained insertion policy on the emulated cell, against the simulated one: cameras, gate and clock are between.

python -m experiments.emulated_cell --run RUN                 # 50 held-out starts each; the second in real time at 4 Hz
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from actors.cell import Cell
from actors.insertion import InsertionTask
from actors.observation import FeatureSource
from actors.physical.emulated_cell import EmulatedCell
from actors.physical.ticks import Ticks
from actors.rollout import ActingPolicy, EpisodeOutcome, Rollout
from deploy.cells import cell_spec
from deploy.config import RunConfig, read_config
from deploy.fleet.cell_file import CellFile
from deploy.run_folder import RunFolder
from deploy.seeds import HELD_OUT_SEEDS, SEEDS_PER_RUN
from experiments.machine import machine
from experiments.pages import table
from s3k_dist.atomic import write_atomic
from s3k_dist.errors import CellError
from s3k_dist.folders import make_folder

PAGE = Path("docs/experiments/emulated-cell.md")
EPISODES = 50
CLIENT_S = 5.0


@dataclass(frozen=True)
class Judged:
    """How a policy did in a cell.

    Attributes:
        outcomes: of the episodes that came to an end.
        broken: why the others did not.
        periods: of control.
        missed: commands that came after their period was over; 0 where the cell waits for its commands.
        worst_late_s: by how much, at most.
    """

    outcomes: tuple[EpisodeOutcome, ...]
    broken: tuple[str, ...]
    periods: int
    missed: int
    worst_late_s: float

    @property
    def success(self) -> float:
        """Share that inserted, by truth; one that broke off did not."""
        return sum(outcome.truly_inserted for outcome in self.outcomes) / max(1, self.episodes)

    @property
    def episodes(self) -> int:
        """All that were begun."""
        return len(self.outcomes) + len(self.broken)


def judge(
    cell: Cell, features: FeatureSource, task: InsertionTask, policy: ActingPolicy, seeds: Iterable[int]
) -> Judged:
    """Play an episode from each start."""
    rollout = Rollout(cell, features, task)
    outcomes, broken = list[EpisodeOutcome](), list[str]()
    for seed in seeds:
        try:
            outcomes.append(rollout.run(policy, seed))
        except CellError as error:
            broken.append(str(error))
    # A simulated cell waits for its commands, so none can be late.
    ticks = cell.ticks if isinstance(cell, EmulatedCell) else Ticks()
    periods = ticks.periods or sum(outcome.steps for outcome in outcomes)
    return Judged(tuple(outcomes), tuple(broken), periods, ticks.missed, ticks.worst_late_s)


def compare(config: RunConfig, folder: RunFolder, episodes: int) -> dict[str, Judged]:
    """A run's policy on both cells, from the same starts, with the run's model behind the feature service."""
    from deploy.links import FixedPolicy
    from learners.ddpg.policy import load_policy
    from s3k_dist.features.client import FeatureClient
    from s3k_dist.features.server import FeatureServer
    from s3k_dist.features.server_thread import FeatureServerThread
    from s3k_dist.keypoints.detector import KeypointDetector
    from s3k_dist.weights import WeightsRegistry

    folder.require_model()
    registry = WeightsRegistry(folder.models)
    server = FeatureServer(registry.current, lambda version: KeypointDetector.load(registry, version))
    trained = load_policy(folder.policy)
    first = config.seed * SEEDS_PER_RUN + HELD_OUT_SEEDS
    seeds = range(first, first + episodes)
    service = FeatureServerThread(server)
    service.start()
    found = {}
    try:
        client = FeatureClient(service.address, deadline_s=CLIENT_S)
        client.wait_ready(CLIENT_S)
        for kind in ("simulated", "emulated"):
            cell = cell_spec(config, folder, CellFile.model_validate({"cell": kind, "kind": kind})).make()
            try:
                task = InsertionTask(config.task, config.cells.image_px)
                found[kind] = judge(cell, client, task, FixedPolicy(trained.weights(), trained.shape), seeds)
            finally:
                cell.stop()
        client.close()
    finally:
        service.stop(grace_s=1.0)
    return found


def page(found: dict[str, Judged], run: str, episodes: int) -> str:
    """The figures, written down."""
    rows = [
        [
            name,
            str(judged.episodes),
            f"{100 * judged.success:.0f}%",
            _mean(judged, lambda outcome: 100.0 * outcome.claimed, "{:.0f}%"),
            str(sum(outcome.false_claim for outcome in judged.outcomes)),
            _mean(judged, lambda outcome: outcome.steps, "{:.1f}"),
            _mean(judged, lambda outcome: 1e3 * float(np.median(outcome.error_m)), "{:.2f}"),
            f"{judged.missed} of {judged.periods}" if name == "emulated" else "–",
            f"{1e3 * judged.worst_late_s:.0f}" if name == "emulated" else "–",
            str(len(judged.broken)),
        ]
        for name, judged in found.items()
    ]
    header = ["cell", "episodes", "inserted", "claimed", "false claims", "steps", "keypoint error, mm",
              "deadlines missed", "latest by, ms", "broken off"]  # fmt: skip
    apart = 100 * (found["emulated"].success - found["simulated"].success)
    parts = [
        "# The insertion policy on the emulated cell",
        f"Made by `python -m experiments.emulated_cell --run {run} --episodes {episodes}`; numbers are not edited. "
        f"Machine: {machine()}.",
        "One trained policy and one keypoint model, from the same held-out starts. The simulated cell waits for its "
        "commands. The emulated one does not: its robot is a process of its own behind the safety gate, its pictures "
        "go through a lens that distorts, a sensor with noise and Basler's emulated cameras, and a command is late if "
        "the control period of 250 ms that it was for is over.",
        table(header, rows),
        f"Insertions on the emulated cell less those on the simulated one: {apart:+.0f} points.",
    ]
    broken = [f"- {name}: {reason}" for name, judged in found.items() for reason in judged.broken]
    return "\n\n".join([*parts, *(["\n".join(broken)] if broken else [])]) + "\n"


def _mean(judged: Judged, value: Callable[[EpisodeOutcome], float], form: str) -> str:
    return form.format(fmean(map(value, judged.outcomes))) if judged.outcomes else "–"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments.emulated_cell")
    parser.add_argument("--run", type=Path, required=True, metavar="DIR", help="folder of a run that has evaluated")
    parser.add_argument("--episodes", type=int, default=EPISODES, help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=PAGE, metavar="FILE", help="default: %(default)s")
    options = parser.parse_args(arguments)
    folder = RunFolder(options.run.absolute())
    found = compare(read_config(folder.root), folder, options.episodes)
    make_folder(options.out.absolute().parent)
    write_atomic(options.out, page(found, options.run.name, options.episodes).encode())
    print(f"wrote {options.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
