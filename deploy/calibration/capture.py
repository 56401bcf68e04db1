"""The guided capture: image sets from a source, kept or refused by the guide, stored as PNGs, until it has enough."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from s3k_dist.calibration.detection import Sighting
from s3k_dist.calibration.guide import Advice, Guide, still
from s3k_dist.calibration.images import SUFFIX, ImageSet, read_set, read_sets, set_names, write_set
from s3k_dist.calibration.pose import Pose
from s3k_dist.errors import CalibrationError

SETTLED_S = 0.5  # files that have not changed for so long are whole
LATE_S = 6  # times that, for a camera that has no image of a set
LOOK_EVERY_S = 0.1


class ImageSource(Protocol):
    """Where image sets come from.

    Attributes:
        live: sets follow each other without a person's doing, so a board that moves is waited for.
    """

    live: bool

    def next_set(self, timeout_s: float) -> ImageSet | None:
        """The next set; None if none came in time."""


class LiveSource:
    """Implements ``ImageSource`` for cameras that are asked.

    Args:
        take: triggers all cameras and returns their images by name.
    """

    live = True

    def __init__(self, take: Callable[[], ImageSet]) -> None:
        self._take = take

    def next_set(self, timeout_s: float) -> ImageSet | None:
        """What the cameras see now; ``take`` keeps its own deadline."""
        return self._take() or None


class FolderSource:
    """Implements ``ImageSource`` for a folder into which another program writes ``<set>/<camera>.png``.

    Args:
        folder: that is watched.
        cameras: that a set should have; one that lacks some is waited for a while.
        settled_s: a set whose files have not changed for so long is complete.
    """

    live = False

    def __init__(self, folder: Path, cameras: tuple[str, ...] = (), settled_s: float = SETTLED_S) -> None:
        self._folder, self._cameras, self._settled_s = folder, frozenset(cameras), settled_s
        self._given: set[str] = set()

    def next_set(self, timeout_s: float) -> ImageSet | None:
        """The first set by its name that is complete and was not given yet."""
        until = time.monotonic() + timeout_s
        while True:
            for name in set_names(self._folder):
                if name not in self._given and self._complete(self._folder / name):
                    self._given.add(name)
                    return read_set(self._folder / name)
            if time.monotonic() >= until:
                return None
            time.sleep(LOOK_EVERY_S)

    def _complete(self, folder: Path) -> bool:
        files = list(folder.glob(f"*{SUFFIX}"))
        newest_s = max(file.stat().st_mtime for file in files)
        lacking = not {file.stem for file in files} >= self._cameras
        return time.time() - newest_s >= self._settled_s * (LATE_S if lacking else 1)


def capture(
    source: ImageSource,
    guide: Guide,
    out: Path,
    say: Callable[[str], None],
    *,
    idle_s: float,
    tool: Callable[[], Pose] | None = None,
) -> bool:
    """Fill ``out`` with sets until the guide has enough; returns whether it has.

    Sets that are in ``out`` already count.

    Args:
        source: of the images.
        guide: that judges them.
        out: folder of the sets.
        say: shows a line to the person with the board.
        idle_s: gives up when no set came for so long.
        tool: where the robot's tool is, base frame, to be stored with each set.

    Raises:
        CalibrationError: an image that cannot be used.
        StorageError: a set cannot be written.
    """
    if set_names(out):
        for there, stored in read_sets(out):
            guide.add(there, guide.find(there, stored))
        say(f"{len(guide.kept)} sets are there")
    before: dict[str, Sighting] | None = None
    said = ""
    while instruction := guide.instruction():
        if instruction != said:
            say(instruction)
            said = instruction
        images = source.next_set(idle_s)
        if images is None:
            say(f"no images came for {idle_s:.0f} s")
            return False
        name = _next_name(out)
        seen = guide.find(name, images)
        moves = source.live and (before is None or not still(before, seen))
        before = seen
        if moves:
            continue
        advice = guide.add(name, seen)
        if advice.kept:
            write_set(out / name, images, None if tool is None else tool())
        if advice.kept or not source.live:
            say(_line(name, advice))
    say(f"enough: {len(guide.kept)} sets")
    return True


def first_cameras(folder: Path, timeout_s: float) -> tuple[str, ...]:
    """Names of the cameras in the first set of a watched folder.

    Raises:
        CalibrationError: no set came in time.
    """
    images = FolderSource(folder).next_set(timeout_s)
    if images is None:
        raise CalibrationError(
            f"no image set came to {folder} within {timeout_s:.0f} s; expected <set>/<camera>{SUFFIX}"
        )
    return tuple(images)


def _line(name: str, advice: Advice) -> str:
    return f"{name}: kept, {advice.reason}" if advice.kept else f"not kept: {advice.reason}"


def _next_name(out: Path) -> str:
    taken = set_names(out)
    numbers = [int(name) for name in taken if name.isdigit()]
    return f"{max(numbers, default=-1) + 1:04d}"
