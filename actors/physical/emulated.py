"""Basler's emulated cameras, and images put in front of them: the next trigger takes exactly what was put there.

When it is triggered the emulator reads an image from a file, but reads none twice in a row: it remembers the content,
and the file's name is locked while it grabs. Of a folder it opens one file after the other. So each camera plays a
folder of two names for one file in memory, and a new image is a new file under that name.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from s3k_dist.errors import ConfigError, FrameError

VARIABLE = "PYLON_CAMEMU"
IN_MEMORY = Path("/dev/shm")  # nosec B108  # a folder that tempfile makes names in, for this user alone
MOST = 256


def emulate(cameras: int) -> tuple[str, ...]:
    """Let pylon have so many emulated cameras in this process; returns their serial numbers.

    pylon reads the environment each time that it lists cameras, so this has to be done before they are opened.

    Raises:
        ConfigError: as many there cannot be.
    """
    if not 1 <= cameras <= MOST:
        raise ConfigError(f"expected 1 to {MOST} emulated cameras, got {cameras}")
    already = os.environ.get(VARIABLE, "")
    # Another rig of this process may have asked for more.
    os.environ[VARIABLE] = str(max(cameras, int(already) if already.isdecimal() else 0))
    return tuple(f"0815-{number:04d}" for number in range(cameras))


class ImageFeed:
    """What emulated cameras see::

        with ImageFeed(serials) as feed:
            for serial, image in ...:
                feed.show(serial, image)
            cameras = {serial: BaslerCamera(serial, settings, images=feed.folder(serial)) ...}
            feed.show(serial, image)          # before each trigger

    Args:
        serials: of the cameras.
    """

    def __init__(self, serials: Iterable[str]) -> None:
        parent = IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None
        self._root = Path(tempfile.mkdtemp(prefix="s3k-feed-", dir=parent))
        self._serials = tuple(serials)
        for serial in self._serials:
            self.folder(serial).mkdir()
            for name in ("a.bmp", "b.bmp"):
                (self.folder(serial) / name).symlink_to(self._file(serial))

    def folder(self, serial: str) -> Path:
        """What a camera has to play.

        Raises:
            ConfigError: this feed is not for it.
        """
        if serial not in self._serials:
            raise ConfigError(f"no feed for camera {serial}; there are: {', '.join(self._serials)}")
        return self._root / serial

    def show(self, serial: str, image: np.ndarray) -> None:
        """Put an image in front of a camera, RGB uint8 of the size of its region; shown until there is another.

        Raises:
            ConfigError: this feed is not for it.
            FrameError: it is no such image.
        """
        self.folder(serial)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise FrameError(f"camera {serial}: expected an RGB uint8 image, got {image.dtype} {image.shape}")
        done, data = cv2.imencode(".bmp", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        if not done:
            raise FrameError(f"camera {serial}: OpenCV could not encode an image of shape {image.shape}")
        # Renamed, so that a camera that is triggered meanwhile reads one or the other; not synced, for it is no data.
        aside = self._file(serial).with_suffix(".new")
        aside.write_bytes(data.tobytes())
        aside.replace(self._file(serial))

    def close(self) -> None:
        """Take all images away; calling it twice does nothing."""
        shutil.rmtree(self._root, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _file(self, serial: str) -> Path:
        return self._root / f"{serial}.bmp"
