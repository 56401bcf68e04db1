"""Labels of frames of the stream, in one JSON file: clicks in the images, or points in the world.

    {"keypoints": ["plug_tip", ...],
     "labels": [{"frame": "cell0/00000017", "split": "train",
                 "clicks": {"cam0": {"plug_tip": [u_px, v_px], ...}, ...}},
                {"frame": "cell0/00000018", "split": "held_out",
                 "points_m": {"plug_tip": [x_m, y_m, z_m], ...}}, ...]}

A label may say more: what is hidden where, and who gave it when; the file, in which colours keypoints are drawn.

    "colours": {"plug_tip": "#ffe14d"}
    "occluded": {"cam1": ["plug_tip"]}, "absent": ["socket"], "by": "anna", "at": "2026-11-22T10:15:00Z"

The file is written whole, aside, and renamed: a crash leaves the old one or the new one. Who changes a file that others
may change goes through `labels/editing.py`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from s3k_dist.atomic import write_atomic
from s3k_dist.errors import StorageError

Split = Literal["train", "held_out"]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]
MIN_VIEWS = 2  # from which clicks give a point


class TakenOver(BaseModel):
    """How a label came to a frame that nobody clicked on: the scene had not moved since a frame that has one.

    Attributes:
        frame: ``frame_id`` of the frame that was clicked on.
        age_s: time between the two frames.
        residual_px: farthest that a keypoint's surroundings were found from their old place.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    frame: str
    age_s: float
    residual_px: float


class Label(BaseModel):
    """Where the keypoints are on one frame.

    Attributes:
        frame: the frame's ``frame_id``.
        split: whether the keypoint learner may train on it.
        clicks: pixel of each keypoint in each camera where it was clicked; ``(0, 0)`` is the centre of the top-left
            pixel.
        points_m: keypoints known in 3-D, by simulation or motion capture: world frame, metres. Such a point wins over
            the clicks on the same keypoint.
        taken_over: from which frame; None of a label that a person, or the truth, gave.
        occluded: keypoints that something hides, in each camera.
        absent: keypoints that are nowhere on this frame.
        by: who gave it; empty where that is not known.
        at: when; None where that is not known.

    Raises:
        ValidationError: a value is of the wrong type or not finite, the label says nothing at all, or it says two
            things of one keypoint that cannot both be.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    frame: str
    split: Split
    clicks: dict[str, dict[str, tuple[float, float]]] = {}
    points_m: dict[str, tuple[float, float, float]] = {}
    taken_over: TakenOver | None = None
    occluded: dict[str, tuple[str, ...]] = {}
    absent: tuple[str, ...] = ()
    by: str = ""
    at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not any((*self.clicks.values(), *self.occluded.values(), self.points_m, self.absent)):
            raise ValueError(f"the label of frame {self.frame} has neither clicks nor points_m")
        return self

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        for camera, hidden in self.occluded.items():
            for name in sorted({*hidden} & {*self.clicks.get(camera, {})}):
                raise ValueError(f"frame {self.frame}: {name!r} is clicked and occluded in {camera}")
        placed = {*self.points_m}.union(*self.clicks.values(), *self.occluded.values())
        for name in sorted(placed & {*self.absent}):
            raise ValueError(f"frame {self.frame}: {name!r} is absent, and yet somewhere")
        return self

    def unfinished(self, keypoints: Sequence[str]) -> str | None:
        """Why nobody can train on this label yet; None if it has a point, or clicks in two views, of each keypoint."""
        for name in keypoints:
            if name in self.absent:
                return f"keypoint {name!r} is absent"
            views = sum(name in clicks for clicks in self.clicks.values())
            if name not in self.points_m and views < MIN_VIEWS:
                return f"keypoint {name!r} is labelled in {views} view(s), expected at least {MIN_VIEWS}"
        return None


class LabelFile(BaseModel):
    """All labels of a project.

    Attributes:
        keypoints: their names, in the order of the model's heatmaps.
        labels: one for each labelled frame.
        colours: of keypoints that a person chose one for, as ``#rrggbb``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    keypoints: tuple[str, ...]
    labels: tuple[Label, ...]
    colours: dict[str, Colour] = {}

    def of_split(self, split: Split) -> tuple[Label, ...]:
        """The labels of one split."""
        return tuple(label for label in self.labels if label.split == split)

    def finished(self, split: Split) -> tuple[Label, ...]:
        """The labels of one split that can be trained on, or judged by: those under way, as a person labels, cannot."""
        return tuple(label for label in self.of_split(split) if label.unfinished(self.keypoints) is None)


def save_labels(
    path: Path, keypoints: Sequence[str], labels: Sequence[Label], colours: Mapping[str, str] | None = None
) -> None:
    """Write all labels.

    Raises:
        StorageError: a keypoint is listed twice, a frame is labelled twice, a label or a colour is of an unknown
            keypoint, or the file cannot be written.
    """
    file = LabelFile(keypoints=tuple(keypoints), labels=tuple(labels), colours=dict(colours or {}))
    _check(path, file)
    # Not through json.dumps: with an indent it takes 20 times as long, and a click waits for it.
    write_atomic(path, file.model_dump_json(indent=1, exclude_defaults=True).encode())


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


def unknown_keypoint(label: Label, keypoints: Sequence[str]) -> str | None:
    """What is wrong with a label that names a keypoint which is not among ``keypoints``; None if it names no such."""
    named = [*((camera, set(clicks)) for camera, clicks in label.clicks.items()), ("points_m", set(label.points_m))]
    named += [*((f"occluded in {camera}", set(names)) for camera, names in label.occluded.items())]
    named.append(("absent", set(label.absent)))
    for place, names in named:
        for name in sorted(names - set(keypoints)):
            return f"{place}: unknown keypoint {name!r}; there are {', '.join(keypoints)}"
    return None


def _check(path: Path, file: LabelFile) -> None:
    if len(set(file.keypoints)) != len(file.keypoints):
        raise StorageError(f"{path}: a keypoint is listed twice: {', '.join(file.keypoints)}")
    for name in file.colours:
        if name not in file.keypoints:
            raise StorageError(f"{path}: colour of unknown keypoint {name!r}; there are {', '.join(file.keypoints)}")
    seen: set[str] = set()
    for label in file.labels:
        if label.frame in seen:
            raise StorageError(f"{path}: frame {label.frame} is labelled twice")
        seen.add(label.frame)
        fault = unknown_keypoint(label, file.keypoints)
        if fault is not None:
            raise StorageError(f"{path}: frame {label.frame}, {fault}")
