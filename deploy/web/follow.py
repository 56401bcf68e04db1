"""Files of JSON lines that a run adds to, read on from where they ended: who looks each second parses no line twice."""

import json
import math
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from s3k_dist.errors import StorageError

BLOCK_BYTES = 4 * 1024 * 1024
LONGEST_LINE = 1024 * 1024  # what is longer, and has no end yet, is no line of a run


class FollowedLines(ABC):
    """Takes each line of a file once; a file that became another, or shorter, is begun anew. Safe for threads.

    A line without its end is left for the next look; one that a crash tore is passed over.

    Args:
        path: of the file; there may be none yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = 0
        self._read = 0
        self._lock = threading.RLock()

    def look(self) -> None:
        """Take what was added since the last look.

        Raises:
            StorageError: the file is there and cannot be read.
        """
        with self._lock:
            try:
                with self._path.open("rb") as file:
                    self._read_on(file)
            except FileNotFoundError:
                self._begin(0)
            except OSError as error:
                raise StorageError(f"cannot read {self._path}: {error.strerror or error}") from error

    @abstractmethod
    def begin(self) -> None:
        """Forget all that was taken."""

    @abstractmethod
    def take(self, entry: dict[str, Any]) -> None:
        """The next line's map; KeyError, TypeError or ValueError of one that says something else passes it over."""

    def _begin(self, inode: int) -> None:
        if self._read or self._inode != inode:
            self._inode, self._read = inode, 0
            self.begin()

    def _read_on(self, file: IO[bytes]) -> None:
        status = os.fstat(file.fileno())
        if status.st_ino != self._inode or status.st_size < self._read:
            self._begin(status.st_ino)
        file.seek(self._read)
        while block := file.read(BLOCK_BYTES):
            whole = block.rfind(b"\n") + 1
            if not whole:
                if len(block) < LONGEST_LINE:
                    return
                whole = len(block)
            for line in block[:whole].splitlines():
                self._take_line(line)
            self._read += whole
            file.seek(self._read)

    def _take_line(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
            if isinstance(entry, dict):
                self.take(entry)
        except (ValueError, KeyError, TypeError):
            return


Bucket = Literal["mean", "worst"]


class FollowedSeries(FollowedLines):
    """Some of the series of a run's ``metrics.jsonl``.

    Args:
        path: of the file.
        names: of the series that are kept.
    """

    def __init__(self, path: Path, names: Collection[str]) -> None:
        super().__init__(path)
        self._names = frozenset(names)
        self._kept: dict[str, tuple[list[float], list[float]]] = {}

    def begin(self) -> None:
        """Forget all that was taken."""
        self._kept = {}

    def take(self, entry: dict[str, Any]) -> None:
        """One scalar."""
        if entry["series"] in self._names and entry["value"] is not None:
            t_s, value = float(entry["t_s"]), float(entry["value"])
            if math.isfinite(t_s) and math.isfinite(value):
                times, values = self._kept.setdefault(entry["series"], ([], []))
                times.append(t_s)
                values.append(value)

    def newest(self, name: str) -> float | None:
        """The last value of a series; None if it has none."""
        with self._lock:
            return self._kept[name][1][-1] if name in self._kept else None

    def curve(self, name: str, points: int, by: Bucket = "mean") -> list[list[float]]:
        """Seconds and value at so many moments at most, evenly over the run.

        Args:
            name: of the series.
            points: at most so many.
            by: what stands for several values in one moment: their mean, or the highest.
        """
        with self._lock:
            if name not in self._kept:
                return []
            times, values = (np.array(column) for column in self._kept[name])
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
        if len(times) > points:
            edges = np.linspace(times[0], times[-1], points + 1)[1:-1]
            first = np.unique(np.concatenate([[0], np.searchsorted(times, edges)]))
            first = first[first < len(times)]
            count = np.diff(np.append(first, len(times)))
            times = np.add.reduceat(times, first) / count
            values = np.maximum.reduceat(values, first) if by == "worst" else np.add.reduceat(values, first) / count
        return [[round(float(t), 2), float(f"{value:.5g}")] for t, value in zip(times, values, strict=True)]
