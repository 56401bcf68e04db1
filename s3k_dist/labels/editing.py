"""Changes to a label file that others change at the same time: people on the page, ``s3k labels``, an import.

Each change reads the file, changes it and writes it under one lock, so that no one's labels are lost. A person's
change of a frame names the version that the person saw; where another has changed the frame since, it is refused with
what is there now.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from s3k_dist.errors import StorageError
from s3k_dist.file_lock import file_lock
from s3k_dist.labels.store import Label, LabelFile, Split, load_labels, save_labels

LOCK_S = 10.0  # a change takes milliseconds; who waits longer has found a disk that hangs
HELD_OUT_EVERY = 5  # one label in so many judges models, the others train them


class LabelConflictError(StorageError):
    """Another has changed the frame's label since it was read; ``label`` is what is there now, None if nothing is."""

    def __init__(self, message: str, label: Label | None) -> None:
        super().__init__(message)
        self.label = label


def edit_labels(path: Path, change: Callable[[LabelFile], LabelFile]) -> LabelFile:
    """Change a label file under its lock; a missing file is an empty one.

    Args:
        path: the file.
        change: from the file as it is now to the file as it shall be; what it raises leaves the file as it was.

    Returns:
        The file as it was written.

    Raises:
        StorageError: the file is damaged, cannot be written, or another holds its lock for too long.
    """
    with file_lock(path.with_name(f".{path.name}.lock"), LOCK_S):
        before = load_labels(path) if path.exists() else LabelFile(keypoints=(), labels=())
        after = change(before)
        if after != before:
            save_labels(path, after.keypoints, after.labels, after.colours)
        return after


def put_label(path: Path, frame: str, label: Label | None, version: str) -> LabelFile:
    """Give a frame a label, or take it away.

    Args:
        path: the label file.
        frame: the frame's ``frame_id``.
        label: of this frame; None for none.
        version: of the label that this one stands for, as `label_version` had it.

    Raises:
        LabelConflictError: the frame's label is another by now.
        StorageError: as `edit_labels`, or the label names an unknown keypoint.
    """

    def change(file: LabelFile) -> LabelFile:
        labels = {each.frame: each for each in file.labels}
        now = labels.get(frame)
        if label_version(now) != version:
            who = f" by {now.by}" if now is not None and now.by else ""
            raise LabelConflictError(f"the label of frame {frame} was changed{who} in the meantime", now)
        if label is None:
            labels.pop(frame, None)
        else:
            labels[frame] = label
        return file.model_copy(update={"labels": tuple(labels.values())})

    return edit_labels(path, change)


def add_labels(path: Path, keypoints: Sequence[str], labels: Sequence[Label]) -> LabelFile:
    """Add labels of frames that have none; a frame that was labelled in the meantime keeps what it has.

    Raises:
        StorageError: as `edit_labels`, or the file's keypoints are others by now.
    """

    def change(file: LabelFile) -> LabelFile:
        if file.keypoints not in ((), tuple(keypoints)):
            raise StorageError(f"{path} has keypoints {', '.join(file.keypoints)}, expected {', '.join(keypoints)}")
        taken = {label.frame for label in file.labels}
        new = tuple(label for label in labels if label.frame not in taken)
        return file.model_copy(update={"keypoints": tuple(keypoints), "labels": (*file.labels, *new)})

    return edit_labels(path, change)


def redefine_keypoints(
    path: Path, keypoints: Sequence[str], colours: Mapping[str, str], renamed: Mapping[str, str]
) -> LabelFile:
    """Set the keypoints of a project, their order and their colours.

    Args:
        path: the label file.
        keypoints: all of them, in the order of a model's heatmaps.
        colours: of some of them, ``#rrggbb``.
        renamed: old name to new name; labels follow.

    Raises:
        StorageError: as `edit_labels`, or a keypoint that labels name would go.
    """

    def change(file: LabelFile) -> LabelFile:
        if len({renamed.get(name, name) for name in file.keypoints}) < len(file.keypoints):
            raise StorageError("a keypoint would take the name of another one")
        labels = tuple(_renamed(label, renamed) for label in file.labels)
        for name in file.keypoints:
            new = renamed.get(name, name)
            used = sum(new in _names(label) for label in labels)
            if new not in keypoints and used:
                raise StorageError(f"keypoint {name!r} has labels on {used} frame(s): it can be renamed, not removed")
        return LabelFile(keypoints=tuple(keypoints), labels=labels, colours=dict(colours))

    return edit_labels(path, change)


def label_version(label: Label | None) -> str:
    """Tells one state of a frame's label from any other; empty for no label."""
    if label is None:
        return ""
    text = json.dumps(label.model_dump(mode="json", exclude_defaults=True), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def next_split(labels: Sequence[Label]) -> Split:
    """Of the next label that a person gives: every fifth is held out, whoever gave those before."""
    given = [label.split for label in labels if label.taken_over is None]
    return "held_out" if (len(given) + 1) // HELD_OUT_EVERY > given.count("held_out") else "train"


def _names(label: Label) -> set[str]:
    return {*label.points_m, *label.absent}.union(*label.clicks.values(), *label.occluded.values())


def _renamed(label: Label, new: Mapping[str, str]) -> Label:
    def of(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(new.get(name, name) for name in names)

    return label.model_copy(
        update={
            "clicks": {
                camera: {new.get(name, name): at for name, at in clicks.items()}
                for camera, clicks in label.clicks.items()
            },
            "points_m": {new.get(name, name): at for name, at in label.points_m.items()},
            "occluded": {camera: of(names) for camera, names in label.occluded.items()},
            "absent": of(label.absent),
        }
    )
