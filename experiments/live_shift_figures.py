"""What a run with a changing scene came to after each change: error, success, alarms, and the camera that was named."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from actors.cell import CONTROL_PERIOD_S
from actors.insertion import LevelName
from actors.sim.cell import CableCell, CableCellSpec
from actors.sim.scene_change import SceneChange
from experiments.run_course import RunCourse, windows

STEPS_OF_A_WINDOW = 8  # so many times a window is moved on before it has moved by its own length


@dataclass(frozen=True)
class ShiftPlan:
    """What changes when.

    Attributes:
        changes: what each is called, and what it is; they come on top of each other.
        interval_frames: of the cell before the first change, and from each to the next.
        window_frames: over which errors and successes are taken.
        reference_frames: after which the cell can raise an alarm.
        image_px: side of the images.
        scene_seed: of the scene as it was.
        level: of the task.
    """

    changes: tuple[tuple[str, SceneChange], ...]
    interval_frames: int
    window_frames: int
    reference_frames: int
    image_px: int = 128
    scene_seed: int = 0
    level: LevelName = "easy"


@dataclass(frozen=True)
class AfterChange:
    """How a run went on after one change; medians and percentiles over all keypoints of a window's frames.

    Attributes:
        before_mm: median and 95th percentile of the error in the window before.
        worst_mm: the largest of each in any window before the next change.
        end_mm: of the last window before the next change.
        success: share of the episodes in the window before, in the worst one, and in the last; NaN where none ended.
        alarm_frames: from the change to the first alarm that began, if one did before the next change.
        alarm_s: the same as the run took it.
        on_already: alarms that were on when the change came.
    """

    before_mm: tuple[float, float]
    worst_mm: tuple[float, float]
    end_mm: tuple[float, float]
    success: tuple[float, float, float]
    alarm_frames: int | None
    alarm_s: float | None
    on_already: int

    @property
    def worst_factor(self) -> float:
        """By which the median error rose at most."""
        return self.worst_mm[0] / self.before_mm[0]

    @property
    def end_factor(self) -> float:
        """By which the median error was still raised at the end."""
        return self.end_mm[0] / self.before_mm[0]


@dataclass(frozen=True)
class NamedCamera:
    """A camera that a cell said had moved.

    Attributes:
        camera: its name.
        frames: from the change of the scene that moved a camera to when it was said; negative before that.
        found_mm: the motion that was found.
        off_mm: distance of that from the true motion of the camera that was moved, both as vectors.
        turned_deg: that it was said to have turned by.
        settled: whether the frames told a move from a turn.
    """

    camera: str
    frames: int
    found_mm: float
    off_mm: float
    turned_deg: float
    settled: bool


@dataclass(frozen=True, eq=False)
class ShiftRun:
    """One run.

    Attributes:
        way: adapting or frozen.
        seed: of the run.
        course: its training.
        recorded: frames of the cell before that.
        plan: of the changes.
        summary: what else it came to.
    """

    way: str
    seed: int
    course: RunCourse
    recorded: int
    plan: ShiftPlan
    summary: dict[str, Any]

    @cached_property
    def changed_at(self) -> list[int]:
        """The first frame that shows each change, of those the run came to."""
        due = (self.recorded + (1 + number) * self.plan.interval_frames for number in range(len(self.plan.changes)))
        found = (self.course.first_episode_from(sequence) for sequence in due)
        return [sequence for sequence in found if sequence is not None]

    @property
    def watched_frames(self) -> int:
        """Before the first change, that could have raised a false alarm."""
        last = self.changed_at[0] if self.changed_at else int(self.course.sequence[-1]) + 1
        return max(0, last - self.recorded - self.plan.reference_frames)

    @property
    def false_alarms(self) -> int:
        """That began before anything had changed."""
        return sum(not self.changed_at or at < self.changed_at[0] for at in self.course.alarms())

    @cached_property
    def after(self) -> list[AfterChange]:
        """What followed each change that the run came to."""
        course, size = self.course, self.plan.window_frames
        edges = [course.index_of(sequence) for sequence in self.changed_at] + [len(course.sequence)]
        found = []
        for first, last in pairwise(edges):
            rolling = windows(course, size, max(1, size // STEPS_OF_A_WINDOW), first=first, last=last)
            at, until = int(course.sequence[first]), int(course.sequence[last - 1])
            alarm = min((alarm for alarm in course.alarms() if at <= alarm <= until), default=None)
            known = rolling.success[np.isfinite(rolling.success)]
            lowest = float(known.min()) if len(known) else float("nan")
            found.append(
                AfterChange(
                    before_mm=course.error(first - size, first),
                    worst_mm=(float(rolling.median_mm.max()), float(rolling.p95_mm.max())),
                    end_mm=course.error(max(first, last - size), last),
                    success=(
                        course.success(first - size, first), lowest, course.success(max(first, last - size), last),
                    ),
                    alarm_frames=None if alarm is None else alarm - at,
                    alarm_s=None if alarm is None else course.seconds_at(alarm) - course.seconds_at(at),
                    on_already=self._alarms_on(at),
                )
            )  # fmt: skip
        return found

    @cached_property
    def named_cameras(self) -> list[NamedCamera]:
        """Every time that one was named; empty where the run did not come to the move."""
        number = moving_change(self.plan)
        if number is None or number >= len(self.changed_at):
            return []
        true_m = true_motion_m(self.plan.changes[number][1])
        return [
            NamedCamera(
                camera=line["camera"],
                frames=int(line["at_sequence"]) - self.changed_at[number],
                found_mm=1e3 * float(np.linalg.norm(line["centre_m"])),
                off_mm=1e3 * float(np.linalg.norm(np.array(line["centre_m"]) - true_m)),
                turned_deg=float(np.degrees(np.linalg.norm(line["turned_rad"]))),
                settled=bool(line["settled"]),
            )
            for line in self.course.drift
            if line["kind"] == "moved camera"
        ]

    def _alarms_on(self, sequence: int) -> int:
        on = set[tuple[str, str, str]]()
        for line in self.course.drift:
            if line["kind"] == "alarm" and line["at_sequence"] < sequence:
                (on.add if line["state"] == "began" else on.discard)((line["signal"], line["subject"], line["name"]))
        return len(on)


def seconds(frames: float) -> float:
    """That a real cell takes for so many frames."""
    return frames * CONTROL_PERIOD_S


def moving_change(plan: ShiftPlan) -> int | None:
    """Which of the changes moves a camera; the first that does."""
    return next((number for number, (_, change) in enumerate(plan.changes) if change.camera is not None), None)


def true_motion_m(change: SceneChange) -> np.ndarray:
    """Of the camera that a change moves, world frame, shape (3,), metres."""
    cell = CableCell(CableCellSpec(rendered=False))
    camera = next(camera for camera in cell.cameras if camera.name == change.camera)
    cell.stop()
    return np.asarray(camera.rotation.T @ np.array(change.camera_moved_m))


def by_way(runs: Sequence[ShiftRun]) -> dict[str, list[ShiftRun]]:
    """The runs of each way, in order."""
    found: dict[str, list[ShiftRun]] = {}
    for run in runs:
        found.setdefault(run.way, []).append(run)
    return found
