"""The role of a camera: it takes triggers, and hands over the image of each. Another make is one class with five calls.

    camera.arm()                        # from now on; whatever came before is forgotten
    while ...:
        camera.ready(0.1)               # of all cameras, then
        camera.trigger()                # of all cameras
        frame = camera.grab(0.1)

CameraError                     a camera cannot be used; says which, and why
├── CameraMissingError          there is none of that serial number; names those there are
├── SettingRefusedError         it does not take a setting; says what was asked, what it says now, and its range
├── IncompleteFrameError        a part of the image was lost on its way
├── FrameTimeoutError           no image came in time
├── FrozenImageError            it goes on sending what it sent before
└── CameraGoneError             it was unplugged, or somebody else took it
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from s3k_dist.errors import CellError


class CameraError(CellError):
    """A camera cannot be used."""

    outcome = "failed"  # as the metrics have it


class CameraMissingError(CameraError):
    """There is no camera of that serial number."""

    outcome = "gone"


class SettingRefusedError(CameraError):
    """The camera does not take a setting as asked."""


class IncompleteFrameError(CameraError):
    """A part of the image was lost on its way."""

    outcome = "incomplete"


class FrameTimeoutError(CameraError):
    """No image came in time."""

    outcome = "timeout"


class FrozenImageError(CameraError):
    """The camera goes on sending what it sent before."""

    outcome = "frozen"


class CameraGoneError(CameraError):
    """The camera was unplugged, or somebody else took it."""

    outcome = "gone"


@dataclass(frozen=True, eq=False)
class CameraFrame:
    """One image of one camera.

    Attributes:
        image: RGB, uint8, shape (height_px, width_px, 3).
        number: the camera's own count of its frames since ``arm``; one that was lost on its way counts, too.
        captured_s: host time of the exposure, of ``time.monotonic``: of the trigger where the host gave it, else of the
            arrival less the exposure.
        captured_at_ns: the same, nanoseconds since the Unix epoch.
        camera_time_ns: the same by the camera's clock, where that keeps time with the others' (PTP).
    """

    image: np.ndarray
    number: int
    captured_s: float
    captured_at_ns: int
    camera_time_ns: int | None = None


class Camera(Protocol):
    """One camera, open from its construction on. One thread calls it. Every call may raise CameraError.

    Attributes:
        serial: names it among all cameras.
        width_px: of its images.
        height_px: likewise.
    """

    serial: str
    width_px: int
    height_px: int

    def arm(self) -> None:
        """Begin to take triggers, anew: what is under way never arrives, and ``number`` may begin anew."""

    def ready(self, timeout_s: float) -> None:
        """Forget all frames that have arrived, and return once it would take a trigger.

        Raises:
            FrameTimeoutError: it would not in time.
        """

    def trigger(self) -> None:
        """The trigger is now. By software the camera is told; otherwise a wire or a broadcast does that."""

    def grab(self, timeout_s: float) -> CameraFrame:
        """The next frame that was exposed after ``ready``.

        Raises:
            FrameTimeoutError: none came in time.
            IncompleteFrameError: one came in part.
            CameraGoneError: the camera is not there any more.
        """

    def close(self) -> None:
        """Let the camera go; calling it twice does nothing."""


OpenCamera = Callable[[], Camera]
"""Opens a camera with its settings; raises CameraError. May take seconds."""


@dataclass(frozen=True)
class FoundCamera:
    """A camera that is there.

    Attributes:
        serial: what a rig's file calls it by.
        make: ``basler`` or ``opencv``, likewise.
        model: of the manufacturer.
        connection: such as ``GigE`` or ``USB``.
        address: on the network; empty without one.
    """

    serial: str
    make: str
    model: str
    connection: str
    address: str = ""
