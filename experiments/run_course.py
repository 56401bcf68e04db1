"""A run's training over its frames: how far served keypoints were from the truth, how episodes ended, what was alarmed.

From the run's own ``episodes.jsonl`` and ``drift.jsonl``; nothing is computed anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from deploy.run_folder import RunFolder
from deploy.session import episode_lines, json_lines
from s3k_dist.errors import StorageError


@dataclass(frozen=True, eq=False)
class RunCourse:
    """The training of one run: N episodes of M frames in all, of K keypoints each.

    Where frames are asked for by their number, the run has one cell.

    Attributes:
        sequence: number of each frame among those of its cell, shape (M,).
        error_mm: distance of the served keypoints from the truth, shape (M, K).
        episode: which one each frame is of, counted from 0, shape (M,).
        steps: environment steps when each episode ended, shape (N,).
        t_s: and the seconds that the run had taken, shape (N,).
        truly: whether it ended inserted, by the simulator's truth, shape (N,).
        model_version: of the keypoint model at its end, shape (N,).
        drift: lines of ``drift.jsonl``, in order.
    """

    sequence: np.ndarray
    error_mm: np.ndarray
    episode: np.ndarray
    steps: np.ndarray
    t_s: np.ndarray
    truly: np.ndarray
    model_version: np.ndarray
    drift: Sequence[Mapping[str, Any]]

    @cached_property
    def ends(self) -> np.ndarray:
        """Index of each episode's last frame, shape (N,)."""
        return np.flatnonzero(np.diff(self.episode, append=len(self.steps)))

    def first_episode_from(self, sequence: int) -> int | None:
        """The first frame of the first episode that begins at frame ``sequence`` or later, if there is one."""
        begins = np.flatnonzero(np.diff(self.episode, prepend=-1))
        late = begins[self.sequence[begins] >= sequence]
        return int(self.sequence[late[0]]) if len(late) else None

    def index_of(self, sequence: float) -> int:
        """Of the first frame with this number or a later one; M if there is none."""
        return int(np.searchsorted(self.sequence, sequence))

    def seconds_at(self, sequence: float) -> float:
        """That the run had taken at a frame of its one cell, between the ends of episodes along a straight line."""
        return float(np.interp(sequence, self.sequence[self.ends], self.t_s))

    def success(self, first: int, last: int) -> float:
        """Share of the episodes that ended within frames ``first`` to ``last`` (not included); NaN for none."""
        ended = self.truly[(self.ends >= first) & (self.ends < last)]
        return float(ended.mean()) if len(ended) else float("nan")

    def error(self, first: int, last: int) -> tuple[float, float]:
        """Median and 95th percentile over all keypoints of frames ``first`` to ``last`` (not included), mm."""
        within = self.error_mm[max(first, 0) : last]
        within = within[np.isfinite(within)]
        if not within.size:
            return float("nan"), float("nan")
        median, p95 = np.percentile(within, [50, 95])
        return float(median), float(p95)

    def alarms(self) -> list[int]:
        """Frames that began an alarm."""
        return [int(line["at_sequence"]) for line in self.drift if line["kind"] == "alarm" and line["state"] == "began"]


@dataclass(frozen=True, eq=False)
class Windows:
    """Figures of the last frames at P points of a run.

    Attributes:
        index: of the frame after each window, shape (P,).
        median_mm: error over all keypoints, shape (P,).
        p95_mm: likewise.
        success: share of the episodes that ended within, NaN where none did, shape (P,).
    """

    index: np.ndarray
    median_mm: np.ndarray
    p95_mm: np.ndarray
    success: np.ndarray


def windows(course: RunCourse, size: int, every: int, *, first: int = 0, last: int | None = None) -> Windows:
    """Windows of ``size`` frames, ``every`` frames apart, within frames ``first`` to ``last`` (not included).

    A stretch shorter than one window is a window.
    """
    last = len(course.sequence) if last is None else last
    ends = np.arange(first + size, last + 1, every)
    if not len(ends):
        ends = np.array([last])
    errors = [course.error(max(first, end - size), end) for end in ends.tolist()]
    success = [course.success(max(first, end - size), end) for end in ends.tolist()]
    median, p95 = np.array(errors).T
    return Windows(ends, median, p95, np.array(success))


def read_course(folder: RunFolder) -> RunCourse:
    """The training of a run so far.

    Raises:
        StorageError: it has no training episodes, or was made before they kept the error of each frame.
    """
    lines = [line for line in episode_lines(folder) if line["stage"] == "train"]
    if not lines:
        raise StorageError(f"{folder.root} has no training episodes; `s3k run --resume {folder.root}` makes them")
    if lacking := [field for field in ("t_s", "first_sequence", "error_mm") if field not in lines[0]]:
        raise StorageError(f"{folder.episodes} has no {', '.join(lacking)}: it was made by an older version; run anew")
    errors = [np.array(line["error_mm"], np.float64).T for line in lines]
    return RunCourse(
        sequence=np.concatenate(
            [line["first_sequence"] + np.arange(len(each)) for line, each in zip(lines, errors, strict=True)]
        ),
        error_mm=np.concatenate(errors),
        episode=np.repeat(np.arange(len(lines)), [len(each) for each in errors]),
        steps=np.cumsum([int(line["steps"]) for line in lines]),
        t_s=np.array([float(line["t_s"]) for line in lines]),
        truly=np.array([bool(line["truly_inserted"]) for line in lines]),
        model_version=np.array([int(line["model_version"]) for line in lines]),
        drift=json_lines(folder.drift),
    )
