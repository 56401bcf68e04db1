"""A scene that changes while a run works, for a keypoint model that follows the stream and for one that stays frozen.

python -m experiments.live_shift                        # every run, one after the other, then the page
python -m experiments.live_shift --list                 # the runs, done or not
python -m experiments.live_shift --curve NAME           # one
python -m experiments.live_shift --slice-min 60         # as much as fits; the same command goes on
python -m experiments.live_shift --page                 # docs/experiments/live_shift.md from what is there
python -m experiments.live_shift --scenes               # what the changes look like

The runs of a seed share recordings, labels and the first keypoint model. Then each trains a policy; other light and
distractors come, then another texture of everything, then one camera is moved by 10 mm. No label is added. Some 15 to
20 minutes a run on two cores that do nothing else. A run that is stopped in between goes on with a cell that has to
take a new reference before it can raise an alarm (docs/continual.md): for the page let runs go through.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from actors.sim.scene_change import SceneChange
from deploy.interrupt import INTERRUPTED
from deploy.run_folder import RunFolder
from experiments import shared_start
from experiments.live_shift_figures import ShiftPlan, ShiftRun
from experiments.live_shift_page import draw_scenes, write_page
from experiments.run_course import read_course
from experiments.shared_start import Start, finished
from s3k_dist.errors import S3KError, StorageError
from s3k_dist.folders import make_folder
from s3k_dist.stream.reader import StreamReader

CELL = "cell0"  # the only one: then a frame is a time
WAYS = {"adapting": (), "frozen": ("keypoints.follow_stream=false",)}
DISTRACTORS = ("distractors, half the light", SceneChange(0, decoys=True, light=0.5))
TEXTURE = ("other textures", SceneChange(0, scene_seed=4711))
MOVED = ("a camera moved by 10 mm", SceneChange(0, camera="cam2", camera_moved_m=(0.008, 0.006, 0.0)))
STEPS_A_FRAME = 0.94  # an episode of n steps has n + 1 frames


@dataclass(frozen=True)
class Setting:
    """A preset of this experiment.

    Attributes:
        plan: of the changes.
        seeds: of the runs.
        preset: of the runs.
        shared: settings of what the runs of a seed share.
        own: settings beside them.
    """

    plan: ShiftPlan
    seeds: tuple[int, ...]
    preset: str
    shared: tuple[str, ...] = ()
    own: tuple[str, ...] = ()


SETTINGS = {
    "cpu": Setting(
        # A quarter of an hour each at 4 Hz: the unchanged part of all six runs is an hour and a half.
        ShiftPlan((DISTRACTORS, TEXTURE, MOVED), interval_frames=3600, window_frames=480, reference_frames=480),
        (0, 1, 2),
        "laptop",
        own=("evaluation.episodes=20",),
    ),
    # Shows that everything holds together, in minutes; its model sees too little for its figures to mean anything.
    "smoke": Setting(
        ShiftPlan((DISTRACTORS, MOVED), interval_frames=120, window_frames=40, reference_frames=40, image_px=64),
        (0,),
        "smoke",
        own=("drift.reference_frames=40", "evaluation.episodes=1"),
    ),
}


def curves(setting: Setting) -> Mapping[str, tuple[str, int]]:
    """Way and seed of each run, by its name."""
    return {f"{way}-seed{seed}": (way, seed) for seed in setting.seeds for way in WAYS}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    setting = SETTINGS[options.preset]
    every, root = curves(setting), options.out / options.preset
    try:
        if unknown := [name for name in options.curve if name not in every]:
            raise S3KError(f"no curve {', '.join(map(repr, unknown))}; there are: {', '.join(every)}")
        make_folder(root)
        if options.list:
            for name in every:
                print(f"{'done' if finished(root / name) else 'open'}  {name}")
            return 0
        if options.scenes:
            print(f"drew {draw_scenes(options.preset, setting.plan)}")
            return 0
        if not options.page:
            ends_s = None if options.slice_min is None else time.monotonic() + 60 * options.slice_min
            for name in options.curve or every:
                if not finished(root / name) and not _train(*every[name], root / name, setting, ends_s):
                    break
        runs = {name: _read(*every[name], root, setting) for name in every if finished(root / name)}
        if runs:
            page = write_page(options.preset, setting.plan, runs, [name for name in every if name not in runs])
            print(f"wrote {page}")
    except S3KError as error:
        print(f"live_shift: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.live_shift")
    parser.add_argument("--preset", choices=tuple(SETTINGS), default="cpu", help="default: %(default)s")
    parser.add_argument("--curve", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--list", action="store_true", help="name the curves, and which are done")
    parser.add_argument("--page", action="store_true", help="train nothing; write the page from what is done")
    parser.add_argument("--scenes", action="store_true", help="train nothing; draw what the changes look like")
    parser.add_argument("--slice-min", type=float, default=None, metavar="M", help="stop after so long; resumable")
    parser.add_argument("--out", type=Path, default=Path("runs/experiments/live_shift"), help="default: %(default)s")
    return parser


def _start(seed: int, root: Path, setting: Setting) -> Start:
    return Start(root / f"base-seed{seed}", seed, ("cells.count=1", *setting.shared), setting.preset)


def _train(way: str, seed: int, folder: Path, setting: Setting, ends_s: float | None) -> bool:
    """One run to its end, or on; False where the slice ended first."""
    start = _start(seed, folder.parent, setting)
    if not start.copy_to(folder, ends_s):
        return False
    plan = setting.plan
    steps = round(STEPS_A_FRAME * plan.interval_frames * (1 + len(plan.changes)))
    changes = [asdict(change) for change in due_changes(plan, recorded_frames(start.folder))]
    own = [
        *(f"policy.env_steps={steps}", f"cells.changes={json.dumps(changes)}"),
        # Frames between recording and training would come out of the first interval.
        "evaluation.cloned_episodes=0",
        *setting.own,
        *WAYS[way],
    ]
    return shared_start.go_on(folder, own, ends_s)


def due_changes(plan: ShiftPlan, recorded: int) -> list[SceneChange]:
    """The changes at the frames that they are due at, counted from the cell's first."""
    return [
        replace(change, after_frames=recorded + (1 + number) * plan.interval_frames)
        for number, (_, change) in enumerate(plan.changes)
    ]


def recorded_frames(base: Path) -> int:
    """How many frames the cell took before it began to train.

    Raises:
        StorageError: there are none.
    """
    reader = StreamReader(RunFolder(base).stream)
    reader.refresh()
    numbers = [int(name.rpartition("/")[2]) for name in reader.frame_ids() if name.startswith(f"{CELL}/")]
    if not numbers:
        raise StorageError(f"{base} has no frames of {CELL}; delete the folder to record them anew")
    return max(numbers) + 1


def _read(way: str, seed: int, root: Path, setting: Setting) -> ShiftRun:
    folder = RunFolder(root / f"{way}-seed{seed}")
    base = _start(seed, root, setting).folder
    summary = json.loads(folder.summary.read_text())
    return ShiftRun(way, seed, read_course(folder), recorded_frames(base), setting.plan, summary)


if __name__ == "__main__":
    sys.exit(main())
