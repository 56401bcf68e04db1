"""What each level of the task costs: the expert, and plain cloning of 51 of its demonstrations.

python -m experiments.levels                 # runs what is not done, then writes docs/experiments/levels.md
python -m experiments.levels --level hard    # one level
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import torch

from actors.insertion import InsertionConfig, InsertionTask
from actors.rollout import ActingPolicy, Rollout
from actors.sim.cell import CableCell
from actors.sim.demonstrate import demonstrate, unrendered_cell
from actors.sim.levels import LEVELS
from actors.sim.true_features import TrueFeatures
from deploy.links import FixedPolicy
from experiments.cloning import UPDATES, clone
from experiments.machine import machine
from experiments.pages import number, table
from s3k_dist.atomic import write_atomic
from s3k_dist.folders import make_folder

PAGE = Path("docs/experiments/levels.md")
DEMONSTRATIONS = 51
EPISODES, SEEDS = 100, (0, 1, 2)
NOISE_M = 0.0007  # of each coordinate: 1.1 mm in space at the median, twice the main job's served keypoints
FIRST_DEMONSTRATION = 10_000


@dataclass(frozen=True)
class LevelResult:
    """One level.

    Attributes:
        expert_success: by truth, of the expert's episodes.
        demonstration_steps: mean length of those that are kept: inserted, and claimed.
        cloned_success: by truth, of a cloned policy for each seed.
        machine: that it ran on.
    """

    expert_success: float
    demonstration_steps: float
    cloned_success: tuple[float, ...]
    machine: str


def measure(
    level: str, demonstrations: int = DEMONSTRATIONS, episodes: int = EPISODES, updates: int = UPDATES
) -> LevelResult:
    """Demonstrate and clone; the observation is of true keypoints with noise.

    Args:
        level: of ``LEVELS``.
        demonstrations: to clone.
        episodes: that each cloned policy is judged by.
        updates: of cloning.

    Raises:
        S3KError: the expert succeeds too rarely to demonstrate.
    """
    cell = unrendered_cell(level)
    try:
        kept, outcomes = demonstrate(cell, NOISE_M, demonstrations, first_seed=FIRST_DEMONSTRATION, noise_seed=0)
        rates = []
        for seed in SEEDS:
            policy = FixedPolicy(*clone(kept, seed, updates))
            rates.append(fmean(_play(_rollout(cell, seed=1 + seed), policy, episodes)))
    finally:
        cell.stop()
    expert_success = fmean(outcome.truly_inserted for outcome in outcomes)
    return LevelResult(expert_success, fmean(map(len, kept)), tuple(rates), machine())


def page(results: dict[str, LevelResult]) -> str:
    """The levels, and how far cloning gets on each."""
    rows = []
    for name, result in results.items():
        cable, spread = LEVELS[name].cable, LEVELS[name].randomisation
        rows.append(
            [
                name,
                f"{cable.bending_stiffness:g}",
                f"{1e3 * cable.free_length_m:.0f}",
                f"{1e3 * cable.clearance_m:.1f}",
                f"{cable.friction:g}",
                f"{math.degrees(spread.bend_rad):.0f}",
                f"{math.degrees(cable.hole_tilt_rad):.0f} ± {math.degrees(spread.hole_rad):.0f}",
                f"± {1e3 * spread.socket_m:.0f}",
                "yes" if LEVELS[name].decoys else "no",
                f"{100 * result.expert_success:.0f}%",
                number(result.demonstration_steps, "{:.1f}"),
                f"{100 * fmean(result.cloned_success):.0f}% "
                f"({', '.join(f'{100 * rate:.0f}' for rate in result.cloned_success)})",
            ]
        )
    header = [
        "level",
        "EI, N m²",
        "cable, mm",
        "clearance, mm",
        "friction",
        "bend, ±°",
        "hole leans, °",
        "socket, mm",
        "decoys",
    ]
    header += ["expert", "its steps", "cloned (by seed)"]
    machines = sorted({result.machine for result in results.values()})
    parts = [
        "# Levels of the task",
        f"Made by `python -m experiments.levels`; numbers are not edited. Machine: {'; '.join(machines)}.",
        "Success by the simulator's truth. What is observed are true keypoints with "
        f"{1e3 * NOISE_M:.1f} mm of noise on every coordinate, drawn anew for every frame; "
        "served keypoints err less at the median ([the main job](main_job.md)) and have a longer tail. "
        f"Cloned: least squares on {DEMONSTRATIONS} successful demonstrations of the scripted expert, "
        f"{EPISODES} episodes for each of {len(SEEDS)} seeds. `standard` is what Fig. 7 is run on.",
        table(header, rows),
    ]
    return "\n\n".join(parts) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments.levels")
    parser.add_argument("--level", action="append", default=[], choices=tuple(LEVELS), help="only this one; repeatable")
    parser.add_argument("--out", type=Path, default=Path("runs/experiments/levels"), help="default: %(default)s")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    make_folder(options.out)
    make_folder(PAGE.parent)
    for level in options.level or LEVELS:
        path = options.out / f"{level}.json"
        if not path.exists():
            result = measure(level)
            write_atomic(path, json.dumps(asdict(result), indent=1).encode())
            print(f"{level}: expert {result.expert_success:.0%}, cloned {fmean(result.cloned_success):.0%}", flush=True)
    done = {level: path for level in LEVELS if (path := options.out / f"{level}.json").exists()}
    write_atomic(
        PAGE, page({level: LevelResult(**json.loads(path.read_text())) for level, path in done.items()}).encode()
    )
    print(f"wrote {PAGE}")
    return 0


def _rollout(cell: CableCell, seed: int) -> Rollout:
    task = InsertionTask(InsertionConfig(), cell.cameras[0].width_px)
    return Rollout(cell, TrueFeatures(cell, NOISE_M, seed), task)


def _play(rollout: Rollout, policy: ActingPolicy, episodes: int) -> list[bool]:
    return [rollout.run(policy, seed).truly_inserted for seed in range(episodes)]


if __name__ == "__main__":
    sys.exit(main())
