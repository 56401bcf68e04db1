"""Labels of still scenes (section 5): one click is worth as many frames as the scene stands still for.

From each labelled frame the stream of its cell is followed forwards and backwards. A frame takes the label over where
every keypoint is seen unmoved in two views at least; a frame in which something hides a keypoint is passed over; where
a keypoint has moved, the arrangement has ended, and nothing beyond is labelled.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from s3k_dist.errors import StorageError
from s3k_dist.frames import MultiViewFrame
from s3k_dist.geometry.projection import Cameras, project
from s3k_dist.labels.stillness import Found, Patch, Sight, StillnessConfig
from s3k_dist.labels.store import Label, LabelFile, TakenOver
from s3k_dist.stream.reader import StreamReader

MIN_VIEWS = 2  # that must show a keypoint unmoved, or moved


class StillScenesConfig(BaseModel):
    """How far a label is taken over.

    Attributes:
        stillness: when a view counts as still.
        gap_s: frames farther apart in time than this are of different arrangements.
        at_most: frames that take one label over, evenly in time: frames of a still scene are much alike.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stillness: StillnessConfig = StillnessConfig()
    gap_s: float = Field(10.0, gt=0)
    at_most: int = Field(200, ge=1)


@dataclass(frozen=True)
class Followed:
    """What became of one label.

    Attributes:
        label: the label.
        taken_over: labels of other frames, in the order of their sequences.
        hidden: frames passed over, because something hid a keypoint.
        ended: why it was followed no further: backwards, then forwards.
    """

    label: Label
    taken_over: tuple[Label, ...]
    hidden: int
    ended: tuple[str, str]


class StillScene:
    """The arrangement that one label shows.

    Args:
        label: the label.
        frame: its frame.
        config: when a view counts as still.
    """

    def __init__(self, label: Label, frame: MultiViewFrame, config: StillnessConfig) -> None:
        self._label, self._frame = label, frame
        self._pixels = _pixels(label, frame)
        images = {view.camera.name: view.image for view in frame.views}
        self._patches = {
            (camera, name): Patch(images[camera], pixel, config)
            for camera, name, pixel in self._pixels
            if camera in images
        }

    def look(self, frame: MultiViewFrame) -> dict[str, dict[str, Found]]:
        """What has become of each keypoint, by name, in each camera."""
        images = {view.camera.name: view.image for view in frame.views}
        found: dict[str, dict[str, Found]] = {}
        for (camera, name), patch in self._patches.items():
            if camera in images:
                found.setdefault(name, {})[camera] = patch.find(images[camera])
        return found

    def moved(self, found: dict[str, dict[str, Found]]) -> str:
        """Which keypoint has moved, in words; empty if none has."""
        for name, views in found.items():
            shifts = {camera: view.shift_px for camera, view in views.items() if view.sight is Sight.MOVED}
            if len(shifts) >= MIN_VIEWS:
                where = ", ".join(f"{camera} {shift:.1f} px" for camera, shift in shifts.items())
                return f"{name} has moved: {where}"
        return ""

    def taken_over(self, frame: MultiViewFrame, found: dict[str, dict[str, Found]]) -> Label | None:
        """The label of a later or earlier frame; None where a keypoint is hidden there, or there is doubt.

        Views that show a keypoint unmoved keep its click; points in the world stay as they are.
        """
        names = {name for _, name, _ in self._pixels}
        still = {
            name: {camera for camera, view in found.get(name, {}).items() if view.sight is Sight.STILL}
            for name in names
        }
        doubtful = any(view.sight is Sight.MOVED for views in found.values() for view in views.values())
        if doubtful or any(len(cameras) < MIN_VIEWS for cameras in still.values()):
            return None
        clicks: dict[str, dict[str, tuple[float, float]]] = {}
        for camera, of_camera in self._label.clicks.items():
            kept = {name: click for name, click in of_camera.items() if camera in still[name]}
            if kept:
                clicks[camera] = kept
        residual_px = max(found[name][camera].shift_px for name in names for camera in still[name])
        age_s = abs(frame.captured_at_ns - self._frame.captured_at_ns) / 1e9
        origin = TakenOver(frame=self._label.frame, age_s=age_s, residual_px=residual_px)
        new = {"frame": frame.frame_id, "clicks": clicks, "occluded": {}, "taken_over": origin}
        return self._label.model_copy(update=new)


def follow(reader: StreamReader, file: LabelFile, config: StillScenesConfig) -> list[Followed]:
    """Follow every label that a person gave; frames that have a label keep it.

    Args:
        reader: the stream.
        file: labels of its frames; those that were taken over before are not followed again.
        config: how far.

    Raises:
        StorageError: a labelled frame is not in the stream, or a frame is damaged.
    """
    taken = {label.frame for label in file.labels}
    followed = []
    for label in file.labels:
        # What is absent may come in at any time: no image says that it has not.
        if label.taken_over is None and not label.absent and (any(label.clicks.values()) or label.points_m):
            one = _follow(reader, label, taken, config)
            taken |= {other.frame for other in one.taken_over}
            followed.append(one)
    return followed


def _follow(reader: StreamReader, label: Label, taken: set[str], config: StillScenesConfig) -> Followed:
    index = reader.index_of(label.frame)
    if index is None:
        raise StorageError(f"labelled frame {label.frame} is not in the stream at {reader.root} ({len(reader)} frames)")
    frame = reader.read(index).frame
    scene = StillScene(label, frame, config.stillness)
    order = reader.of_cell(frame.cell_id)
    place = int(np.flatnonzero(order == index)[0])
    found: list[Label] = []
    hidden, ended = Counter[bool](), list[str]()
    for indices in (order[:place][::-1], order[place + 1 :]):
        why = "the stream begins" if not ended else "the stream ends"
        before = frame
        for other in (reader.read(int(each)).frame for each in indices):
            why_not = _apart(before, other, config.gap_s)
            seen = {} if why_not else scene.look(other)
            why_not = why_not or scene.moved(seen)
            if why_not:
                why = f"{other.frame_id}: {why_not}"
                break
            before = other
            if other.frame_id in taken:
                continue
            new = scene.taken_over(other, seen)
            hidden[new is None] += 1
            if new is not None:
                found.append(new)
        ended.append(why)
    return Followed(label, tuple(_evenly(found, config.at_most)), hidden[True], (ended[0], ended[1]))


def _apart(before: MultiViewFrame, frame: MultiViewFrame, gap_s: float) -> str:
    """Why two neighbours are of different arrangements; empty if nothing says so."""
    apart_s = abs(frame.captured_at_ns - before.captured_at_ns) / 1e9
    if apart_s > gap_s:
        return f"{apart_s:.0f} s after its neighbour"
    if not _same_cameras(before, frame):
        return "its cameras are others, or stand elsewhere"
    return ""


def _same_cameras(one: MultiViewFrame, other: MultiViewFrame) -> bool:
    pairs = list(zip(one.cameras, other.cameras, strict=False))
    return len(one.cameras) == len(other.cameras) and all(
        a.name == b.name
        and all(
            np.array_equal(getattr(a, field), getattr(b, field))
            for field in ("intrinsics", "distortion", "rotation", "translation_m")
        )
        for a, b in pairs
    )


def _evenly(labels: Sequence[Label], at_most: int) -> Iterable[Label]:
    ordered = sorted(labels, key=lambda label: label.frame)
    chosen = np.linspace(0, len(ordered) - 1, min(at_most, len(ordered))).round().astype(int)
    return [ordered[i] for i in chosen]


def _pixels(label: Label, frame: MultiViewFrame) -> list[tuple[str, str, np.ndarray]]:
    """Camera, keypoint and pixel of all that a label says."""
    pixels = [
        (camera, name, np.array(click))
        for camera, clicks in label.clicks.items()
        for name, click in clicks.items()
        if name not in label.points_m
    ]
    if label.points_m:
        names, points = list(label.points_m), torch.tensor(list(label.points_m.values()), dtype=torch.float64)
        seen = project(points, Cameras.stack(frame.cameras))[0].numpy()
        for camera, of_camera in zip(frame.cameras, seen, strict=True):
            pixels += [(camera.name, name, pixel) for name, pixel in zip(names, of_camera, strict=True)]
    return pixels
