"""A few bytes that say what a frame looks like: enough to tell a still scene, and to keep a diverse past."""

import cv2
import numpy as np

from s3k_dist.frames import MultiViewFrame

SIDE_PX = 8
VIEW_BYTES = SIDE_PX * SIDE_PX
MOST_VIEWS = 16  # 1 kB a frame at most, beside some 100 kB of image


def describe(frame: MultiViewFrame) -> bytes:
    """Grey thumbnails of 8 x 8 px of the first 16 views, one after the other, 64 bytes each."""
    return b"".join(
        # Grey first: a third of the pixels to average.
        cv2.resize(
            cv2.cvtColor(view.image, cv2.COLOR_RGB2GRAY), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA
        ).tobytes()
        for view in frame.views[:MOST_VIEWS]
    )


def stack_descriptors(descriptors: list[bytes]) -> np.ndarray:
    """Descriptors of frames as rows, uint8, shape (frames, bytes); the shorter ones, of fewer views, end in zeros."""
    width = max(map(len, descriptors), default=0)
    return np.frombuffer(b"".join(one.ljust(width, b"\0") for one in descriptors), np.uint8).reshape(-1, width)
