"""Makes a data set of a scene: frames into the stream, labels into the label store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from actors.sim.scenes.catalogue import SceneSpec
from actors.sim.scenes.shots import shots
from actors.sim.scenes.studio import Shot
from s3k_dist.errors import ConfigError
from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.labels.store import Label, save_labels
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter
from s3k_dist.datasets.folder import DatasetFolder

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
            ConfigError: there are too few scenes.
        """
        reach = scenes if self.mode == "full" else int(scenes * self.start_share)
        if self.train > reach or self.train + self.held_out > scenes:
            raise ConfigError(
                f"{self.train} labels to train on ({self.mode} mode: from {reach} scenes) and {self.held_out} held out "
                f"do not fit into {scenes} scenes"
            )
        train = np.unique(np.linspace(0, reach - 1, self.train).round().astype(int)) if self.train else np.array([], int)
        rest = np.setdiff1d(np.arange(scenes), train)
        held_out = rest[np.linspace(0, len(rest) - 1, self.held_out).round().astype(int)] if self.held_out else []
        return {**{int(i): "train" for i in train}, **{int(i): "held_out" for i in held_out}}


def simulate(
    spec: SceneSpec, scenes: int, labels: LabelPlan, out: DatasetFolder, progress: Progress = lambda done: None
) -> None:
    """Render ``scenes`` scenes into the data set ``out``.

    Raises:
        ConfigError: the scene or the labels are impossible.
        StorageError: the folder cannot be written.
        CellError: a renderer died or hung.
    """
    scene = spec.build()
    splits = labels.splits(scenes)
    out.create()
    made = []
    rng = np.random.default_rng((spec.seed, 29))
    with StreamWriter(out.stream, spec.name) as writer:
        for index, shot in enumerate(shots(spec, scenes)):
            record = _record(spec, index, shot)
            writer.append(record)
            if index in splits:
                made.append(_label(record.frame, shot, scene.keypoints, splits[index], labels.click_noise_px, rng))
            progress(index + 1)
    save_labels(out.labels, scene.keypoints, made)


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
