"""Encoders into the registry, trained or not. The decoder stays behind: nobody serves reconstructions."""

from collections.abc import Mapping

import torch
from jaxtyping import UInt8
from torch import Tensor

from learners.vae.evaluation import mean_frame, posterior_means
from s3k_dist.embeddings.encoder import FROZEN_KIND, VAE_KIND
from s3k_dist.embeddings.network import EncoderConfig, EncoderNetwork
from s3k_dist.weights import ModelManifest, WeightsRegistry


def publish_vae(registry: WeightsRegistry, encoder: EncoderNetwork, metrics: Mapping[str, float]) -> int:
    """Publish a trained encoder and promote it; returns its version.

    Raises:
        StorageError: it cannot be written.
    """
    return _publish(registry, encoder, VAE_KIND, metrics)


def publish_frozen(registry: WeightsRegistry, encoder: EncoderNetwork) -> int:
    """Publish an encoder of :func:`frozen_encoder` and promote it; returns its version.

    Raises:
        StorageError: it cannot be written.
    """
    return _publish(registry, encoder, FROZEN_KIND, {})


def frozen_encoder(
    config: EncoderConfig, images: UInt8[Tensor, "frames views height width 3"], seed: int
) -> EncoderNetwork:
    """Random weights, each output brought to mean 0 and variance 1 over ``images``, at least two frames.

    Untrained, the outputs differ by hundredths from frame to frame: no agent would see anything in them.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = EncoderNetwork(config)
    encoder = encoder.to(images.device).eval().requires_grad_(False)
    encoder.mean_frame.copy_(mean_frame(images))
    means = posterior_means(encoder, images)
    encoder.centre.copy_(means.mean(0))
    encoder.scale.copy_(means.std(0).clamp_min(1e-6))
    return encoder


def _publish(registry: WeightsRegistry, encoder: EncoderNetwork, kind: str, metrics: Mapping[str, float]) -> int:
    weights = {name: tensor.detach().cpu() for name, tensor in encoder.state_dict().items()}
    config = encoder.config.model_dump(mode="json")
    version = registry.publish(weights, ModelManifest(kind=kind, config=config, metrics=dict(metrics)))
    registry.promote(version)
    return version
