"""The recordings of section 5: the fox in ten arrangements, one labelled frame each, and many more without a label."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from actors.behaviours import go
from actors.sim.plush_cell import PlushCell
from actors.sim.scenes.gripper import HOME_M
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.datasets.new_folder import new_folder
from s3k_dist.errors import BehaviourError
from s3k_dist.frames import MultiViewFrame
from s3k_dist.geometry.projection import Cameras, project
from s3k_dist.labels.still_scenes import StillScenesConfig, follow
from s3k_dist.labels.store import Label, Split, save_labels
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter

ROOM = 5  # seed of the cell: table, light, cameras, the other toys
TRAIN, HELD_OUT = 7, 3  # arrangements, as in the paper
CLICK_NOISE_PX = 0.5  # at 128 px
APART_S = 60.0  # between two arrangements
FRAME_S = 0.25
ABOVE_M = ((-0.25, -0.25, 0.3), (0.25, 0.25, 0.5))  # where the hand wanders while a still scene is recorded
FIRST_UNLABELLED = 1000


def record(folder: DatasetFolder, size_px: int, frames_each: int, unlabelled: int) -> None:
    """Record and label; the data set appears whole or not at all.

    Args:
        folder: new.
        size_px: side of the images.
        frames_each: of an arrangement that has a label, taken while the hand wanders about.
        unlabelled: arrangements without a label, a frame each.
    """
    rng = np.random.default_rng(ROOM)
    cell = PlushCell(size_px, seed=ROOM)
    labels: list[Label] = []
    try:
        with new_folder(folder.root) as aside:
            made = DatasetFolder(aside)
            made.create()
            with StreamWriter(made.stream, cell.cell_id) as writer:
                clock = _Clock()
                for arrangement in range(TRAIN + HELD_OUT):
                    cell.reset(arrangement)
                    split: Split = "train" if arrangement < TRAIN else "held_out"
                    for step in range(frames_each):
                        if step > 0:
                            _wander(cell, rng)
                        frame = clock.stamp(cell.observe())
                        writer.append(StreamRecord(frame, f"arrangement-{arrangement}", step, 0))
                        if step == 0:
                            labels.append(_clicked(frame, cell, split, rng))
                    clock.wait(APART_S)
                for arrangement in range(unlabelled):
                    cell.reset(FIRST_UNLABELLED + arrangement)
                    _wander(cell, rng)
                    frame = clock.stamp(cell.observe())
                    writer.append(StreamRecord(frame, f"unlabelled-{arrangement}", 0, 0))
                    clock.wait(APART_S)
            reader = StreamReader(made.stream)
            reader.refresh()
            names = cell.keypoints
            save_labels(made.labels, names, labels)
            labelled = made.read_labels()
            assert labelled is not None
            followed = follow(reader, labelled, StillScenesConfig(at_most=frames_each))
            save_labels(made.labels, names, [*labels, *(label for one in followed for label in one.taken_over)])
    finally:
        cell.stop()


class _Clock:
    """A data set's clock starts at zero, so that its bytes depend on the seed alone."""

    def __init__(self) -> None:
        self._now_ns = 0

    def stamp(self, frame: MultiViewFrame) -> MultiViewFrame:
        """The frame, taken now; a frame's time passes."""
        self.wait(FRAME_S)
        views = tuple(replace(view, captured_at_ns=self._now_ns) for view in frame.views)
        return replace(frame, captured_at_ns=self._now_ns, views=views)

    def wait(self, seconds: float) -> None:
        self._now_ns += round(seconds * 1e9)


def _wander(cell: PlushCell, rng: np.random.Generator) -> None:
    """Somewhere above the toys; never so low that one is touched."""
    place = rng.uniform(*ABOVE_M)
    try:
        go(cell, place, float(rng.uniform(-1.5, 1.5)), within_m=0.03)
    except BehaviourError:
        go(cell, HOME_M, within_m=0.05)


def _clicked(frame: MultiViewFrame, cell: PlushCell, split: Split, rng: np.random.Generator) -> Label:
    """One frame, clicked with a person's inaccuracy; what lies out of an image is not."""
    cameras = frame.cameras
    pixels = project(torch.from_numpy(cell.points_m()), Cameras.stack(cameras))[0].numpy()
    pixels = pixels + rng.normal(0, CLICK_NOISE_PX * cameras[0].width_px / 128, pixels.shape)
    clicks = {
        camera.name: {
            name: (float(u), float(v))
            for name, (u, v) in zip(cell.keypoints, of_camera, strict=True)
            if 0 <= u <= camera.width_px - 1 and 0 <= v <= camera.height_px - 1
        }
        for camera, of_camera in zip(cameras, pixels, strict=True)
    }
    return Label(frame=frame.frame_id, split=split, clicks=clicks)


def labels_of(folder: Path) -> dict[str, int]:
    """How many labels each split has, taken over or not."""
    file = DatasetFolder(folder).read_labels()
    assert file is not None
    return {split: len(file.of_split(split)) for split in ("train", "held_out")}
