"""The decoder: a point of the latent space to all views of a frame. Training and pictures need it, the service not."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from s3k_dist.embeddings.network import EncoderConfig, initialise, normalised_relu

# Of the last weights: the first reconstructions are the mean frame. At 0.01 they add what the latent does not mean yet,
# training silences that first, and the latent with it: 0.2% of the variance explained after 200 steps, not 7%.
OUTPUT_DEVIATION = 0.001


class DecoderNetwork(nn.Module):
    """The encoder backwards (Higgins et al. 2017, Table 1), plus the mean frame.

    ``mean_frame`` is the bias of the output, one number for each pixel: cameras and table stand still, and a decoder
    that starts from the mean of all frames spends its steps on what moves.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        coarse = config.coarse_size
        widths = (*reversed(config.channels), config.planes)
        stages: list[nn.Module] = []
        for number, (a, b) in enumerate(pairwise(widths)):
            stages.append(nn.ConvTranspose2d(a, b, kernel_size=4, stride=2, padding=1))
            if number < len(config.channels) - 1:
                stages.extend(normalised_relu(b))
        self.dense = nn.Sequential(
            nn.Linear(config.latent_size, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, widths[0] * coarse**2),
            nn.ReLU(),
            nn.Unflatten(1, (widths[0], coarse, coarse)),
        )
        self.convolutions = nn.Sequential(*stages)
        self.apply(initialise)
        nn.init.normal_(self.convolutions[-1].weight, std=OUTPUT_DEVIATION)  # type: ignore[arg-type]
        self.mean_frame = nn.Parameter(torch.zeros(config.planes, config.image_size_px, config.image_size_px))

    def forward(self, latent: Float[Tensor, "frames latent"]) -> Float[Tensor, "frames planes height width"]:
        """Mean of the pixels' Gaussians, RGB in [-0.5, 0.5] more or less."""
        return self.convolutions(self.dense(latent)) + self.mean_frame
