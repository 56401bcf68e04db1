"""Synthetic scenes: coloured blobs in front of four cameras, so that a model learns to see them in seconds."""

from dataclasses import dataclass

import pytest
import torch

from learners.keypoint.batches import LabelledFrames, UnlabelledFrames
from s3k_dist.geometry.projection import Cameras, project
from s3k_dist.keypoints.network import NetworkConfig
from tests.scenes import ring

SIZE_PX = 64
NAMES = ("red", "green")
COLOURS = torch.tensor([[1.0, 0.2, 0.1], [0.1, 1.0, 0.3]])
VIEWS = 3


@dataclass(frozen=True)
class Scenes:
    """Drawn frames whose keypoints are known."""

    labelled: LabelledFrames
    held_out: LabelledFrames
    unlabelled: UnlabelledFrames


def draw(points_m: torch.Tensor, cameras: Cameras, seed: int = 0) -> torch.Tensor:
    """Images of the blobs on a dim noisy ground, uint8, shape (frames, views, SIZE_PX, SIZE_PX, 3)."""
    pixels, _ = project(points_m, cameras)
    grid = torch.arange(SIZE_PX, dtype=pixels.dtype)
    squared = (grid - pixels[..., 0:1])[..., None, :].square() + (grid - pixels[..., 1:2])[..., :, None].square()
    blobs = torch.exp(-squared / (2 * 2.5**2))
    colours = COLOURS[torch.arange(points_m.shape[-2]) % len(COLOURS)].to(blobs)
    image = torch.einsum("fvkhw,kc->fvhwc", blobs, colours)
    noise = 0.1 * torch.rand(image.shape, generator=torch.Generator().manual_seed(seed))
    return ((image + 0.15 + noise).clamp(0, 1) * 255).to(torch.uint8)


def cameras_of(frames: int) -> Cameras:
    single = Cameras.stack(ring(VIEWS, size_px=SIZE_PX, focal_px=150.0), torch.float32)
    return Cameras(*(part.expand(frames, *part.shape).contiguous() for part in vars(single).values()))


def points(frames: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.08 * torch.rand(frames, len(NAMES), 3, generator=generator) - 0.04


def labelled(frames: int, seed: int) -> LabelledFrames:
    truth, cameras = points(frames, seed), cameras_of(frames)
    return LabelledFrames(draw(truth, cameras, seed), cameras, truth)


def scenes_of() -> Scenes:
    unlabelled = labelled(24, 3)
    return Scenes(labelled(8, 1), labelled(6, 2), UnlabelledFrames(unlabelled.images, unlabelled.cameras))


@pytest.fixture(scope="session")
def scenes() -> Scenes:
    return scenes_of()


@pytest.fixture(scope="session")
def network() -> NetworkConfig:
    return network_config()


def network_config() -> NetworkConfig:
    return NetworkConfig(keypoint_names=NAMES, image_size_px=SIZE_PX, channels=(8, 12, 16), residual_blocks=1)
