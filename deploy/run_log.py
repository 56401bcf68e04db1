"""The log of a run: every scalar as a line of JSON, for the report, and to TensorBoard, for whoever watches.

A line of ``metrics.jsonl``::

    {"t_s": 412.8, "series": "policy/success_rate", "value": 0.8, "step": 1234}
"""

import json
import math
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from deploy.line_file import LineFile
from s3k_dist.errors import StorageError
from s3k_dist.folders import make_folder

METRICS_FILE = "metrics.jsonl"
TENSORBOARD_FOLDER = "tensorboard"
FLUSH_TENSORBOARD_S = 10
TENSORBOARD_AGAIN_S = 30.0  # after it could not be written


@dataclass(frozen=True, eq=False)
class Series:
    """One metric over time; N entries in the order they were logged.

    Attributes:
        t_s: seconds since the run began, pauses between stop and resume not counted, shape (N,).
        step: the run's own count at that moment, NaN where none was given, shape (N,).
        value: shape (N,); NaN where the value was not finite.
    """

    t_s: np.ndarray
    step: np.ndarray
    value: np.ndarray


class RunLog:
    """Appends scalars to a run's folder, from any thread::

        with RunLog(folder) as log:
            log.add("policy/success_rate", 0.8, step=1234)

    Each line reaches the kernel before ``add`` returns, so that a killed process loses none; while the disk is full,
    lines wait (`LineFile`), and TensorBoard has a gap. Opened on a folder that already has a log, it goes on at the
    time where that one ended.
    """

    def __init__(self, folder: Path) -> None:
        """Raises StorageError: the folder cannot be written."""
        make_folder(folder)
        self._path = folder / METRICS_FILE
        self._lock = threading.Lock()
        try:
            before = self._path.read_bytes() if self._path.exists() else b""
        except OSError as error:
            raise StorageError(f"cannot read {self._path}: {error.strerror or error}") from error
        self._file = LineFile(self._path)
        past_s = max((entry["t_s"] for entry in _entries(before)), default=0.0)
        self._began_s = time.monotonic() - past_s
        self._tensorboard = _TensorBoard(folder / TENSORBOARD_FOLDER)
        self._newest: dict[str, float] = {}

    @property
    def problem(self) -> str:
        """Why lines wait, in words; empty while none does."""
        return self._file.problem

    @property
    def t_s(self) -> float:
        """Seconds since the run began, pauses between stop and resume not counted."""
        return time.monotonic() - self._began_s

    def add(self, series: str, value: float, step: int | None = None) -> None:
        """Log one scalar.

        Args:
            series: its name, ``part/what_unit``; ``docs/metrics.md`` lists them.
            value: the scalar; a value that is not finite is kept as missing.
            step: the run's own count (environment steps, updates) at this moment.

        Raises:
            StorageError: the log is closed.
        """
        value, step = float(value), None if step is None else int(step)
        with self._lock:
            if self._file.closed:
                raise StorageError(f"the log {self._path} is closed")
            t_s = self.t_s
            kept = value if math.isfinite(value) else None
            entry = {"t_s": round(t_s, 3), "series": series, "value": kept, "step": step}
            self._file.add([json.dumps(entry)])
            if kept is not None:
                self._newest[series] = kept
                self._tensorboard.add(series, kept, int(t_s) if step is None else step)

    def newest(self) -> dict[str, float]:
        """The newest finite value of each series that was logged in this sitting."""
        with self._lock:
            return dict(self._newest)

    def close(self) -> None:
        """Write out what TensorBoard still holds back; safe to call twice."""
        with self._lock:
            if not self._file.closed:
                self._file.close()
                self._tensorboard.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_series(folder: Path) -> dict[str, Series]:
    """All metrics of a run by name, also while it is being written; a line that a crash tore is left out.

    Raises:
        StorageError: the log is there and cannot be read.
    """
    path = folder / METRICS_FILE
    try:
        data = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    columns: dict[str, list[tuple[float, float, float]]] = {}
    for entry in _entries(data):
        step, value = (math.nan if entry.get(key) is None else float(entry[key]) for key in ("step", "value"))
        columns.setdefault(entry["series"], []).append((entry["t_s"], step, value))
    return {name: Series(*np.array(rows, dtype=np.float64).T) for name, rows in columns.items()}


def _entries(data: bytes) -> list[dict[str, Any]]:
    found = []
    for line in data.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and "series" in entry and "t_s" in entry:
            found.append(entry)
    return found


class _TensorBoard:
    """TensorBoard's own event writer: torch's SummaryWriter would import torch for the sake of a scalar."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        self._open = lambda: EventFileWriter(str(folder), flush_secs=FLUSH_TENSORBOARD_S)
        self._writer = self._open()
        self._failed_s = -TENSORBOARD_AGAIN_S

    def add(self, series: str, value: float, step: int) -> None:
        """Log one scalar; what a full disk has no room for is left out."""
        if time.monotonic() - self._failed_s < TENSORBOARD_AGAIN_S:
            return
        try:
            if self._writer is None:  # one that failed once fails for ever
                self._writer = self._open()
            scalar = self._summary.Value(tag=series, simple_value=value)
            event = self._event(wall_time=time.time(), step=step, summary=self._summary(value=[scalar]))
            self._writer.add_event(event)
        except OSError:
            self._writer, self._failed_s = None, time.monotonic()

    def close(self) -> None:
        with suppress(OSError):
            if self._writer is not None:
                self._writer.close()
