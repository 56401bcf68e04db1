"""Makes a data set of a scene: frames into the stream, labels into the label store."""

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

import numpy as np

from actors.sim.scenes.catalogue import SceneSpec
from actors.sim.scenes.shots import shots
from actors.sim.scenes.studio import Shot
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.datasets.new_folder import new_folder
from s3k_dist.errors import ConfigError
from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.labels.store import Label, save_labels
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter

FRAME_NS = 250_000_000  # the cells' 4 Hz; a data set's clock starts at zero, so that its bytes depend on the seed alone
EPISODE_FRAMES = 40

LabelMode = Literal["full", "start"]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class LabelPlan:
    """Which scenes get labels.

    Attributes:
        train: scenes to train on.
        held_out: other scenes to judge by.
        mode: ``full`` spreads the training labels over the whole timeline, ``start`` takes them from its beginning,
            where the distractors have not been exchanged yet (section 4.2).
        start_share: how much of the timeline the beginning is.
        click_noise_px: standard deviation of clicks along each axis; 0 stores the true 3-D points instead of clicks.
    """

    train: int = 0
    held_out: int = 0
    mode: LabelMode = "full"
    start_share: float = 1 / 6
    click_noise_px: float = 0.0

    def splits(self, scenes: int) -> dict[int, Literal["train", "held_out"]]:
        """Scene to split, for the scenes with labels.

        Raises:
            ConfigError: there are too few scenes, or a number is impossible.
        """
        self._require_possible(scenes)
        train = _spread(range(self._reach(scenes)), self.train)
        held_out = _spread(sorted(set(range(scenes)) - set(train)), self.held_out)
        return {**dict.fromkeys(train, "train"), **dict.fromkeys(held_out, "held_out")}

    def _reach(self, scenes: int) -> int:
        """How many scenes, from the first on, training labels may be on."""
        return scenes if self.mode == "full" else int(scenes * self.start_share)

    def _require_possible(self, scenes: int) -> None:
        if self.mode not in ("full", "start"):
            raise ConfigError(f"unknown label mode {self.mode!r}; there are full, start")
        if not 0 <= self.click_noise_px < math.inf:
            raise ConfigError(f"click noise is 0 px or more; got {self.click_noise_px}")
        if scenes < 1 or self.train < 0 or self.held_out < 0:
            raise ConfigError(
                f"expected 1 scene or more and 0 labels or more; got {scenes} scenes, {self.train} labels to train on, "
                f"{self.held_out} held out"
            )
        reach = self._reach(scenes)
        if self.train > reach or self.train + self.held_out > scenes:
            raise ConfigError(
                f"{self.train} labels to train on ({self.mode} mode: from {reach} scenes) and {self.held_out} held out "
                f"do not fit into {scenes} scenes"
            )


def simulate(
    spec: SceneSpec,
    scenes: int,
    labels: LabelPlan,
    out: DatasetFolder,
    progress: Progress = lambda done: None,
    *,
    workers: int | None = None,
) -> None:
    """Render ``scenes`` scenes into the data set ``out``, which appears whole or not at all.

    Args:
        spec: the scene.
        scenes: how many; a frame each.
        labels: which of them are labelled.
        out: new, or an empty folder.
        progress: told how many scenes are done: 0 once everything is checked, then after each.
        workers: processes that render; None takes every core. The data set is the same for any number.

    Raises:
        ConfigError: the scene or the labels are impossible.
        StorageError: the folder is not empty or cannot be written.
        CellError: a renderer died or hung.
        PreflightError: no OpenGL renderer can be had.
    """
    keypoints = spec.build().keypoints
    splits = labels.splits(scenes)
    made = []
    rng = np.random.default_rng((spec.seed, 29))
    with new_folder(out.root) as aside:
        progress(0)
        folder = DatasetFolder(aside)
        folder.create()
        rendering = closing(shots(spec, scenes, workers=workers))
        with rendering as rendered, StreamWriter(folder.stream, spec.name) as writer:
            for index, shot in enumerate(rendered):
                record = _record(spec, index, shot)
                writer.append(record)
                if index in splits:
                    made.append(_label(record.frame, shot, keypoints, splits[index], labels.click_noise_px, rng))
                progress(index + 1)
        save_labels(folder.labels, keypoints, made)


def _spread(scenes: Sequence[int], count: int) -> list[int]:
    """``count`` of the scenes, from the first to the last at equal distances."""
    return [scenes[at] for at in np.linspace(0, len(scenes) - 1, count).round().astype(int)] if count else []


def _record(spec: SceneSpec, index: int, shot: Shot) -> StreamRecord:
    at_ns = index * FRAME_NS
    views = tuple(View(camera, image, at_ns) for camera, image in zip(shot.cameras, shot.images, strict=True))
    frame = MultiViewFrame(spec.name, index, at_ns, views)
    episode, step = divmod(index, EPISODE_FRAMES)
    return StreamRecord(frame, episode_id=f"{spec.name}-{episode}", step=step, model_version=0)


def _label(
    frame: MultiViewFrame,
    shot: Shot,
    keypoints: Sequence[str],
    split: Literal["train", "held_out"],
    noise_px: float,
    rng: np.random.Generator,
) -> Label:
    if noise_px == 0 or split == "held_out":
        points = {name: tuple(point) for name, point in zip(keypoints, shot.points_m.tolist(), strict=True)}
        return Label(frame=frame.frame_id, split=split, points_m=points)
    clicks: dict[str, dict[str, tuple[float, float]]] = {}
    for camera in frame.cameras:
        seen = (shot.points_m @ camera.rotation.T + camera.translation_m) @ camera.intrinsics.T
        pixels = seen[:, :2] / seen[:, 2:] + rng.normal(0, noise_px, (len(keypoints), 2))
        clicks[camera.name] = {
            name: (float(u), float(v))
            for name, (u, v) in zip(keypoints, pixels, strict=True)
            if 0 <= u <= camera.width_px - 1 and 0 <= v <= camera.height_px - 1
        }
    return Label(frame=frame.frame_id, split=split, clicks=clicks)
