"""Fig. 7: insertion learned from keypoints, from a VAE, from the true state; and what fools a detector's own agent.

python -m experiments.insertion --preset cpu                        # every curve, one after the other, then the page
python -m experiments.insertion --preset cpu --list                 # the curves, done or not
python -m experiments.insertion --preset cpu --curve NAME           # one
python -m experiments.insertion --preset cpu --slice-min 60         # as much as fits; the same command goes on
python -m experiments.insertion --preset cpu --page                 # the page from what is there
"""

import argparse
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.interrupt import INTERRUPTED
from deploy.run_folder import RunFolder
from experiments import shared_start
from experiments.insertion_page import ENCODER, PAGE, Run, write_page
from experiments.shared_start import Start, finished
from s3k_dist.errors import S3KError
from s3k_dist.folders import make_folder
from s3k_dist.weights import WeightsRegistry

UNGATED = ("task.max_residual_px=1e9", "task.min_confidence=0")
FROZEN = ("keypoints.follow_stream=false",)
SETTINGS = {
    "cpu": ("policy.env_steps=20000", "evaluation.episodes=100", "evaluation.cloned_episodes=50"),
    "paper": ("policy.env_steps=40000", "evaluation.episodes=100", "evaluation.cloned_episodes=50"),
}
CELLS = {"cpu": (), "paper": ("cells.image_px=192",)}
SEEDS = {"cpu": (0, 1, 2), "paper": (0, 1, 2, 3, 4)}


@dataclass(frozen=True)
class Curve:
    """One training of a policy.

    Attributes:
        level: of the task.
        seed: of the run.
        settings: beside the preset's.
    """

    level: str
    seed: int
    settings: tuple[str, ...] = ()

    @property
    def base(self) -> str:
        """What it shares with others: recordings, labels, and the keypoint model trained on them."""
        return f"base-{self.level}-seed{self.seed}"


def curves(preset: str) -> Mapping[str, Curve]:
    """All curves of a preset by name, the most telling ones first."""
    every: dict[str, Curve] = {}
    for seed in SEEDS[preset]:
        every[f"keypoints-seed{seed}"] = Curve("standard", seed)
        every[f"vae-seed{seed}"] = Curve("standard", seed, ("task.observation=vae",))
        every[f"state-seed{seed}"] = Curve("standard", seed, ("task.observation=state",))
    every["easy"] = Curve("easy", 0)
    every["hard"] = Curve("hard", 0)
    every["gated-frozen"] = Curve("standard", 0, FROZEN)
    every["ungated"] = Curve("standard", 0, UNGATED)
    every["ungated-frozen"] = Curve("standard", 0, UNGATED + FROZEN)
    return every


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    every = curves(options.preset)
    root: Path = options.out / options.preset
    try:
        if unknown := [name for name in options.curve if name not in every]:
            raise S3KError(f"no curve {', '.join(map(repr, unknown))}; there are: {', '.join(every)}")
        make_folder(root)
        if options.list:
            for name in every:
                print(f"{'done' if finished(root / name) else 'open'}  {name}")
            return 0
        if not options.page:
            ends_s = None if options.slice_min is None else time.monotonic() + 60 * options.slice_min
            for name in options.curve or every:
                if not finished(root / name) and not _train(every[name], root / name, options.preset, ends_s):
                    break
        runs = {
            name: Run(root / name, curve.level, curve.seed) for name, curve in every.items() if finished(root / name)
        }
        if runs:
            write_page(options.preset, runs, tuple(name for name in every if name not in runs))
            print(f"wrote {PAGE}")
    except S3KError as error:
        print(f"insertion: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.insertion")
    parser.add_argument("--preset", choices=tuple(SETTINGS), default="cpu", help="default: %(default)s")
    parser.add_argument("--curve", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--list", action="store_true", help="name the curves, and which are done")
    parser.add_argument("--page", action="store_true", help="train nothing; write the page from what is done")
    parser.add_argument("--slice-min", type=float, default=None, metavar="M", help="stop after so long; resumable")
    parser.add_argument("--out", type=Path, default=Path("runs/experiments/insertion"), help="default: %(default)s")
    return parser


def _train(curve: Curve, folder: Path, preset: str, ends_s: float | None) -> bool:
    """Train one curve, or go on with it; False where the slice ended first."""
    if not _start(curve, folder.parent, preset).copy_to(folder, ends_s):
        return False
    if "task.observation=vae" in curve.settings and not _encode(folder, preset, ends_s):
        return False
    return shared_start.go_on(folder, [*SETTINGS[preset], *curve.settings], ends_s)


def _start(curve: Curve, root: Path, preset: str) -> Start:
    """What curves of one level and seed share."""
    return Start(root / curve.base, curve.seed, (f"cells.level={curve.level}", *CELLS[preset]))


def _encode(folder: Path, preset: str, ends_s: float | None) -> bool:
    """The VAE of seed 0's frames, trained once and given to every seed: the policies differ, their eyes do not."""
    start, registry = _start(Curve("standard", 0), folder.parent, preset), folder.parent / ENCODER
    if not start.make(ends_s):
        return False
    if WeightsRegistry(registry).current() is None and not shared_start.s3k(
        ["train", "vae", "--data", str(start.folder), "--out", str(registry)], ends_s
    ):
        return False
    own = RunFolder(folder).encoder("vae")
    if not own.exists():
        shutil.copytree(registry, own)
    return True


if __name__ == "__main__":
    sys.exit(main())
