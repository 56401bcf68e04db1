"""What to label next: the frames that the model is most unsure of, or evenly over the stream where there is none."""

import threading
from collections.abc import Callable

import numpy as np

from deploy.suggest_labels import suggest
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.errors import S3KError
from s3k_dist.keypoints.detector import KeypointDetector

LENGTH = 40
CLOSE_S = 15.0  # a batch of frames takes a second
CANDIDATES = 400  # frames that the model looks at; a few seconds at 128 px


class LabelQueue:
    """A list of frames that stays as it is while somebody works through it.

    It is made anew when another model serves, or when all of it is labelled; a model's list is computed in a thread,
    and the list before stands until it is there.

    Args:
        folder: the data set.
        detector: the model that serves now, if any.
    """

    def __init__(self, folder: DatasetFolder, detector: Callable[[], KeypointDetector | None]) -> None:
        self._folder = folder
        self._detector = detector
        self._frames: list[str] = []
        self._version: int | None = None
        self._wanted: int | None = None
        self._failed: int | None = None  # version whose list could not be made
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def frames(self, known: list[str], labelled: set[str]) -> list[str]:
        """Their names, first to label first.

        Args:
            known: all frames of the stream, in order.
            labelled: those that have a label.
        """
        detector = self._detector()
        with self._lock:
            done = not any(frame not in labelled for frame in self._frames)
            if done:
                self._frames = evenly([frame for frame in known if frame not in labelled], LENGTH)
            if detector is not None and (done or detector.version != self._version):
                self._look(detector)
            return list(self._frames)

    @property
    def by_model(self) -> int | None:
        """Version of the model whose doubts the list is of; None if it is evenly over the stream."""
        return self._version

    def close(self) -> None:
        """End what is under way: a process must not end in the middle of a model's arithmetic."""
        self._closing.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(CLOSE_S)

    def _look(self, detector: KeypointDetector) -> None:
        if self._wanted is None and not self._closing.is_set() and detector.version != self._failed:
            self._wanted = detector.version
            self._thread = threading.Thread(target=self._suggest, args=(detector,), name="label-queue", daemon=True)
            self._thread.start()

    def _suggest(self, detector: KeypointDetector) -> None:
        try:
            suggested = suggest(self._folder, detector, LENGTH, CANDIDATES, wanted=lambda: not self._closing.is_set())
            found = [each.frame for each in suggested]
        except S3KError:
            found = []  # all is labelled, or the frames are none that this model reads
        with self._lock:
            self._wanted = None
            if found:
                self._frames, self._version, self._failed = found, detector.version, None
            else:
                self._failed = detector.version


def evenly(names: list[str], at_most: int) -> list[str]:
    """So many of them, evenly over all; and so are the first few, for whoever does not label them all."""
    if len(names) <= at_most:
        return names
    places = np.linspace(0, len(names) - 1, at_most).round().astype(int)
    bits = (at_most - 1).bit_length()
    # Van der Corput's order: the bits of a rank read backwards put each next one into the widest gap.
    order = sorted(range(at_most), key=lambda rank: int(f"{rank:0{bits}b}"[::-1], 2))
    return [names[places[rank]] for rank in order]
