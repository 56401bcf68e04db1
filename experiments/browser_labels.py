"""A model from ten frames that somebody labelled in the browser, beside one from perfect labels of the same frames.

python -m experiments.browser_labels                  # what is not done yet, then docs/experiments/browser_labels.md
python -m experiments.browser_labels --preset smoke   # tries whether everything works
python -m experiments.browser_labels --page           # the page from what is there

It does what a new user would: records the cable cell as `s3k collect` does, opens `s3k web`, names three keypoints,
goes through the queue with a hand that errs, and runs `s3k train keypoints`. Needs Playwright and a Chromium.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from actors.collector import Collector
from actors.insertion import KEYPOINTS
from actors.recording import Kind, episode_name, load_recordings
from deploy import cli
from deploy.cells import collector_spec
from deploy.config import RunConfig, load_config
from deploy.fleet.cell_file import CellFile
from deploy.interrupt import INTERRUPTED
from deploy.recorded_truth import true_keypoints
from deploy.run_folder import RunFolder
from experiments.browser_labels_page import CLICK_ERROR_PX, VIEWS, WAYS, page
from experiments.labelling_person import Person, label_page, require_browser
from experiments.machine import machine
from experiments.pages import IMAGES, page_of
from learners.keypoint.data import labelled_frames
from learners.keypoint.evaluation import KeypointMetrics, evaluate
from s3k_dist.atomic import write_atomic
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.drift.views import project
from s3k_dist.errors import S3KError
from s3k_dist.folders import make_folder
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.labels.store import Label, load_labels, save_labels
from s3k_dist.weights import WeightsRegistry

PAGE = Path("docs/experiments/browser_labels.md")
CELL = "cell0"


@dataclass(frozen=True)
class Setting:
    """A preset of this experiment.

    Attributes:
        recording: demonstrations, noisy and random episodes.
        image_px: side of the images.
        frames: that are labelled.
        steps: of each training.
        held_out: frames that models are judged by.
        settings: of the recipe, beside its defaults.
    """

    recording: tuple[int, int, int]
    image_px: int
    frames: int
    steps: int
    held_out: int
    settings: tuple[str, ...] = ()

    @property
    def run(self) -> RunConfig:
        """As a run of the laptop preset would record."""
        return load_config("laptop", [f"cells.image_px={self.image_px}"])

    @property
    def episodes(self) -> list[tuple[Kind, int]]:
        """Each with its seed."""
        kinds: tuple[Kind, ...] = ("demonstration", "noisy", "random")
        named = [kind for kind, count in zip(kinds, self.recording, strict=True) for _ in range(count)]
        return [(kind, seed) for seed, kind in enumerate(named)]


SETTINGS = {
    "cpu": Setting((51, 24, 24), 128, frames=10, steps=1200, held_out=100),
    "smoke": Setting((1, 0, 1), 64, frames=1, steps=2, held_out=3, settings=("warm_start_steps=0",)),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    setting, root = SETTINGS[options.preset], options.out / options.preset
    picture = IMAGES / f"browser_labels_{options.preset}.png"
    try:
        make_folder(root)
        if not options.page:
            if not (root / "labelling.json").exists():
                require_browser()  # before minutes are spent
            record(setting, RunFolder(root / "clicked"))
            if not (root / "labelling.json").exists():
                label(setting, root, options.seed, picture)
            give_truth(RunFolder(root / "clicked"), DatasetFolder(root / "perfect"))
            for way in WAYS:
                train(setting, root, way, options.seed)
        publish(options.preset, setting, root, options.seed, picture)
    except S3KError as error:
        print(f"browser_labels: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    return 0


def record(setting: Setting, folder: RunFolder) -> None:
    """Record the episodes that are not recorded yet, as a cell of a run does."""
    done = {path.stem for path in folder.recordings.glob("*.npz")}
    missing = [(kind, seed) for kind, seed in setting.episodes if episode_name(CELL, kind, seed) not in done]
    if not missing:
        return
    for path in (folder.stream, folder.recordings):
        make_folder(path)
    print(f"records {len(missing)} episodes", flush=True)
    collector = Collector(collector_spec(setting.run, folder, CellFile(cell=CELL)))
    try:
        collector.record(missing)
    finally:
        collector.stop()


def label(setting: Setting, root: Path, seed: int, picture: Path) -> None:
    """Label the first frames of the page's queue; writes ``labelling.json`` and a picture of the page."""
    folder = RunFolder(root / "clicked")
    folder.labels.unlink(missing_ok=True)  # of a person who was interrupted: this one begins anew
    pixels = seen_pixels(folder)
    rng = np.random.default_rng((seed, 4))
    make_folder(picture.parent)
    labelled: list[str] = []
    with label_page(folder.root, root / "audit.jsonl") as page:
        person = Person(page, rng, CLICK_ERROR_PX, setting.image_px)
        person.define(KEYPOINTS)
        defined_s = person.seconds
        while len(labelled) < setting.frames:
            person.look()
            frame = person.frame
            if frame in labelled:
                raise S3KError(f"the queue came round after {len(labelled)} frames in which every keypoint is in sight")
            if _in_sight(pixels.get(frame)):
                for name, views in pixels[frame].items():
                    person.mark(name, dict(list(views.items())[:VIEWS]))
                person.train_on_it()
                labelled.append(frame)
                if len(labelled) == setting.frames:
                    person.picture(picture)
            if len(labelled) < setting.frames:
                person.next_frame()
    stored = {each.frame: each for each in load_labels(folder.labels).finished("train")}
    off_px = [
        np.linalg.norm(np.subtract(stored[frame].clicks[camera][name], meant))
        for frame in labelled
        for camera, marks in person.meant[frame].items()
        for name, meant in marks.items()
    ]
    found = {
        "frames": labelled,
        "clicks": person.clicks,
        "acts": dict(person.acts),
        "waited_s": round(person.waited_s, 1),
        "defining_s": round(defined_s, 1),
        "labelling_s": round(person.seconds - defined_s, 1),
        "stored_off_px": round(float(np.max(off_px)), 3),
    }
    write_atomic(root / "labelling.json", json.dumps(found, indent=1).encode())
    print(f"labelled {len(labelled)} frames with {person.clicks} clicks", flush=True)


def seen_pixels(folder: RunFolder) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """Of each frame and keypoint, its true pixel in each view that it lies in."""
    cameras = DatasetFolder(folder.root).open_stream().read(0).frame.cameras
    found: dict[str, dict[str, dict[str, np.ndarray]]] = {}
    for episode in load_recordings(folder.recordings):
        for step, sequence in enumerate(episode.sequences):
            seen: dict[str, dict[str, np.ndarray]] = {name: {} for name in KEYPOINTS}
            for view, camera in enumerate(cameras):
                at = project(episode.true_keypoints_m[step], camera)[0]
                for index, name in enumerate(KEYPOINTS):
                    if episode.visible[step, view, index]:
                        seen[name][camera.name] = at[index]
            found[f"{episode.cell_id}/{int(sequence):08d}"] = seen
    return found


def give_truth(clicked: RunFolder, perfect: DatasetFolder) -> None:
    """Make a data set of the same stream, in which the same frames have the simulator's points."""
    truth = true_keypoints(clicked)
    frames = [label.frame for label in load_labels(clicked.labels).finished("train")]
    make_folder(perfect.root)
    if not perfect.stream.exists():
        perfect.stream.symlink_to(clicked.stream.absolute(), target_is_directory=True)
    save_labels(perfect.labels, KEYPOINTS, [_true_label(frame, truth) for frame in frames])


def train(setting: Setting, root: Path, way: str, seed: int) -> None:
    """`s3k train keypoints`, where it is not done; goes on where it was stopped."""
    if WeightsRegistry(root / "models" / way).current() is not None:
        return
    command = ["train", "keypoints", "--data", str(root / way), "--out", str(root / "models" / way)]
    command += ["--steps", str(setting.steps), "--seed", str(seed)]
    for each in setting.settings:
        command += ["--set", each]
    match cli.main(command):
        case 0:
            return
        case 130:
            raise KeyboardInterrupt
        case _:
            raise S3KError(f"`s3k {' '.join(command)}` failed; it said why above")


def judge(setting: Setting, root: Path, way: str) -> KeypointMetrics:
    """A model on frames that nobody labelled, by the simulator's truth: evenly over the stream."""
    folder = RunFolder(root / "clicked")
    reader, truth, pixels = DatasetFolder(folder.root).open_stream(), true_keypoints(folder), seen_pixels(folder)
    known = {label.frame for label in load_labels(folder.labels).labels}
    free = [frame for frame in reader.frame_ids() if frame not in known]
    free = [frame for frame in free if _in_sight(pixels.get(frame))]
    chosen = np.unique(np.linspace(0, len(free) - 1, setting.held_out).round().astype(int))
    labels = [_true_label(free[index], truth) for index in chosen]
    registry = WeightsRegistry(root / "models" / way)
    version = registry.current()
    assert version is not None
    return evaluate(KeypointDetector.load(registry, version), labelled_frames(reader, labels, KEYPOINTS))


def publish(preset: str, setting: Setting, root: Path, seed: int, picture: Path) -> None:
    """Judge both, and write the page and what it is made of."""
    labelling = json.loads((root / "labelling.json").read_text())
    metrics = {way: asdict(judge(setting, root, way)) for way in WAYS}
    frames = len(DatasetFolder(root / "clicked").open_stream())
    found = {"setting": asdict(setting), "seed": seed, "stream_frames": frames, "machine": machine()}
    found |= {"labelling": labelling, "metrics": metrics, "label_off_mm": _label_errors_mm(RunFolder(root / "clicked"))}
    results = PAGE.with_suffix("") / f"{preset}.json"
    path = page_of(PAGE, preset)
    make_folder(results.parent)
    write_atomic(results, json.dumps(found, indent=1).encode())
    write_atomic(path, page(preset, found, picture.name).encode())
    print(f"wrote {path}")


def _in_sight(seen: Mapping[str, Mapping[str, np.ndarray]] | None) -> bool:
    """Whether each keypoint of a frame lies in enough views; of one that a kill left without a recording, no."""
    return seen is not None and all(len(views) >= VIEWS for views in seen.values())


def _true_label(frame: str, truth: Mapping[str, np.ndarray]) -> Label:
    points = {name: tuple(map(float, point)) for name, point in zip(KEYPOINTS, truth[frame], strict=True)}
    return Label.model_validate({"frame": frame, "split": "train", "points_m": points})


def _label_errors_mm(folder: RunFolder) -> dict[str, Any]:
    """How far the points that follow from the clicks are from the truth; and each keypoint's, in the mean of frames."""
    truth, labels = true_keypoints(folder), load_labels(folder.labels).finished("train")
    points = labelled_frames(DatasetFolder(folder.root).open_stream(), labels, KEYPOINTS).points_m.numpy()
    vectors = 1e3 * (points - np.stack([truth[label.frame] for label in labels]))
    off, shared = np.linalg.norm(vectors, axis=-1), np.linalg.norm(vectors.mean(axis=0), axis=-1)
    of_mean = {name: round(float(each), 2) for name, each in zip(KEYPOINTS, shared, strict=True)}
    return {"median": round(float(np.median(off)), 2), "largest": round(float(off.max()), 2), "of_mean": of_mean}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.browser_labels")
    parser.add_argument("--preset", choices=tuple(SETTINGS), default="cpu", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the hand and the trainings (default: %(default)s)")
    parser.add_argument("--page", action="store_true", help="do nothing else; write the page from what is there")
    parser.add_argument("--out", type=Path, default=Path("runs/experiments/browser_labels"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
