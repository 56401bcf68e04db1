"""A small data set of two cells, and an exchange folder such as a person writes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.frames import MultiViewFrame
from s3k_dist.labels.store import Label, save_labels
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter
from tests.scenes import frame, look_at, ring

Edit = Callable[[Path], None]


def write_dataset(root: Path, records: list[StreamRecord]) -> DatasetFolder:
    dataset = DatasetFolder(root)
    dataset.create()
    for cell_id in dict.fromkeys(record.frame.cell_id for record in records):
        with StreamWriter(dataset.stream, cell_id, shard_frames=2) as writer:
            for record in records:
                if record.frame.cell_id == cell_id:
                    writer.append(record)
    return dataset


def record(scene: MultiViewFrame, step: int = 0) -> StreamRecord:
    return StreamRecord(scene, f"{scene.cell_id}-7", step, 3)


@pytest.fixture
def dataset(tmp_path: Path) -> DatasetFolder:
    """Five frames, labels by click and by point; one cell has a camera of its own, one frame fewer views."""
    size = {"size_px": 12, "distortion": (0.1, -0.02, 0.001, 0.002, 0.3)}
    rig = ring(3, **size)
    moved = [*rig[:2], look_at(2.0, 0.7, name="cam2", size_px=16)]
    written = write_dataset(
        tmp_path / "dataset",
        [
            *(record(frame(rig, sequence=sequence, seed=sequence), sequence) for sequence in (0, 1, 123_456_789)),
            record(frame(moved, cell_id="other cell", sequence=4, seed=4)),
            record(frame(rig[:0:-1], cell_id="other cell", sequence=5, seed=5)),
        ],
    )
    labels = [
        Label(frame="cell0/123456789", split="train", clicks={"cam0": {"tip": (0.1 + 0.2, -1 / 3)}, "cam1": {}}),
        Label(
            frame="other cell/00000005", split="held_out", points_m={"tip": (1e-300, -0.0, 2 / 3), "base": (1, 2, 3)}
        ),
    ]
    save_labels(written.labels, ("tip", "base"), labels)
    return written


@pytest.fixture
def hand_made(tmp_path: Path) -> Path:
    """Two frames of a rig of two cameras of 64 x 48 pixels, the first labelled; no frame.json."""
    root = tmp_path / "exchange"
    camera = {
        "width_px": 64,
        "height_px": 48,
        "K": [[100, 0, 31.5], [0, 100, 23.5], [0, 0, 1]],
        "distortion": [0, 0, 0, 0, 0],
        "R": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        "t_m": [0, 0, 2],
    }
    root.mkdir()
    (root / "cameras.json").write_text(json.dumps({"left": camera, "right": camera | {"t_m": [-0.2, 0, 2]}}))
    for sequence in ("00000000", "00000001"):
        folder = root / "frames" / "rig" / sequence
        folder.mkdir(parents=True)
        for name in ("left", "right"):
            write_png(folder / f"{name}.png", np.full((48, 64, 3), int(sequence), np.uint8))
    label = {"frame": "rig/00000000", "split": "train", "clicks": {"left": {"tip": [36.5, 33.5]}}}
    (root / "labels.json").write_text(json.dumps({"keypoints": ["tip"], "labels": [label]}))
    return root


def write_png(path: Path, image: np.ndarray) -> None:
    done, data = cv2.imencode(".png", image)
    assert done
    path.write_bytes(data.tobytes())


def change(path: Path, edit: Callable[[Any], None]) -> None:
    """Edit a JSON file in place."""
    value = json.loads(path.read_text())
    edit(value)
    path.write_text(json.dumps(value))
