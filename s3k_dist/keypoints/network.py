"""The network of App. A: one U-Net for all views, image in, one heatmap for each keypoint out."""

from itertools import pairwise
from math import gcd

import torch.nn.functional as F
from jaxtyping import Float, UInt8
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, cat, nn

from s3k_dist.keypoints.heatmap import Sharpness


class NetworkConfig(BaseModel):
    """Shape of the network; travels with its weights.

    Attributes:
        keypoint_names: one heatmap for each.
        image_size_px: side of the square images it sees; even. Each of ``channels`` halves it, so a multiple of
            ``2 ** len(channels)`` wastes nothing.
        channels: of each resolution, finest first (App. A: 16 to 32). The two finest cost most.
        residual_blocks: at the lowest resolution.
        sigma: width of the target Gaussian, heatmap cells.
        sharpness: what a detection's weight in Eq. 2, and its confidence, is (``heatmap.sharpness_of``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    keypoint_names: tuple[str, ...] = Field(min_length=1)
    image_size_px: int = Field(128, ge=32, multiple_of=2)
    channels: tuple[int, ...] = Field((16, 24, 32, 32, 32), min_length=1)
    residual_blocks: int = Field(3, ge=0)
    sigma: float = Field(2.0, gt=0)
    sharpness: Sharpness = "width"

    @property
    def stride(self) -> int:
        """Image pixels to a heatmap cell: the first convolution halves the resolution."""
        return 2

    @property
    def heatmap_size(self) -> int:
        """Side of a heatmap, cells."""
        return self.image_size_px // self.stride


def normalised(images: UInt8[Tensor, "*batch height width 3"]) -> Float[Tensor, "*batch 3 height width"]:
    """Bytes to what the network sees: RGB in [-0.5, 0.5], channels before pixels."""
    # In this order and in place: turning the bytes around first is many times slower.
    return images.float().div_(255).sub_(0.5).movedim(-1, -3)


class KeypointNetwork(nn.Module):
    """Convolutions down, residual blocks at the lowest resolution, bilinear upsampling with skips up (Fig. 10)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.channels
        self.stem = _convolution(3, widths[0], kernel=5, step=2)
        self.down = nn.ModuleList(_convolution(a, b, step=2) for a, b in pairwise(widths))
        self.middle = nn.Sequential(*(ResidualBlock(widths[-1]) for _ in range(config.residual_blocks)))
        self.up = nn.ModuleList(_convolution(below + here, here) for here, below in reversed(list(pairwise(widths))))
        self.head = nn.Conv2d(widths[0], len(config.keypoint_names), kernel_size=1)

    def forward(self, images: Float[Tensor, "images 3 height width"]) -> Float[Tensor, "images keypoints cells"]:
        """Log-probabilities over heatmap cells; ``images`` are RGB in [-0.5, 0.5]."""
        features = self.stem(images)
        skips = []
        for step in self.down:
            skips.append(features)
            features = step(features)
        features = self.middle(features)
        for step, skip in zip(self.up, reversed(skips), strict=True):
            larger = F.interpolate(features, size=skip.shape[-2:], mode="bilinear")
            features = step(cat([larger, skip], dim=1))
        # Half precision is for the convolutions: probabilities need more than its eight bits.
        return self.head(features).float().flatten(-2).log_softmax(-1)


class ResidualBlock(nn.Module):
    """Three convolutions beside an identity (App. A)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(channels, channels),
            _convolution(channels, channels),
            nn.Conv2d(channels, channels, kernel_size=3, padding=1),
        )

    def forward(self, features: Float[Tensor, "images c h w"]) -> Float[Tensor, "images c h w"]:
        """Same shape in and out."""
        return F.relu(features + self.body(features))


def _convolution(inputs: int, outputs: int, kernel: int = 3, step: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, step, padding=kernel // 2), nn.GroupNorm(gcd(8, outputs), outputs), nn.ReLU()
    )
