"""Dynamic batching: frames of all cells wait in one queue, and one thread reads them as many at a time as are waiting.

An idle service reads a frame the moment it comes; a busy one finds several waiting after each batch. Nobody waits for a
batch to fill, unless ``max_wait_ms`` asks for it.
"""

import logging
import threading
import time
import zlib
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from s3k_dist.errors import DeadlineError, FrameError, ServiceError, ServiceUnavailableError
from s3k_dist.features.detector import Detector, Encoder
from s3k_dist.features.figures import FiguresBook
from s3k_dist.features.metrics import FeatureMetrics
from s3k_dist.features.types import Embedding, FrameFeatures
from s3k_dist.frames import MultiViewFrame

logger = logging.getLogger(__name__)

IDLE_LOOK_S = 1.0  # a bound on the wait for work; notifications end it earlier


GROUP_FRAMES = 64  # of a cell in a row that one version reads, where the caller names no groups: 16 s at 4 Hz


class NoModelError(ServiceError):
    """No model serves yet."""


class QueueFullError(ServiceError):
    """More frames wait than the queue takes."""


@dataclass(frozen=True)
class Trial:
    """A version that answers a share of the frames.

    Attributes:
        detector: of the version.
        share: in (0, 1].
    """

    detector: Detector
    share: float

    def takes(self, group: str) -> bool:
        """Whether it reads the frames of a group: the same answer in every replica, for as long as it is on trial."""
        return zlib.crc32(f"{self.detector.version}:{group}".encode()) < self.share * 2**32


@dataclass(eq=False)
class _Waiting:
    frame: MultiViewFrame
    deadline: float  # time.monotonic()
    group: str
    answer: "Future[FrameFeatures]" = field(default_factory=Future)

    @property
    def layout(self) -> tuple[tuple[int, ...], ...]:
        return tuple(view.image.shape for view in self.frame.views)


class Batcher:
    """A bounded queue of frames and the one thread that runs the models on them.

    Args:
        metrics: where batch sizes and the queue's length are noted.
        max_batch_frames: frames in one call of the detector, at most.
        max_queue_frames: frames that may wait; one more is turned away.
        max_wait_ms: how long a frame may wait for others to join its batch, milliseconds.
        encodes: answer with embeddings, too; frames are then turned away until both models serve.
    """

    def __init__(
        self,
        metrics: FeatureMetrics,
        max_batch_frames: int = 16,
        max_queue_frames: int = 64,
        max_wait_ms: float = 0.0,
        *,
        encodes: bool = False,
    ) -> None:
        self._metrics = metrics
        self._max_batch_frames = max_batch_frames
        self._max_queue_frames = max_queue_frames
        self._max_wait_s = max_wait_ms / 1e3
        self._detector: Detector | None = None
        self._trial: Trial | None = None
        self._encoder: Encoder | None = None
        self._encodes = encodes
        self.figures = FiguresBook()
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="s3k-detector", daemon=True)
        metrics.watch_queue(lambda: len(self._queue))

    @property
    def detector(self) -> Detector | None:
        """What reads the next batch."""
        return self._detector

    @property
    def encoder(self) -> Encoder | None:
        """What embeds the next batch."""
        return self._encoder

    @property
    def ready(self) -> bool:
        """Whether every model that an answer needs is there."""
        return self._detector is not None and (self._encoder is not None or not self._encodes)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def swap(self, detector: Detector) -> None:
        """Read the next batch with ``detector``; a batch under way is finished by the one before."""
        self._detector = detector

    def swap_trial(self, trial: Trial | None) -> None:
        """Let another version answer its share of the frames from now on; None ends a trial."""
        self._trial = trial

    def swap_encoder(self, encoder: Encoder) -> None:
        """The same for the encoder; each model is swapped by itself, and an answer names both versions."""
        self._encoder = encoder

    def submit(self, frame: MultiViewFrame, timeout_s: float, group: str = "") -> "Future[FrameFeatures]":
        """Put a frame into the queue; cancelling the answer, or ``timeout_s`` seconds, takes it out unread.

        Frames of one ``group`` are read by one version while another is on trial.

        Raises:
            NoModelError: a model is missing yet.
            QueueFullError: too many frames wait.
            ServiceUnavailableError: the batcher is closed.
        """
        if not self.ready:
            raise NoModelError("no encoder serves yet" if self._detector else "no keypoint model serves yet")
        group = group or f"{frame.cell_id}/{frame.sequence // GROUP_FRAMES}"
        waiting = _Waiting(frame, time.monotonic() + timeout_s, group)
        with self._changed:
            if self._closed:
                raise ServiceUnavailableError("the feature service is stopping")
            if len(self._queue) >= self._max_queue_frames:
                # Answers that nobody waits for any more must not turn away a frame that somebody does wait for.
                self._queue = deque(other for other in self._queue if not other.answer.cancelled())
            if len(self._queue) >= self._max_queue_frames:
                raise QueueFullError(f"the queue is full: {len(self._queue)} frames wait already")
            self._queue.append(waiting)
            self._changed.notify()
        return waiting.answer

    def close(self, timeout_s: float) -> None:
        """Stop after the batch under way, for which it waits at most ``timeout_s``; what still waits is turned away."""
        with self._changed:
            self._closed = True
            left = list(self._queue)
            self._queue.clear()
            self._changed.notify()
        for waiting in left:
            if waiting.answer.set_running_or_notify_cancel():
                waiting.answer.set_exception(ServiceUnavailableError("the feature service is stopping"))
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _work(self) -> None:
        while not self._closed:
            batch = self._take()
            detector, encoder, trial = self._detector, self._encoder, self._trial
            if detector is None:
                continue
            tried = [waiting for waiting in batch if trial is not None and trial.takes(waiting.group)]
            for group in _by_layout([waiting for waiting in batch if waiting not in tried]):
                self._read(detector, encoder, group)
            for group in _by_layout(tried):
                self._try(trial, detector, encoder, group)

    def _take(self) -> list[_Waiting]:
        """What waits, in order, at most one batch; without what was cancelled or is too late."""
        with self._changed:
            if not self._queue:
                self._changed.wait(IDLE_LOOK_S)
            if self._queue and self._max_wait_s:
                full = lambda: self._closed or len(self._queue) >= self._max_batch_frames  # noqa: E731
                self._changed.wait_for(full, self._max_wait_s)
            count = min(len(self._queue), self._max_batch_frames)
            taken = [self._queue.popleft() for _ in range(count)]
        return [waiting for waiting in taken if _still_wanted(waiting)]

    def _try(self, trial: Trial | None, detector: Detector, encoder: Encoder | None, group: list[_Waiting]) -> None:
        """Read by the version on trial; what it cannot read is read by the other, and held against it."""
        assert trial is not None
        try:
            features = self._features(trial.detector, encoder, group)
        except Exception:  # a version on trial may fail in any way, and no caller shall notice
            self._read(detector, encoder, group)
            could = sum(waiting.answer.exception() is None for waiting in group)
            if could:
                logger.warning("model version %d, on trial, failed", trial.detector.version, exc_info=True)
                self.figures.failed(trial.detector.version, could)
            return
        self._answer(group, features)

    def _features(self, detector: Detector, encoder: Encoder | None, group: list[_Waiting]) -> list[FrameFeatures]:
        frames = [waiting.frame for waiting in group]
        features = detector.detect(frames)
        if len(features) != len(group):
            raise ServiceError(f"it answered {len(group)} frames with {len(features)} features")
        return features if encoder is None else _with_embeddings(features, encoder.embed(frames))

    def _read(self, detector: Detector, encoder: Encoder | None, group: list[_Waiting]) -> None:
        self._metrics.batch(len(group))
        try:
            features = self._features(detector, encoder, group)
        except Exception as error:  # a detector may raise anything, and the thread must live on
            if len(group) > 1:
                # One bad frame must not take its neighbours with it.
                for waiting in group:
                    self._read(detector, encoder, [waiting])
                return
            if not isinstance(error, FrameError):
                which = f"model version {detector.version}"
                which += f" or encoder version {encoder.version}" if encoder is not None else ""
                logger.exception("%s failed on frame %s", which, group[0].frame.frame_id)
                error = ServiceError(f"{which} failed on this frame: {error}")
            group[0].answer.set_exception(error)
            return
        self._answer(group, features)

    def _answer(self, group: list[_Waiting], features: list[FrameFeatures]) -> None:
        self.figures.answered(features)
        for waiting, answer in zip(group, features, strict=True):
            waiting.answer.set_result(answer)


def _with_embeddings(features: list[FrameFeatures], embeddings: list[Embedding]) -> list[FrameFeatures]:
    if len(embeddings) != len(features):
        raise ServiceError(f"the encoder answered {len(features)} frames with {len(embeddings)} embeddings")
    return [replace(seen, embedding=embedding) for seen, embedding in zip(features, embeddings, strict=True)]


def _still_wanted(waiting: _Waiting) -> bool:
    if not waiting.answer.set_running_or_notify_cancel():
        return False
    if time.monotonic() >= waiting.deadline:
        waiting.answer.set_exception(DeadlineError(f"frame {waiting.frame.frame_id}: its deadline passed in the queue"))
        return False
    return True


def _by_layout(batch: list[_Waiting]) -> list[list[_Waiting]]:
    groups: dict[tuple[tuple[int, ...], ...], list[_Waiting]] = {}
    for waiting in batch:
        groups.setdefault(waiting.layout, []).append(waiting)
    return list(groups.values())
