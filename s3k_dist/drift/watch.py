"""A cell's watch over its own frames: alarms as they come, and, once there are enough frames, whether a camera moved.

watch = CellWatch()
for features in ...:                       # every frame, some 50 microseconds each
    watch.observe(features, frame.cameras)
report = watch.report()                    # between two episodes: an explanation may take a second
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from s3k_dist.drift.monitor import DriftConfig, DriftEvent, DriftMonitor
from s3k_dist.drift.moved_camera import Explanation, MovedCamera, Undecided, explain
from s3k_dist.features.types import FrameFeatures
from s3k_dist.geometry.camera import Camera

# Frames since the change, at 4 Hz 15 s to 2 min: named as soon as may be, then measured better.
LOOKS = (60, 120, 240, 480)
GONE_FRAMES = 240  # without a view for a minute: it will not be back soon, and the others are watched without it
PRECISE = 0.1  # relative standard deviation of a motion that need not be measured better


@dataclass(frozen=True, eq=False)
class DriftReport:
    """What a watch has to say since its last report.

    Attributes:
        events: alarms that began or are over.
        finding: why, if that was looked into and is news.
        active: alarms that are on.
        levels: how near each signal is to an alarm, in shares of its threshold; empty while there is no reference.
        at_sequence: the newest frame that was taken into account.
    """

    events: tuple[DriftEvent, ...] = ()
    finding: Explanation | None = None
    active: int = 0
    levels: dict[str, float] = field(default_factory=dict)
    at_sequence: int = 0

    @property
    def began(self) -> int:
        """Alarms that began."""
        return sum(event.state == "began" for event in self.events)

    def lines(self) -> list[str]:
        """All that is news, a line each, for a person."""
        lines = [str(event) for event in self.events]
        if isinstance(self.finding, MovedCamera):
            lines.append(str(self.finding))
        elif self.finding is not None:
            lines.append(f"no camera has moved, the frames are new to the model: {self.finding.reason}")
        return lines

    def as_maps(self) -> list[dict[str, object]]:
        """The same for programs, ready for JSON; a moved camera with its proposed pose."""
        lines: list[dict[str, object]] = [{"kind": "alarm", **asdict(event)} for event in self.events]
        if isinstance(self.finding, MovedCamera):
            motion, proposed = self.finding.motion, self.finding.proposed
            lines.append(
                {
                    "kind": "moved camera",
                    "at_sequence": self.at_sequence,
                    "camera": self.finding.camera,
                    "centre_m": motion.centre_m.tolist(),
                    "turned_rad": motion.turned_rad.tolist(),
                    "covariance": motion.covariance.tolist(),
                    "settled": motion.settled,
                    "residual_px": self.finding.residual_px,
                    "residual_now_px": self.finding.residual_now_px,
                    "proposed": {
                        "rotation": proposed.rotation.tolist(),
                        "translation_m": proposed.translation_m.tolist(),
                    },
                }
            )
        elif self.finding is not None:
            reason = self.finding.reason
            lines.append({"kind": "no moved camera", "at_sequence": self.at_sequence, "reason": reason})
        return lines


class CellWatch:
    """Monitors one cell's features, and looks for a moved camera when views disagree.

    Args:
        config: how closely.
    """

    def __init__(self, config: DriftConfig | None = None) -> None:
        self._monitor = DriftMonitor(config)
        self._window: deque[FrameFeatures] = deque(maxlen=LOOKS[-1])
        self._cameras: tuple[Camera, ...] = ()
        self._lacking = 0  # frames in a row without all views
        self._events: list[DriftEvent] = []
        self._looked = 0
        self._found: Explanation | None = None

    @property
    def monitor(self) -> DriftMonitor:
        """What decides on alarms."""
        return self._monitor

    def observe(self, features: FrameFeatures, cameras: Sequence[Camera]) -> None:
        """Take a frame into account; cameras that were calibrated anew begin everything anew.

        A frame that lacks a view is passed over, for a while: a view may fail at times, and fewer do not compare.
        """
        cameras = tuple(cameras)
        lacks = len(cameras) < len(self._cameras) and all(camera in self._cameras for camera in cameras)
        self._lacking = self._lacking + 1 if lacks else 0
        if 0 < self._lacking < GONE_FRAMES:
            return
        if cameras != self._cameras:
            self._monitor.reset()
            self._window.clear()
            self._cameras, self._looked, self._found = cameras, 0, None
        self._window.append(features)
        self._events += self._monitor.observe(features)

    def report(self) -> DriftReport:
        """What is new; looks for a moved camera if views disagree and there are more frames than last time."""
        finding = self._look()
        events, self._events = tuple(self._events), []
        newest = self._window[-1].sequence if self._window else 0
        return DriftReport(events, finding, len(self._monitor.active), self._monitor.levels(), newest)

    def _look(self) -> Explanation | None:
        disagreeing = [alarm.since_sequence for alarm in self._monitor.active if alarm.signal == "residual"]
        if not disagreeing:
            self._looked, self._found = 0, None
            return None
        window = [features for features in self._window if features.sequence >= min(disagreeing)]
        size = max((look for look in LOOKS if look <= len(window)), default=0)
        if size <= self._looked or _precise(self._found):
            return None
        self._looked = size
        before, self._found = self._found, explain(window, self._cameras)
        if isinstance(self._found, Undecided) and before is not None:
            return None
        # The same answer again is news only where it says how far.
        news = isinstance(self._found, MovedCamera) or type(before) is not type(self._found)
        return self._found if news else None


def _precise(finding: Explanation | None) -> bool:
    if not isinstance(finding, MovedCamera) or not finding.motion.settled:
        return False
    sigma = np.sqrt(np.diag(finding.motion.covariance))
    motion = finding.motion
    # Of a move alone or a turn alone, that part counts.
    parts = ((motion.distance_m, sigma[:3]), (motion.angle_rad, sigma[3:]))
    return all(size == 0 or float(np.linalg.norm(spread)) < PRECISE * size for size, spread in parts)
