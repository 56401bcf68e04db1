"""A camera that fails on demand. What is set on a ``Sensor`` outlives the camera, as a cable's plug does."""

import threading
import time
from dataclasses import dataclass, field

import numpy as np

from actors.physical.camera import (
    CameraError,
    CameraFrame,
    CameraGoneError,
    CameraMissingError,
    FrameTimeoutError,
    IncompleteFrameError,
)


@dataclass
class Sensor:
    """What befalls a camera.

    Attributes:
        plugged: in.
        incomplete: so many frames lose a part on their way.
        lost_triggers: so many triggers never reach it.
        frozen: it sends the same image over and over.
        clock_stands: its frames are numbered alike.
        delay_s: from trigger to image.
        ahead: its count of frames jumps by so many, once.
        fired_late_s: its exposure begins so much later than the trigger.
        ptp_ns: what its clock is off; None without PTP.
        raises: foreign code fails.
        hangs: no call returns until it is set.
        opened: how often it was.
    """

    serial: str = "fake"
    size_px: int = 8
    plugged: bool = True
    incomplete: int = 0
    lost_triggers: int = 0
    frozen: bool = False
    clock_stands: bool = False
    delay_s: float = 0.0
    ahead: int = 0
    fired_late_s: float = 0.0
    ptp_ns: int | None = None
    raises: bool = False
    hangs: threading.Event | None = None
    opened: int = 0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def open(self) -> "FakeCamera":
        if not self.plugged:
            raise CameraMissingError(f"no fake camera {self.serial}; there are: none")
        self.opened += 1
        return FakeCamera(self)


class FakeCamera:
    """Implements ``Camera``; an exposure under way comes out late, unless it is armed anew."""

    def __init__(self, sensor: Sensor) -> None:
        self._sensor = sensor
        self.serial = sensor.serial
        self.width_px = self.height_px = sensor.size_px
        self._closed = False
        self._still = sensor.rng.integers(0, 255, (sensor.size_px, sensor.size_px, 3), dtype=np.uint8)
        self.arm()

    def arm(self) -> None:
        self._count = 0
        self._under_way: list[tuple[float, CameraFrame]] = []  # when it arrives

    def ready(self, timeout_s: float) -> None:
        self._check()
        now_s = time.monotonic()
        self._under_way = [(due_s, frame) for due_s, frame in self._under_way if due_s > now_s]

    def trigger(self) -> None:
        sensor = self._sensor
        if sensor.lost_triggers:
            sensor.lost_triggers -= 1
            return
        self._count += (0 if sensor.clock_stands and self._count else 1) + sensor.ahead
        sensor.ahead = 0
        shape = self._still.shape
        image = self._still if sensor.frozen else sensor.rng.integers(0, 255, shape, dtype=np.uint8)
        now_s = time.monotonic() + sensor.fired_late_s
        camera_ns = None if sensor.ptp_ns is None else time.time_ns() + sensor.ptp_ns
        frame = CameraFrame(image, self._count, now_s, time.time_ns(), camera_ns)
        self._under_way.append((time.monotonic() + sensor.delay_s, frame))

    def grab(self, timeout_s: float) -> CameraFrame:
        self._check()
        until_s = time.monotonic() + timeout_s
        if not self._under_way or self._under_way[0][0] > until_s:
            time.sleep(timeout_s)
            raise FrameTimeoutError(f"fake camera {self.serial} sent no image within {timeout_s:.3g} s")
        due_s, frame = self._under_way.pop(0)
        time.sleep(max(0.0, due_s - time.monotonic()))
        if self._sensor.incomplete:
            self._sensor.incomplete -= 1
            raise IncompleteFrameError(f"fake camera {self.serial}: packets are missing")
        return frame

    def close(self) -> None:
        self._closed = True

    def _check(self) -> None:
        if self._sensor.hangs is not None:
            self._sensor.hangs.wait()
        if self._closed:
            raise CameraError(f"fake camera {self.serial} is closed")
        if not self._sensor.plugged:
            raise CameraGoneError(f"fake camera {self.serial} is not connected any more")
        if self._sensor.raises:
            raise ZeroDivisionError("foreign code")
