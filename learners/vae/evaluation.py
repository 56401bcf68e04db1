"""How much of a frame a VAE keeps, on frames that it was not trained on."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from learners.vae.decoder import DecoderNetwork
from learners.vae.loss import kl_divergence
from s3k_dist.embeddings.network import EncoderNetwork, Posterior, stacked

BATCH = 32
ACTIVE_VARIANCE = 0.01  # of the posterior means (Burda et al. 2016, section 4): below, a dimension says nothing


@dataclass(frozen=True)
class VaeMetrics:
    """What was measured over F frames.

    Attributes:
        frames: F.
        reconstruction_rmse: root mean square error of a colour value, of 255.
        explained_variance: share of the frames' variance about their mean frame that the reconstructions hold; most of
            it is light and clutter, which are large, and little of it the plug, which is small.
        kl_nats: divergence of the posterior from the prior, nats a frame.
        active_dimensions: latent dimensions whose posterior mean varies from frame to frame.
        per_dimension_kl_nats: of each dimension.
        per_dimension_deviation: standard deviation of each dimension's posterior mean.
    """

    frames: int
    reconstruction_rmse: float
    explained_variance: float
    kl_nats: float
    active_dimensions: int
    per_dimension_kl_nats: tuple[float, ...]
    per_dimension_deviation: tuple[float, ...]

    def measured(self) -> dict[str, float]:
        """By metric name, for a manifest; ``docs/metrics.md``."""
        return {
            "frames": float(self.frames),
            "reconstruction_rmse": self.reconstruction_rmse,
            "explained_variance": self.explained_variance,
            "kl_nats": self.kl_nats,
            "active_dimensions": float(self.active_dimensions),
        }


@torch.no_grad()
def evaluate(
    encoder: EncoderNetwork, decoder: DecoderNetwork, images: UInt8[Tensor, "frames views height width 3"]
) -> VaeMetrics:
    """Encode and decode frames, without noise; at least two of them."""
    mean_planes = mean_frame(images)
    posteriors, off, spread = [], 0.0, 0.0
    for batch in images.split(BATCH):
        planes = stacked(batch)
        posteriors.append(encoder(planes))
        off += (decoder(posteriors[-1].mean) - planes).square().sum().item()
        spread += (planes - mean_planes).square().sum().item()
    joined = Posterior(*(torch.cat(parts) for parts in zip(*posteriors, strict=True)))
    kl, deviation = kl_divergence(joined), joined.mean.std(0)
    return VaeMetrics(
        frames=len(images),
        reconstruction_rmse=255 * (off / images.numel()) ** 0.5,
        explained_variance=1 - off / max(spread, 1e-9),
        kl_nats=kl.sum().item(),
        active_dimensions=int((deviation.square() > ACTIVE_VARIANCE).sum()),
        per_dimension_kl_nats=tuple(kl.tolist()),
        per_dimension_deviation=tuple(deviation.tolist()),
    )


@torch.no_grad()
def mean_frame(images: UInt8[Tensor, "frames views height width 3"]) -> Float[Tensor, "planes height width"]:
    """Mean of many frames, as the encoder sees frames."""
    sums = (stacked(batch).sum(0) for batch in images.split(BATCH))
    return torch.stack(list(sums)).sum(0) / len(images)


@torch.no_grad()
def posterior_means(
    encoder: EncoderNetwork, images: UInt8[Tensor, "frames views height width 3"]
) -> Float[Tensor, "frames latent"]:
    """The means of many frames."""
    return torch.cat([encoder(stacked(batch)).mean for batch in images.split(BATCH)])
