"""The label file of a run, followed while people write to it: what is new reaches the keypoint learner within seconds.

A file that is damaged, half made by hand, or of other keypoints is refused and told, and the labels before stay in use.
"""

from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np
import torch

from deploy.recorded_truth import true_keypoints
from deploy.run_folder import RunFolder
from learners.keypoint.batches import LabelledFrames, NewLabels
from learners.keypoint.data import labelled_frames, with_truth
from s3k_dist.errors import FrameError, GeometryError, StorageError
from s3k_dist.geometry.projection import Cameras
from s3k_dist.labels.store import Label, LabelFile, Split, load_labels
from s3k_dist.stream.reader import StreamReader

NAMED = 3  # frames of a change in the news, at most


class FollowedLabels:
    """Reads the file whenever it is another, and of it only what has changed.

    Args:
        folder: of the run.
        reader: its stream.

    Attributes:
        first: the labels to begin with.

    Raises:
        StorageError: there are none, or they are damaged.
    """

    def __init__(self, folder: RunFolder, reader: StreamReader) -> None:
        self._folder = folder
        self._reader = reader
        self._seen = self._signature()  # before the labels are read: what comes between is looked at again
        self._file = self.first = load_labels(folder.labels)
        self._rows: dict[str, tuple[Label, LabelledFrames]] = {}
        self._truth: Mapping[str, np.ndarray] | None = None

    def changed(self) -> NewLabels | None:
        """What is new since the call before; None if nothing is."""
        signature = self._signature()
        if signature == self._seen:
            return None
        self._seen = signature
        try:
            return self._taken_in(load_labels(self._folder.labels))
        except (StorageError, FrameError, GeometryError) as error:
            return NewLabels(news=(f"new labels are not taken in, those before stay in use: {error}",))

    def _taken_in(self, file: LabelFile) -> NewLabels | None:
        if file.keypoints != self._file.keypoints:
            raise StorageError(
                f"{self._folder.labels} has keypoints {', '.join(file.keypoints) or '(none)'}; the model of this run "
                f"finds {', '.join(self._file.keypoints)}"
            )
        before = {label.frame: label for label in self._file.labels}
        if all(file.finished(split) == self._file.finished(split) for split in get_args(Split)):
            return None  # a person is in the middle of a frame
        self._reader.refresh()
        news: list[str] = []
        training, held_out = (self._frames(file, split, news) for split in ("train", "held_out"))
        changed = [label.frame for label in file.labels if before.get(label.frame) != label]
        gone = len(before.keys() - {label.frame for label in file.labels})
        named = ", ".join(changed[:NAMED]) + (" …" if len(changed) > NAMED else "")
        said = f"{len(training)} to train on, {len(held_out)} held out"
        news.append(
            f"new labels are taken in: {said}" + (f"; {named}" if named else "") + (f"; {gone} gone" if gone else "")
        )
        self._file = file
        if self._truth is None:
            self._truth = true_keypoints(self._folder)
        names = [label for label in file.finished("held_out") if label.frame in self._rows]
        return NewLabels(training, with_truth(held_out, names, self._truth), tuple(news))

    def _frames(self, file: LabelFile, split: Split, news: list[str]) -> LabelledFrames:
        """The finished labels of a split; frames that were read before are not read again."""
        for label in file.finished(split):
            if label.frame in self._rows and self._rows[label.frame][0] == label:
                continue
            self._rows.pop(label.frame, None)
            try:
                row = labelled_frames(self._reader, [label], file.keypoints)
                layout = next((known.images.shape[1:] for _, known in self._rows.values()), row.images.shape[1:])
                if row.images.shape[1:] != layout:
                    raise FrameError(f"its views are {tuple(row.images.shape[1:])}, the others' {tuple(layout)}")
                self._rows[label.frame] = label, row
            except (StorageError, FrameError, GeometryError) as error:
                news.append(f"a label is not used: frame {label.frame}: {error}")
        return _joined(
            [self._rows[label.frame][1] for label in file.finished(split) if label.frame in self._rows], split
        )

    def _signature(self) -> tuple[int, int, int] | None:
        try:
            status = self._folder.labels.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size


def _joined(rows: Sequence[LabelledFrames], split: Split) -> LabelledFrames:
    if not rows:
        raise StorageError(f"no label of split {split} is finished")
    cameras = Cameras(*(torch.cat(parts) for parts in zip(*(vars(row.cameras).values() for row in rows), strict=True)))
    return LabelledFrames(torch.cat([row.images for row in rows]), cameras, torch.cat([row.points_m for row in rows]))
