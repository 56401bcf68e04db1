"""Labels and stream as tensors."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch

from learners.keypoint.batches import LabelledFrames, UnlabelledFrames
from s3k_dist.errors import FrameError, StorageError, TooFewViewsError
from s3k_dist.frames import MultiViewFrame, stack_images
from s3k_dist.geometry.projection import Cameras
from s3k_dist.geometry.triangulation import triangulate_labels
from s3k_dist.keypoints.detector import stack_cameras
from s3k_dist.labels.store import Label
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.sampler import choose

BACKLOG = 4  # pools of frames: it would take minutes to decode a longer stream

LONGEST_LEFT = 4  # pools of frames


def find_frames(reader: StreamReader, frame_ids: Sequence[str]) -> list[MultiViewFrame]:
    """Frames of the stream by name.

    Raises:
        StorageError: one of them is not in the stream.
    """
    for frame_id in frame_ids:
        if reader.index_of(frame_id) is None:
            known = reader.stats().frames
            raise StorageError(f"labelled frame {frame_id} is not in the stream at {reader.root} ({known} frames)")
    return [reader.read_by_id(frame_id).frame for frame_id in frame_ids]


def labelled_frames(reader: StreamReader, labels: Sequence[Label], keypoints: Sequence[str]) -> LabelledFrames:
    """Labelled frames with their keypoints in the world: points as they are, clicks triangulated (section 3.1).

    Args:
        reader: the stream.
        labels: of frames that share their number of views and their image size.
        keypoints: which keypoints, in this order; a label may know others too.

    Raises:
        StorageError: there are no labels, or a frame is not in the stream.
        FrameError: the frames differ in their number of views or image size.
        TooFewViewsError: a frame lacks a keypoint: no point in the world, and clicks in fewer than two views.
    """
    if not labels:
        raise StorageError(f"no labelled frames for the stream at {reader.root}; `s3k collect` makes labels")
    frames = find_frames(reader, [label.frame for label in labels])
    images, cameras = torch.from_numpy(stack_images(frames)), stack_cameras(frames)
    points = np.zeros((len(labels), len(keypoints), 3))
    pixels = np.zeros((len(labels), len(frames[0].views), len(keypoints), 2))
    clicked = np.zeros(pixels.shape[:-1], dtype=bool)
    for row, (label, frame) in enumerate(zip(labels, frames, strict=True)):
        for column, name in enumerate(keypoints):
            if name in label.points_m:
                points[row, column] = label.points_m[name]
                continue
            for view, camera in enumerate(frame.cameras):
                if name in label.clicks.get(camera.name, {}):
                    pixels[row, view, column] = label.clicks[camera.name][name]
                    clicked[row, view, column] = True
            if clicked[row, :, column].sum() < 2:
                raise TooFewViewsError(
                    f"frame {label.frame}: keypoint {name!r} is labelled in {clicked[row, :, column].sum()} view(s); "
                    "expected clicks in at least 2, or a point in points_m"
                )
    rows, columns = np.nonzero(clicked.any(1))
    if len(rows):
        of_clicks = triangulate_labels(
            torch.from_numpy(pixels[rows, :, columns, None]),
            torch.from_numpy(clicked[rows, :, columns, None]),
            cameras[torch.from_numpy(rows)],
        )
        points[rows, columns] = of_clicks[:, 0].numpy()
    return LabelledFrames(images, cameras.to(torch.float32), torch.from_numpy(points).float())


def with_truth(labelled: LabelledFrames, labels: Sequence[Label], truth_m: Mapping[str, np.ndarray]) -> LabelledFrames:
    """The same frames judged by the simulator's truth in place of clicks; frames it does not know keep their labels."""
    points = labelled.points_m.clone()
    for row, label in enumerate(labels):
        if label.frame in truth_m:
            points[row] = torch.from_numpy(truth_m[label.frame]).float()
    return LabelledFrames(labelled.images, labelled.cameras, points)


class UnlabelledPool:
    """A bounded sample of the stream, decoded in memory; uint8, about 200 kB for four views of 128 px.

    Takes every new frame; once full, each new one replaces a random old one, so the pool keeps some of the past and
    leans to the present. Where it begins with a stream much longer than itself, after a restart, it takes a mixture of
    all cells' newest and older frames in place of reading them all.

    Args:
        capacity: frames.
        seed: decides which frames give way.
        device: that they are kept on: the trainer's.
    """

    def __init__(self, capacity: int, seed: int, device: torch.device | str = "cpu") -> None:
        self._capacity = capacity
        self._device = torch.device(device)
        self._rng = np.random.default_rng((seed, 3))
        self._frames: UnlabelledFrames | None = None
        self._count = 0
        self._taken = 0
        self._left: list[str] = []  # names of frames that a restored pool had not taken yet
        self._names: list[str] = []  # of the frames in the slots
        self._passed: dict[str, int] = {}  # last sequence taken of each cell
        self._chosen: list[int] = []  # of a backlog, still to be read

    def __len__(self) -> int:
        return self._count

    def follow(self, reader: StreamReader, at_most: int | None = None) -> int:
        """Take frames that are new in the stream, at most ``at_most`` of them; returns how many."""
        left, self._left = self._left[:at_most], self._left[len(self._left[:at_most]) :]
        for name in left:
            with suppress(StorageError, FrameError):
                self._put(reader.read_by_id(name).frame)
        return len(left) + self._follow(reader, None if at_most is None else at_most - len(left))

    def _follow(self, reader: StreamReader, at_most: int | None) -> int:
        """What is newer than all that was known at the start, or when it was restored."""
        reader.refresh()
        if len(reader) - self._taken > BACKLOG * self._capacity:
            self._chosen = choose(reader, self._taken, self._capacity, self._rng)
            self._taken = len(reader)
        new = [*self._chosen, *range(self._taken, len(reader))][:at_most]
        for index in new:
            try:
                self._put(reader.read(index).frame)
            except (StorageError, FrameError):
                continue  # learning goes on without it; of a damaged frame the reader keeps the name and the reason
        self._taken += max(0, len(new) - len(self._chosen))
        self._chosen = self._chosen[len(new) :]
        return len(new)

    def frames(self) -> UnlabelledFrames | None:
        """What is in the pool; shares its memory."""
        if self._frames is None:
            return None
        return UnlabelledFrames(self._frames.images[: self._count], self._frames.cameras[: self._count])

    def state_dict(self) -> dict[str, object]:
        """Which frames it holds, how far it got in each cell, and its random state; the images are the stream's."""
        return {
            "names": list(self._names),
            "passed": dict(self._passed),
            "rng": json.dumps(self._rng.bit_generator.state),
        }

    def load_state_dict(self, state: Mapping[str, Any], reader: StreamReader) -> None:
        """Go on from :meth:`state_dict`, with the frames that the stream still has."""
        reader.refresh()
        self._frames, self._count, self._names, self._chosen = None, 0, [], []
        for name in state["names"]:
            with suppress(StorageError, FrameError):
                self._put(reader.read_by_id(name).frame)
        # After the frames are in: filling the slots drew no numbers, so the next one is as it would have been.
        self._rng.bit_generator.state = json.loads(state["rng"])
        self._passed = {str(cell): int(sequence) for cell, sequence in state["passed"].items()}
        # A reader finds shards in an order of its own: what is left is told by cell, not by a position.
        left = [name for name in reader.frame_ids() if self._is_left(name)]
        # After a long absence it would take minutes to decode them all: then evenly over what was missed.
        step = max(1, len(left) // (LONGEST_LEFT * self._capacity))
        self._left = left[::step]
        self._taken = len(reader)

    def _is_left(self, name: str) -> bool:
        cell, _, sequence = name.rpartition("/")
        return int(sequence) > self._passed.get(cell, -1)

    def _put(self, frame: MultiViewFrame) -> None:
        self._passed[frame.cell_id] = max(frame.sequence, self._passed.get(frame.cell_id, -1))
        images, cameras = torch.from_numpy(stack_images([frame])), stack_cameras([frame]).to(torch.float32)
        if self._frames is not None and images.shape[1] > self._frames.images.shape[1]:
            self._frames, self._count, self._names = None, 0, []  # it began with frames that lacked a view
        if self._frames is None:
            self._frames = UnlabelledFrames(
                torch.zeros(self._capacity, *images.shape[1:], dtype=torch.uint8),
                Cameras(*(torch.zeros(self._capacity, *part.shape[1:]) for part in _parts(cameras))),
            ).to(self._device)
        if images.shape[1:] != self._frames.images.shape[1:]:
            return  # another layout of views: a model of its own
        slot = self._count if self._count < self._capacity else int(self._rng.integers(self._capacity))
        self._names[slot : slot + 1] = [frame.frame_id]
        self._frames.images[slot] = images[0]
        for store, part in zip(_parts(self._frames.cameras), _parts(cameras), strict=True):
            store[slot] = part[0]
        self._count = min(self._count + 1, self._capacity)


def _parts(cameras: Cameras) -> tuple[torch.Tensor, ...]:
    return cameras.intrinsics, cameras.distortion, cameras.rotation, cameras.translation_m
