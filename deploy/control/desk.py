"""What the control page and the cell know of each other; safe from any thread."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from actors.cell import CONTROL_PERIOD_S
from actors.operator import Decision, Moment
from s3k_dist.errors import S3KError
from s3k_dist.geometry.camera import Camera
from s3k_dist.images import Encoding, encode_image

FRESH_S = 0.3  # a command older than that counts as none: the hand is off, or the connection is gone


class ControlRefusedError(S3KError):
    """A command or decision that cannot be taken now."""


@dataclass(frozen=True)
class _Command:
    """The last that was heard of the page that drives.

    Attributes:
        page: names it.
        count: of its commands; a smaller one came late.
        share: of the twist limits, shape (6,); None: it let go.
        at_s: when it came, by the desk's clock.
    """

    page: str
    count: int
    share: np.ndarray | None
    at_s: float


class ControlDesk:
    """Implements ``Desk`` for pages that talk to a ``ControlServer``. One page drives at a time, any number look on.

    Args:
        records: whether the person records demonstrations, and so decides over episodes; else a policy acts, and the
            person may take over.
        clock: seconds, increasing.
    """

    def __init__(self, *, records: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._records = records
        self._clock = clock
        self._lock = threading.Lock()
        self._command: _Command | None = None
        self._driver: str | None = None  # the page whose command was executed last
        self._decision: Decision | None = None
        self._moment: Moment | None = None
        self._shown_s = clock()
        self._picture: tuple[str, bytes] | None = None

    def twist_share(self) -> np.ndarray | None:
        """What the driving page commands; None where it let go or was not heard for ``FRESH_S``."""
        with self._lock:
            command = self._fresh()
            self._driver = None if command is None else command.page
            return None if command is None or command.share is None else command.share.copy()

    def decision(self) -> Decision | None:
        """The last decision, once."""
        with self._lock:
            decision, self._decision = self._decision, None
            return decision

    def show(self, moment: Moment) -> None:
        """Show a moment to every page."""
        with self._lock:
            self._moment, self._shown_s = moment, self._clock()

    def command(self, page: str, count: int, share: np.ndarray | None) -> None:
        """A page's command.

        Args:
            page: names the page.
            count: of its commands so far; one that came late is passed over.
            share: of the twist limits in [-1, 1], shape (6,); None: it lets go.

        Raises:
            ControlRefusedError: another page drives, or nobody may take over now.
        """
        with self._lock:
            driving = self._fresh()
            if driving is not None and driving.page != page:
                if share is not None:
                    raise ControlRefusedError("another page drives; it has to let go first")
                return
            last = self._command
            if last is not None and last.page == page and count <= last.count:
                return
            if share is not None and self._moment is not None and self._moment.phase in ("closed", "finished"):
                raise ControlRefusedError("nobody can drive now: this episode is not recorded and not learned from")
            self._command = _Command(page, count, share, self._clock())

    def decide(self, decision: Decision, episode: int) -> None:
        """A person's decision over an episode, by its number.

        Raises:
            ControlRefusedError: that episode is over, or a run decides for itself.
        """
        with self._lock:
            if not self._records:
                raise ControlRefusedError(f"{decision.value!r} is for recording; in a run the task ends the episodes")
            if self._moment is not None and episode != self._moment.episode:
                raise ControlRefusedError(f"episode {episode} is over; this is episode {self._moment.episode}")
            self._decision = decision

    def state(self, page: str) -> dict[str, Any]:
        """What ``page`` shows beside the picture, as plain JSON values."""
        with self._lock:
            moment, driver = self._moment, self._driver
            state: dict[str, Any] = {"records": self._records, "phase": "starting", "driver": self._names(driver, page)}
            if moment is None:
                return state
            gripper = moment.seen.gripper
            return state | {
                "cell": moment.seen.frame.cell_id,
                "phase": moment.phase,
                "episode": moment.episode,
                "step": moment.step,
                "time_s": moment.step * CONTROL_PERIOD_S,
                "kept": moment.kept,
                "wanted": moment.wanted,
                "note": moment.note,
                "age_s": round(self._clock() - self._shown_s, 2),
                "picture": moment.seen.frame.frame_id,
                "views": [{"name": camera.name, "axes": _axes(camera)} for camera in moment.seen.frame.cameras],
                "position_mm": _rounded(1e3 * gripper.position_m),
                "rotation_deg": _rounded(np.degrees(gripper.rotation_rad)),
                "speed_mm_s": round(1e3 * float(np.linalg.norm(gripper.linear_velocity_m_s)), 1),
            }

    def picture(self) -> bytes | None:
        """All views side by side as JPEG; None before there are any. Made once for each frame, when a page asks."""
        with self._lock:
            moment, made = self._moment, self._picture
        if moment is None:
            return None
        name = moment.seen.frame.frame_id
        if made is None or made[0] != name:
            views = np.hstack([view.image for view in moment.seen.frame.views])
            made = (name, encode_image(views, Encoding.JPEG))
            with self._lock:
                self._picture = made
        return made[1]

    def _fresh(self) -> _Command | None:
        """The command that holds now. The caller has the lock."""
        command = self._command
        if command is None or command.share is None or self._clock() - command.at_s > FRESH_S:
            return None
        return command

    def _names(self, driver: str | None, page: str) -> str:
        if driver is None:
            return "nobody" if self._records else "policy"
        return "you" if driver == page else "another page"


def _axes(camera: Camera) -> list[list[float]]:
    """Where world x, y and z point in the image of a camera that looks from afar: right and down, shape (3, 2)."""
    return [[round(float(camera.rotation[0, k]), 3), round(float(camera.rotation[1, k]), 3)] for k in range(3)]


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 1) for value in values]
