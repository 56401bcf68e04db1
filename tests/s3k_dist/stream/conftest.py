"""Small records of one cell."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.geometry.camera import Camera
from s3k_dist.stream.record import StreamRecord
from tests.s3k_dist.stream.stores import FailingFileSystem, failing_file_system

MakeRecord = Callable[..., StreamRecord]


@pytest.fixture
def make_record() -> MakeRecord:
    def make(
        sequence: int, cell_id: str = "sim0", size: int = 8, look: int | None = None, captured_at_s: float | None = None
    ) -> StreamRecord:
        """A frame of noise that ``look`` decides, by default another for each sequence."""
        intrinsics = np.array([[10.0, 0, 3.5], [0, 10.0, 3.5], [0, 0, 1]])
        captured_at_ns = 1_000 + sequence if captured_at_s is None else int(captured_at_s * 1e9)
        views = tuple(
            View(
                Camera(f"cam{i}", size, size, intrinsics, np.zeros(5), np.eye(3), np.zeros(3)),
                np.random.default_rng(sequence if look is None else look).integers(
                    0, 256, (size, size, 3), dtype=np.uint8
                ),
                captured_at_ns,
            )
            for i in range(2)
        )
        return StreamRecord(MultiViewFrame(cell_id, sequence, captured_at_ns, views), "episode", sequence, 3)

    return make


@pytest.fixture
def failing() -> Iterator[type[FailingFileSystem]]:
    """The switches of ``failing://``."""
    with failing_file_system() as switches:
        yield switches
