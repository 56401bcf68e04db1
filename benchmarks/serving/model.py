"""The model that every contestant serves, and the frames that it is asked about."""

import torch

from actors.insertion import KEYPOINTS
from actors.sim.cell import CableCell, CableCellSpec
from s3k_dist.allocator import keep_large_blocks
from s3k_dist.frames import MultiViewFrame
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig

THREADS = 1  # of every contestant: the other core is the callers'
MAX_BATCH = 16


def detector(image_px: int) -> KeypointDetector:
    """A detector of random weights, the same everywhere: what it sees does not matter here."""
    keep_large_blocks()  # for all of them: a floor is the fastest that it can be
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    config = NetworkConfig(keypoint_names=KEYPOINTS, image_size_px=image_px)
    return KeypointDetector(config, KeypointNetwork(config).state_dict(), version=1)


def frames(image_px: int, count: int = 16) -> list[MultiViewFrame]:
    """Frames of a simulated cell, four views each."""
    cell = CableCell(CableCellSpec(image_px=image_px))
    try:
        return [cell.reset(seed).frame for seed in range(count)]
    finally:
        cell.stop()
