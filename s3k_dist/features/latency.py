"""Latency percentiles of the recent past, from every single request."""

import threading
import time
from collections import deque
from dataclasses import dataclass

import numpy as np

WINDOW_S = 60.0
WINDOW_SAMPLES = 8192  # a minute of 128 requests a second; what is older is forgotten


@dataclass(frozen=True)
class LatencySummary:
    """The last minute, or the last 8192 requests if those are fewer.

    Attributes:
        p50_ms: median latency, milliseconds; NaN before a first request.
        p99_ms: 99th percentile, milliseconds; NaN before a first request.
        frames: how many were answered.
        frames_per_s: answered in each second since the first of them arrived.
    """

    p50_ms: float
    p99_ms: float
    frames: int
    frames_per_s: float


class LatencyWindow:
    """Keeps (time of the answer, latency) of recent requests; safe to use from several threads."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=WINDOW_SAMPLES)
        self._lock = threading.Lock()

    def add(self, latency_s: float) -> None:
        """Note a request answered just now."""
        with self._lock:
            self._samples.append((time.monotonic(), latency_s))

    def summary(self) -> LatencySummary:
        """Percentiles and throughput of the window."""
        now = time.monotonic()
        with self._lock:
            recent = [sample for sample in self._samples if now - sample[0] <= WINDOW_S]
        if not recent:
            return LatencySummary(p50_ms=float("nan"), p99_ms=float("nan"), frames=0, frames_per_s=0.0)
        p50, p99 = np.percentile([latency for _, latency in recent], [50, 99])
        first_arrival = min(answered - latency for answered, latency in recent)
        return LatencySummary(float(p50) * 1e3, float(p99) * 1e3, len(recent), len(recent) / (now - first_arrival))
