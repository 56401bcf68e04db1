"""Trains the beta-VAE on unlabelled frames, step by step. Needs no ray."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from learners.keypoint.batches import UnlabelledFrames
from learners.vae.config import VaeConfig
from learners.vae.decoder import DecoderNetwork
from learners.vae.loss import beta_vae_loss, kl_divergence, reconstruction_loss
from s3k_dist.embeddings.network import EncoderConfig, EncoderNetwork, Posterior, stacked

MEAN_FRAMES = 256  # for the mean frame that the decoder starts from
LOG_VARIANCE_LIMIT = 20.0  # exp of more overflows, and e^-20 is no noise at all


@dataclass(frozen=True)
class VaeStepReport:
    """What one step did.

    Attributes:
        reconstruction: negative log-likelihood without its constant, nats a frame.
        kl: divergence from the prior, nats a frame.
    """

    reconstruction: float
    kl: float


class VaeTrainer:
    """One encoder, one decoder, one optimiser. The same seed and frames give the same weights.

    Sketch::

        trainer = VaeTrainer(config, frames, seed=0)
        for _ in range(3000):
            trainer.step()
        weights = trainer.encoder.state_dict()

    Args:
        config: the recipe.
        frames: to train on; on the device that does the work.
        seed: decides initial weights, batches and the noise of the latents.
    """

    def __init__(self, config: VaeConfig, frames: UnlabelledFrames, *, seed: int) -> None:
        self.config = config
        self.steps = 0
        self._frames = frames
        device = frames.images.device
        views, side = frames.images.shape[1:3]
        self.network = EncoderConfig(views=views, image_size_px=side, latent_size=config.latent_size)
        self._generator = torch.Generator(device).manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder, decoder = EncoderNetwork(self.network), DecoderNetwork(self.network)
        # Channels last is a fifth faster on a CPU, and what a GPU wants.
        layout = {"memory_format": torch.channels_last}
        self.encoder = encoder.to(device, **layout)  # type: ignore[call-overload]
        self.decoder = decoder.to(device, **layout)  # type: ignore[call-overload]
        with torch.no_grad():
            some = frames.images[:: max(1, len(frames) // MEAN_FRAMES)]
            for network in (self.encoder, self.decoder):
                network.mean_frame.copy_(stacked(some).mean(0))
        self._both = nn.ModuleList([self.encoder, self.decoder])
        self._optimiser = torch.optim.Adam(self._both.parameters(), lr=config.learning_rate, fused=True)

    def step(self) -> VaeStepReport:
        """One optimiser step on a random batch."""
        generator, frames = self._generator, self._frames
        chosen = torch.randint(0, len(frames), (self.config.batch,), generator=generator, device=generator.device)
        planes = stacked(frames.images[chosen]).contiguous(memory_format=torch.channels_last)
        posterior = bounded(self.encoder(planes))
        reconstruction = reconstruction_loss(self.decoder(self._sample(posterior)), planes)
        kl = kl_divergence(posterior)
        for group in self._optimiser.param_groups:
            group["lr"] = self._learning_rate()
        self._optimiser.zero_grad()
        beta_vae_loss(reconstruction, kl, self.beta).backward()
        nn.utils.clip_grad_norm_(self._both.parameters(), self.config.max_gradient_norm)
        self._optimiser.step()
        self.steps += 1
        return VaeStepReport(reconstruction.item(), kl.sum().item())

    @property
    def beta(self) -> float:
        """Weight of the divergence in the next step."""
        warm = self.config.warm_up_steps
        return self.config.beta * (min(1.0, max(0.0, 2 * self.steps / warm - 1)) if warm else 1.0)

    def state_dict(self) -> dict[str, object]:
        """All that a resumed trainer needs to go on as if nothing had happened."""
        return {
            "steps": self.steps,
            "generator": self._generator.get_state(),
            "networks": self._both.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on from :meth:`state_dict`."""
        self.steps = int(state["steps"])  # type: ignore[call-overload]
        self._generator.set_state(state["generator"].cpu())  # type: ignore[attr-defined]
        self._both.load_state_dict(state["networks"])  # type: ignore[arg-type]
        self._optimiser.load_state_dict(state["optimiser"])  # type: ignore[arg-type]

    def _sample(self, posterior: Posterior) -> Float[Tensor, "frames latent"]:
        """The reparametrisation trick."""
        mean, log_variance = posterior
        noise = torch.randn(mean.shape, generator=self._generator, device=mean.device)
        return mean + noise * (0.5 * log_variance).exp()

    def _learning_rate(self) -> float:
        done = min(1.0, self.steps / self.config.steps)
        return self.config.learning_rate * (0.55 + 0.45 * math.cos(math.pi * done))


def bounded(posterior: Posterior) -> Posterior:
    """The same, with log-variances that neither overflow nor vanish."""
    return Posterior(posterior.mean, posterior.log_variance.clamp(-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT))
