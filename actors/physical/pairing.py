"""Which frames are of one trigger: by each camera's count of its frames, and by when they were exposed.

A count says nothing by itself, for it begins when the camera is armed. So the first frame after that is believed by its
time alone, and ties the camera's count to the rig's count of triggers; each later one must agree in both.
"""

import threading
from collections.abc import Mapping

from actors.physical.camera import CameraFrame


class Pairing:
    """Remembers where each camera's count stood; safe from any thread.

    Args:
        within_s: frames of one trigger were exposed within it.
    """

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._lock = threading.Lock()
        self._zero: dict[str, int] = {}  # each camera's count at the rig's trigger 0

    def forget(self, camera: str) -> None:
        """It was armed, and begins to count anew."""
        with self._lock:
            self._zero.pop(camera, None)

    def is_late(self, camera: str, frame: CameraFrame, trigger: int | None) -> bool:
        """Whether a frame belongs to a trigger before ``trigger``; of triggers from outside nobody knows by itself."""
        with self._lock:
            zero = self._zero.get(camera)
        return trigger is not None and zero is not None and frame.number - zero < trigger

    def odd_ones(self, frames: Mapping[str, CameraFrame], trigger: int | None) -> dict[str, str]:
        """Cameras whose frame is of another trigger, each with the reason; if there are none, the counts are tied.

        Args:
            frames: by camera.
            trigger: the rig's count of its triggers; None where they come from outside: then it is the newest.
        """
        with self._lock:
            zero = dict(self._zero)
        numbers = {name: frame.number - zero[name] for name, frame in frames.items() if name in zero}
        expected = max(numbers.values(), default=0) if trigger is None else trigger
        odd = {
            name: f"its frame is of trigger {number}, expected {expected}"
            for name, number in numbers.items()
            if number != expected
        }
        host_s = {name: frame.captured_s for name, frame in frames.items()}
        camera_s = {
            name: frame.camera_time_ns / 1e9 for name, frame in frames.items() if frame.camera_time_ns is not None
        }
        for clock, times_s in (("the host's clock", host_s), ("its own clock", camera_s)):
            for name, apart_s in _apart(times_s, self._within_s).items():
                odd.setdefault(name, f"by {clock} it was exposed {1e3 * apart_s:+.1f} ms from the others")
        if not odd:
            with self._lock:
                self._zero |= {name: frame.number - expected for name, frame in frames.items()}
        return odd


def _apart(times_s: Mapping[str, float], within_s: float) -> dict[str, float]:
    """Those that are not in the largest group that lies within ``within_s``, and how far they are from its middle."""
    if not times_s or max(times_s.values()) - min(times_s.values()) <= within_s:
        return {}
    groups = [{name: t for name, t in times_s.items() if 0 <= t - begin <= within_s} for begin in times_s.values()]
    largest = max(groups, key=len)
    if 2 * len(largest) <= len(times_s):
        largest = {}  # no majority: any of them may be the odd one
    middle = sum((largest or times_s).values()) / len(largest or times_s)
    return {name: t - middle for name, t in times_s.items() if name not in largest}
