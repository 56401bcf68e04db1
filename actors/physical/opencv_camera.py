"""USB cameras (V4L2) through OpenCV, and films for trying things out: an example of another make in one small file.

They run freely: no trigger reaches them, and two of them can be a frame period apart. ``pair_within_s`` must allow for
that; a fast robot needs cameras with a trigger.
"""

import time
from pathlib import Path

import cv2

from actors.physical.camera import (
    CameraFrame,
    CameraGoneError,
    CameraMissingError,
    FoundCamera,
    FrameTimeoutError,
    SettingRefusedError,
)
from actors.physical.settings import CameraSettings

MAKE = "opencv"
DEVICES = Path("/dev")
V4L_EXPOSURE_US = 100.0  # the unit of its exposure
V4L_MANUAL = 1.0
TOLERANCE = 0.05


class OpenCvCamera:
    """Implements ``Camera``.

    Args:
        serial: its device, such as ``/dev/video0``, or a film, of which each trigger shows the next image.
        settings: ``roi`` without an offset, ``frame_rate_hz``, ``exposure_us``, ``gain_raw``.

    Raises:
        CameraMissingError: there is nothing to open; names the devices.
        SettingRefusedError: a setting that it does not take.
    """

    def __init__(self, serial: str, settings: CameraSettings | None = None) -> None:
        self.serial = serial
        self._live = serial.startswith(str(DEVICES))
        self._capture = cv2.VideoCapture(serial, cv2.CAP_V4L2 if self._live else cv2.CAP_ANY)
        if not self._capture.isOpened():
            there = ", ".join(camera.serial for camera in find_opencv()) or "none"
            raise CameraMissingError(f"no camera or film {serial}; there are: {there}")
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        try:
            self._apply(settings or CameraSettings())
        except SettingRefusedError:
            self.close()
            raise
        self.width_px = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        self.height_px = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self._since_s = time.monotonic()
        self._number = 0

    def arm(self) -> None:
        """As ``Camera`` has it."""
        self._number = 0

    def ready(self, timeout_s: float) -> None:
        """As ``Camera`` has it; it always is."""
        self._since_s = time.monotonic()

    def trigger(self) -> None:
        """It takes none."""

    def grab(self, timeout_s: float) -> CameraFrame:
        """As ``Camera`` has it. What the driver has queued is told by its frames' times, which are ``monotonic``'s."""
        until_s = time.monotonic() + timeout_s
        while True:
            if not self._capture.grab():
                raise CameraGoneError(f"camera {self.serial} sends nothing any more")
            now_s = time.monotonic()
            captured_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3 if self._live else now_s
            if self._since_s <= captured_s <= now_s:
                break
            if now_s >= until_s:
                raise FrameTimeoutError(f"camera {self.serial} sent no new image within {timeout_s:.3g} s")
        done, image = self._capture.retrieve()
        if not done:
            raise CameraGoneError(f"camera {self.serial} sends nothing any more")
        self._number += 1  # one for each that is handed over: how many it skipped says nothing of triggers
        age_ns = round(1e9 * (time.monotonic() - captured_s))
        return CameraFrame(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), self._number, captured_s, time.time_ns() - age_ns)

    def close(self) -> None:
        """As ``Camera`` has it."""
        self._capture.release()

    def _apply(self, settings: CameraSettings) -> None:
        for name in ("gain_db", "white_balance", "pixel_format", "packet_size"):
            if getattr(settings, name) is not None:
                raise SettingRefusedError(
                    f"camera {self.serial} takes no {name} through OpenCV; "
                    "it takes exposure_us, gain_raw, roi and frame_rate_hz"
                )
        roi = settings.roi
        if roi is not None and (roi.x or roi.y):
            raise SettingRefusedError(
                f"camera {self.serial} takes no roi with an offset through OpenCV: its whole sensor"
            )
        if roi is not None:
            self._set("roi width", cv2.CAP_PROP_FRAME_WIDTH, roi.width)
            self._set("roi height", cv2.CAP_PROP_FRAME_HEIGHT, roi.height)
        if settings.exposure_us is not None:
            self._set("automatic exposure off", cv2.CAP_PROP_AUTO_EXPOSURE, V4L_MANUAL)
            self._set("exposure_us / 100", cv2.CAP_PROP_EXPOSURE, settings.exposure_us / V4L_EXPOSURE_US)
        if settings.gain_raw is not None:
            self._set("gain_raw", cv2.CAP_PROP_GAIN, settings.gain_raw)
        if settings.frame_rate_hz is not None:
            self._set("frame_rate_hz", cv2.CAP_PROP_FPS, settings.frame_rate_hz)

    def _set(self, setting: str, parameter: int, asked: float) -> None:
        self._capture.set(parameter, asked)
        is_now = self._capture.get(parameter)
        if abs(is_now - asked) > TOLERANCE * abs(asked):
            raise SettingRefusedError(
                f"camera {self.serial}: {setting} {asked:g} was asked for, it reads back {is_now:g}"
            )


def find_opencv() -> list[FoundCamera]:
    """The video devices of this machine; some cameras have a second one, which sends no images."""
    names = {path: Path(f"/sys/class/video4linux/{path.name}/name") for path in sorted(DEVICES.glob("video*"))}
    return [
        FoundCamera(str(path), MAKE, name.read_text().strip() if name.exists() else "unknown", "V4L2")
        for path, name in names.items()
    ]
