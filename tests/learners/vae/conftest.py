"""Frames of coloured blobs that move, so that a VAE has something to learn in seconds."""

import pytest

from learners.keypoint.batches import UnlabelledFrames
from tests.learners.keypoint.conftest import labelled


def blobs(frames: int, seed: int) -> UnlabelledFrames:
    drawn = labelled(frames, seed)
    return UnlabelledFrames(drawn.images, drawn.cameras)


@pytest.fixture(scope="session")
def frames() -> UnlabelledFrames:
    return blobs(12, 1)
