"""The encoder of a variational auto-encoder: all views of a frame in, a Gaussian over a small latent space out."""

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

CONTRAST = 0.1  # typical deviation of a pixel from its mean, of its range
FIRST_LOG_VARIANCE = -4.0


class EncoderConfig(BaseModel):
    """Shape of the encoder; travels with its weights.

    Attributes:
        views: of a frame, always the same cameras in the same order.
        image_size_px: side of the square images; each of ``channels`` halves it, so a multiple of
            ``2 ** len(channels)``.
        latent_size: numbers for a whole frame (section 6.2: 10).
        channels: of each resolution, finest first. Those of Higgins et al. (2017), Table 1, after one more stage at
            the front for images of twice the side.
        hidden: units between the last convolution and the latent space (Higgins et al.: 256).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    views: int = Field(4, ge=1)
    image_size_px: int = Field(128, ge=32)
    latent_size: int = Field(10, ge=1)
    channels: tuple[int, ...] = Field((16, 32, 32, 64, 64), min_length=1)
    hidden: int = Field(256, ge=1)

    @model_validator(mode="after")
    def _halves_evenly(self) -> "EncoderConfig":
        step = 2 ** len(self.channels)
        if self.image_size_px % step:
            raise ValueError(f"{len(self.channels)} stages need a side that is a multiple of {step} px")
        return self

    @property
    def planes(self) -> int:
        """Colour planes of all views together."""
        return 3 * self.views

    @property
    def coarse_size(self) -> int:
        """Side of the coarsest feature map, cells."""
        return self.image_size_px // 2 ** len(self.channels)


class Posterior(NamedTuple):
    """A Gaussian with independent coordinates for each frame."""

    mean: Float[Tensor, "frames latent"]
    log_variance: Float[Tensor, "frames latent"]


class EncoderNetwork(nn.Module):
    """Convolutions that halve the resolution, one hidden layer, mean and log-variance.

    The views lie on top of one another as colour planes: the cameras stand still, so what a pixel of one view means
    beside the same pixel of another never changes. One pass over all costs a third of one pass over each.

    It sees how a frame differs from ``mean_frame``: cameras and table stand still and say nothing.
    ``centre`` and ``scale`` bring the means to order one where nothing else does; a trained VAE, whose prior does,
    keeps 0 and 1.
    """

    mean_frame: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        widths = (config.planes, *config.channels)
        self.convolutions = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, kernel_size=4, stride=2, padding=1), *normalised_relu(b))
                for a, b in pairwise(widths)
            )
        )
        self.hidden = nn.Sequential(nn.Linear(widths[-1] * config.coarse_size**2, config.hidden), nn.ReLU())
        self.head = nn.Linear(config.hidden, 2 * config.latent_size)
        self.apply(initialise)
        # Narrow at first, or the latent is all noise and the decoder learns to do without it.
        nn.init.constant_(self.head.bias[config.latent_size :], FIRST_LOG_VARIANCE)
        self.register_buffer("mean_frame", torch.zeros(config.planes, config.image_size_px, config.image_size_px))
        self.register_buffer("centre", torch.zeros(config.latent_size))
        self.register_buffer("scale", torch.ones(config.latent_size))

    def forward(self, planes: Float[Tensor, "frames planes height width"]) -> Posterior:
        """The posterior of each frame; ``planes`` as `stacked` makes them."""
        contrast = (planes - self.mean_frame) / CONTRAST
        mean, log_variance = self.head(self.hidden(self.convolutions(contrast).flatten(1))).chunk(2, dim=-1)
        return Posterior(mean, log_variance)

    def embed(self, planes: Float[Tensor, "frames planes height width"]) -> Float[Tensor, "frames latent"]:
        """The embedding of each frame: the posterior's mean, without noise."""
        return (self(planes).mean - self.centre) / self.scale


def normalised_relu(channels: int) -> tuple[nn.Module, nn.Module]:
    """What follows a convolution. Without the group norm a VAE takes several times as many steps to learn anything."""
    return nn.GroupNorm(math.gcd(8, channels), channels), nn.ReLU()


def initialise(module: nn.Module) -> None:
    """He et al. (2015): signals keep their size through the ReLUs.

    By PyTorch's default they shrink at each layer. A VAE's means then start as hundredths beside noise of deviation
    one, its decoder learns to do without the latent, and its encoder never hears otherwise: measured, nothing was
    learned in 200 steps, whatever beta.
    """
    if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        return
    inputs = module.weight[0].numel()
    if isinstance(module, nn.ConvTranspose2d):  # the weights are held transposed, and strides share them out
        inputs = module.weight[:, 0].numel() // math.prod(module.stride)
    nn.init.normal_(module.weight, std=math.sqrt(2 / inputs))
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def stacked(
    images: UInt8[Tensor, "frames views height width 3"],
) -> Float[Tensor, "frames planes height width"]:
    """Bytes to what the encoder sees: RGB in [-0.5, 0.5], the planes of the first view first."""
    planes = images.movedim(-1, -3).flatten(1, 2)
    return planes.contiguous().float().div_(255).sub_(0.5)
