"""Simulated data sets of the experiments: made once, kept on disk in the project's format, read as tensors."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from actors.sim.scenes.catalogue import SceneSpec
from actors.sim.scenes.simulate import LabelPlan, simulate
from learners.keypoint.batches import LabelledFrames, UnlabelledFrames
from learners.keypoint.data import UnlabelledPool, labelled_frames
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.errors import StorageError
from s3k_dist.file_lock import file_lock
from s3k_dist.folders import make_folder
from s3k_dist.labels.store import LabelFile, Split

MAKING_DEADLINE_S = 3600.0  # another process may be making the same data set


@dataclass(frozen=True)
class SceneData:
    """A data set by how it is made; the same values name the same folder.

    Attributes:
        spec: the scene.
        scenes: frames.
        labels: which of them are labelled.
    """

    spec: SceneSpec
    scenes: int
    labels: LabelPlan = field(default_factory=LabelPlan)

    def folder(self, root: Path) -> DatasetFolder:
        """The data set under ``root``; simulated now if it is not there.

        Raises:
            StorageError: it cannot be written.
        """
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:10]
        folder = DatasetFolder(root / f"{self.spec.name}-{self.spec.size_px}px-{self.scenes}-{digest}")
        make_folder(root)
        with file_lock(root / f".{folder.root.name}.lock", MAKING_DEADLINE_S):
            if not folder.root.exists():
                simulate(self.spec, self.scenes, self.labels, folder)
        return folder


def labelled(folder: DatasetFolder, split: Split, count: int | None = None) -> LabelledFrames:
    """The labelled frames of one split; ``count`` of them, spread over all."""
    file = _labels(folder)
    labels = file.finished(split)
    if count is not None:
        if count > len(labels):
            raise StorageError(f"{folder.labels} has {len(labels)} labels of split {split}, {count} wanted")
        labels = tuple(labels[i] for i in np.linspace(0, len(labels) - 1, count).round().astype(int))
    return labelled_frames(folder.open_stream(), labels, file.keypoints)


def unlabelled(folder: DatasetFolder, count: int) -> UnlabelledFrames:
    """``count`` frames without their labels, spread over all."""
    reader = folder.open_stream()
    if count > len(reader):
        raise StorageError(f"{folder.stream} has {len(reader)} frames, {count} wanted")
    pool = UnlabelledPool(len(reader), seed=0)
    pool.follow(reader)
    frames = pool.frames()
    assert frames is not None
    chosen = torch.from_numpy(np.linspace(0, len(reader) - 1, count).round().astype(int))
    return UnlabelledFrames(frames.images[chosen], frames.cameras[chosen])


def keypoints_of(folder: DatasetFolder) -> tuple[str, ...]:
    """Names of the keypoints."""
    return _labels(folder).keypoints


def _labels(folder: DatasetFolder) -> LabelFile:
    file = folder.read_labels()
    if file is None:
        raise StorageError(f"{folder.root} has no labels")
    return file
