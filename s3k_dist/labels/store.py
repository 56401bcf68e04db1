"""2-D clicks on frames of the stream, in one JSON file.

    {"keypoints": ["plug_tip", ...],
     "labels": [{"frame": "cell0/00000017", "split": "train",
                 "clicks": {"cam0": {"plug_tip": [u_px, v_px], ...}, ...}}, ...]}

The file is written whole, aside, and renamed: a crash leaves the old one or the new one.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from s3k_dist.atomic import write_atomic
from s3k_dist.errors import StorageError

Split = Literal["train", "held_out"]


class Label(BaseModel):
    """What a person clicked on one frame.

    Attributes:
        frame: the frame's ``frame_id``.
        split: whether the keypoint learner may train on it.
        clicks: pixel of each keypoint in each camera where it was clicked; ``(0, 0)`` is the centre of the top-left
            pixel.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    frame: str
    split: Split
    clicks: dict[str, dict[str, tuple[float, float]]]


class LabelFile(BaseModel):
    """All labels of a project.

    Attributes:
        keypoints: their names, in the order of the model's heatmaps.
        labels: one for each labelled frame.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    keypoints: tuple[str, ...]
    labels: tuple[Label, ...]

    def of_split(self, split: Split) -> tuple[Label, ...]:
        """The labels of one split."""
        return tuple(label for label in self.labels if label.split == split)


def save_labels(path: Path, keypoints: Sequence[str], labels: Sequence[Label]) -> None:
    """Write all labels.

    Raises:
        StorageError: a frame is labelled twice, a click names an unknown keypoint, or the file cannot be written.
    """
    file = LabelFile(keypoints=tuple(keypoints), labels=tuple(labels))
    _check(path, file)
    write_atomic(path, json.dumps(file.model_dump(), indent=1).encode())


def load_labels(path: Path) -> LabelFile:
    """Read all labels.

    Raises:
        StorageError: the file is missing or damaged.
    """
    try:
        file = LabelFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise StorageError(f"no labels at {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise StorageError(f"{path} is not a label file: {where or 'file'}: {first['msg']}") from error
    _check(path, file)
    return file


def _check(path: Path, file: LabelFile) -> None:
    seen: set[str] = set()
    for label in file.labels:
        if label.frame in seen:
            raise StorageError(f"{path}: frame {label.frame} is labelled twice")
        seen.add(label.frame)
        for camera, clicks in label.clicks.items():
            for name in clicks.keys() - set(file.keypoints):
                raise StorageError(
                    f"{path}: frame {label.frame}, {camera}: unknown keypoint {name!r}; there are "
                    + ", ".join(file.keypoints)
                )
