"""Notices that a cell's frames are no longer what its model was used to, without labels, by sequential tests.

Each keypoint and each camera is watched in three ways: how far its detections are from the re-projected point, how
sharp they are, and how many are missing. A reference is taken from the frames after a promotion; a one-sided CUSUM then
adds up what lies more than half of a change worth noticing beyond it:

    S <- max(0, S + x - reference - change / 2),    alarm where S > h

With x of variance s^2 a frame, correlated over time, S is near a Brownian motion with drift -change/2 and the long-run
variance t^2 (the variance of a sum of n values, over n). It takes (t^2 / 2 k^2) (exp(2 k h / t^2) - 1 - 2 k h / t^2)
frames on average to reach h, with k = change / 2; h is solved from the false alarms that are allowed. So slow motion,
whose residuals hang together for seconds, raises h by itself: an alarm takes as long as a sound one needs.

    monitor = DriftMonitor()
    for features in answers:
        for event in monitor.observe(features):
            print(event)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from s3k_dist.features.types import FrameFeatures

Signal = Literal["residual", "confidence", "missing"]
Subject = Literal["keypoint", "camera"]

SIGNALS: tuple[Signal, ...] = ("residual", "confidence", "missing")
# The least change worth an alarm: twice the residual (natural logarithm), and so much less confidence, more missing.
CHANGES = np.array([math.log(2), 0.2, 0.25])
# What a single frame may add, in changes: none, however absurd, is half an alarm.
BOUNDS = np.array([2.0, 1.0, 1.0]) * CHANGES
LEAST_RESIDUAL_PX = 0.05  # below it, agreement is luck
BLOCKS = (1, 2, 4, 8, 16, 32)  # frames, over which the reference's variance is taken: the largest counts
# The largest of several estimates from few blocks: what it still falls short of the truth by, for the slowest data.
SHORTFALL = 1.3
# Frames of a full change that an alarm takes at least. What hides a keypoint is rare and lasts some seconds: a
# reference may hold none of it, and would then expect none.
LEAST_FRAMES = np.array([10.0, 40.0, 40.0])


@dataclass(frozen=True)
class DriftConfig:
    """How a cell's frames are watched.

    Attributes:
        reference_frames: that say what is usual; 2 minutes at 4 Hz hold several episodes.
        hours_between_false_alarms: of one cell, on average, over all that is watched.
        frames_per_s: of the cell.
        least_confidence: a detection below it is missing.
    """

    reference_frames: int = 480
    hours_between_false_alarms: float = 1000.0
    frames_per_s: float = 4.0
    least_confidence: float = 0.5


@dataclass(frozen=True)
class DriftEvent:
    """An alarm began, or is over.

    Attributes:
        cell_id: of which cell.
        state: whether it began or is over.
        signal: what changed.
        subject: whether it changed for a keypoint, over all cameras, or for a camera, over all keypoints.
        name: of the keypoint or camera.
        reference: usual value: a residual in pixels, a confidence, or a share of the views or keypoints missing.
        now: the value since the change.
        since_sequence: the frame with which the change began, as the test sees it.
        since_ns: when that was captured, nanoseconds since the Unix epoch.
        at_sequence: the frame that decided it.
        at_ns: when that was captured, likewise.
        model_version: that saw that frame.
    """

    cell_id: str
    state: Literal["began", "over"]
    signal: Signal
    subject: Subject
    name: str
    reference: float
    now: float
    since_sequence: int
    since_ns: int
    at_sequence: int
    at_ns: int
    model_version: int

    def __str__(self) -> str:
        where = f"{self.cell_id}, {self.subject} {self.name}: {self.signal}"
        if self.state == "over":
            return f"drift over: {where} is back at {self.reference:.2f}"
        unit = " px" if self.signal == "residual" else ""
        seconds = (self.at_ns - self.since_ns) / 1e9
        return f"drift: {where} {self.now:.2f}{unit}, was {self.reference:.2f}{unit}, since {seconds:.0f} s"


@dataclass(frozen=True, eq=False)
class Reference:
    """What is usual; C watched series, each of 3 signals.

    Attributes:
        level: shape (3, C).
        long_run: standard deviation of a sum of n values over the root of n, shape (3, C).
        threshold: of the CUSUM, shape (3, C).
    """

    level: np.ndarray
    long_run: np.ndarray
    threshold: np.ndarray


class DriftMonitor:
    """Watches one cell; fed with every frame's features in order.

    A new model version begins a new reference. Until that is full the one before goes on judging; and a series that the
    new version sees worse than the old one, by half a change or more, keeps its old reference: a drift that a promotion
    falls into is not taken for the new usual.

    Args:
        config: how.
    """

    def __init__(self, config: DriftConfig | None = None) -> None:
        self.config = config or DriftConfig()
        self._layout: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        self._begin_anew((), ())

    @property
    def ready(self) -> bool:
        """Whether there is a reference, so that alarms can come."""
        return self._reference is not None

    @property
    def active(self) -> tuple[DriftEvent, ...]:
        """The alarms that began and are not over."""
        return tuple(self._active.values())

    def levels(self) -> dict[str, float]:
        """How near each signal's worst series is to an alarm, in shares of its threshold; empty if not ready."""
        if self._reference is None:
            return {}
        worst = (self._sums / self._reference.threshold).max(axis=1)
        return dict(zip(SIGNALS, worst.tolist(), strict=True))

    def reset(self) -> None:
        """Forget the reference and all alarms, as after a person has set something right: usual is what comes now."""
        self._begin_anew(*self._layout)

    def observe(self, features: FrameFeatures) -> list[DriftEvent]:
        """Take a frame into account; returns the alarms that begin or end with it."""
        layout = features.keypoint_names, features.camera_names
        if layout != self._layout:
            self._begin_anew(*layout)  # another rig or another model: nothing of before compares
        values = watched(features, self.config.least_confidence)
        self._collect(values, features.model_version)
        if self._reference is None:
            return []
        return self._judge(values, features)

    def _begin_anew(self, keypoints: tuple[str, ...], cameras: tuple[str, ...]) -> None:
        self._layout = keypoints, cameras
        self._names: list[tuple[Subject, str]] = [("keypoint", name) for name in keypoints]
        self._names += [("camera", name) for name in cameras]
        shape = len(SIGNALS), len(self._names)
        self._reference: Reference | None = None
        self._collected: list[np.ndarray] = []
        self._version: int | None = None
        self._complete = False
        self._sums = np.zeros(shape)
        self._totals, self._counts = np.zeros(shape), np.zeros(shape, int)
        self._since_sequence, self._since_ns = np.zeros(shape, np.uint64), np.zeros(shape, np.int64)
        self._active: dict[tuple[int, int], DriftEvent] = {}

    def _collect(self, values: np.ndarray, version: int) -> None:
        if version != self._version:
            # The very first reference may span versions, for it is better than none.
            self._collected = self._collected if self._reference is None else []
            self._version, self._complete = version, False
        if self._complete:
            return
        self._collected.append(values)
        if len(self._collected) >= self.config.reference_frames:
            self._complete = True
            self._take(reference_of(np.stack(self._collected), self.config))
            self._collected = []

    def _take(self, new: Reference) -> None:
        old = self._reference
        if old is None:
            self._reference = new
            return
        worse = new.level > old.level + CHANGES[:, None] / 2
        self._reference = Reference(
            np.where(worse, old.level, new.level),
            np.where(worse, old.long_run, new.long_run),
            np.where(worse, old.threshold, new.threshold),
        )
        for row, column in np.argwhere(~worse):
            if (row, column) not in self._active:
                self._sums[row, column] = 0.0

    def _judge(self, values: np.ndarray, features: FrameFeatures) -> list[DriftEvent]:
        assert self._reference is not None
        reference, change = self._reference, CHANGES[:, None]
        beyond = np.clip(values - reference.level, -BOUNDS[:, None], BOUNDS[:, None])
        before = self._sums > 0
        self._sums = np.clip(self._sums + beyond - change / 2, 0.0, 2 * reference.threshold)
        began = (self._sums > 0) & ~before
        self._since_sequence[began], self._since_ns[began] = features.sequence, features.captured_at_ns
        self._totals = np.where(began, 0.0, self._totals) + values - reference.level
        self._counts = np.where(began, 0, self._counts) + 1
        events = [
            self._event("began", place, features)
            for place in zip(*np.nonzero(self._sums > reference.threshold), strict=True)
            if place not in self._active
        ]
        over = [place for place in self._active if self._sums[place] == 0]
        events += [self._event("over", place, features) for place in over]
        return events

    def _event(self, state: Literal["began", "over"], place: tuple[int, int], features: FrameFeatures) -> DriftEvent:
        assert self._reference is not None
        signal, (subject, name) = SIGNALS[place[0]], self._names[place[1]]
        level = float(self._reference.level[place])
        event = DriftEvent(
            cell_id=features.cell_id,
            state=state,
            signal=signal,
            subject=subject,
            name=name,
            reference=readable(signal, level),
            now=readable(signal, level + float(self._totals[place]) / max(1, int(self._counts[place]))),
            since_sequence=int(self._since_sequence[place]),
            since_ns=int(self._since_ns[place]),
            at_sequence=features.sequence,
            at_ns=features.captured_at_ns,
            model_version=features.model_version,
        )
        if state == "began":
            self._active[place] = event
        else:
            del self._active[place]
        return event


def watched(features: FrameFeatures, least_confidence: float) -> np.ndarray:
    """One frame as the monitor sees it: 3 signals, larger is worse, of K keypoints and V cameras, shape (3, K + V)."""
    confidence = np.nan_to_num(features.confidence, nan=0.0)
    missing = ~(confidence >= least_confidence) | ~np.isfinite(features.residual_px)
    residual = np.nan_to_num(features.residual_px, nan=1e3, posinf=1e3)
    parts = np.log(np.maximum(residual, LEAST_RESIDUAL_PX)), -confidence, missing.astype(float)
    return np.stack([np.concatenate([part.mean(axis=0), part.mean(axis=1)]) for part in parts])


def readable(signal: Signal, value: float) -> float:
    """A watched value in the unit a person knows."""
    return math.exp(value) if signal == "residual" else (-value if signal == "confidence" else value)


def reference_of(values: np.ndarray, config: DriftConfig) -> Reference:
    """Level, long-run variance and threshold from N frames, shape (N, 3, C)."""
    middle, change, bound = np.median(values, axis=0), CHANGES[:, None], BOUNDS[:, None]
    bounded = np.clip(values, middle - bound, middle + bound)
    level = bounded.mean(axis=0)
    variance = SHORTFALL * np.max([_block_variance(bounded, size) for size in _usable(BLOCKS, len(values))], axis=0)
    # No series is taken for steadier than its like: what befell one camera may befall the next.
    variance = np.maximum(variance, variance.mean(axis=1, keepdims=True))
    series = values[0].size
    frames = config.hours_between_false_alarms * 3600 * config.frames_per_s * series
    threshold = threshold_of(np.broadcast_to(change / 2, variance.shape), variance, frames)
    return Reference(level, np.sqrt(variance), np.maximum(threshold, LEAST_FRAMES[:, None] * change / 2))


def threshold_of(allowance: np.ndarray, variance: np.ndarray, frames: float) -> np.ndarray:
    """h of a CUSUM that takes ``frames`` frames on average to a false alarm.

    Args:
        allowance: k, taken off every value.
        variance: long-run, of the values.
        frames: between false alarms.
    """
    # With y = 2 k h / t^2:  exp(y) - 1 - y = 2 k^2 frames / t^2, whose solution Newton's method finds from above.
    wanted = 2 * allowance**2 * frames / np.maximum(variance, 1e-12)
    y = np.log1p(wanted) + np.log1p(np.log1p(wanted)) + 1
    for _ in range(30):
        y = np.maximum(y - (np.expm1(y) - y - wanted) / np.expm1(np.maximum(y, 1e-6)), 1e-6)
    # The overshoot of a sum that moves in steps, by Siegmund: the same as a threshold that much higher.
    return np.maximum(y * variance / (2 * allowance) - 1.166 * np.sqrt(variance), 0.0)


def _block_variance(values: np.ndarray, size: int) -> np.ndarray:
    """Variance of the means of blocks of ``size`` frames, times ``size``."""
    blocks = len(values) // size
    means = values[: blocks * size].reshape(blocks, size, *values.shape[1:]).mean(axis=1)
    return size * means.var(axis=0, ddof=1)


def _usable(sizes: Sequence[int], frames: int) -> list[int]:
    """Sizes of which there are eight blocks or more; always one."""
    return [size for size in sizes if frames // size >= 8] or [1]
