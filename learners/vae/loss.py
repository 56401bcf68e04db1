"""The objective of the beta-VAE: Higgins et al. (2017), Eq. 4, negated; nats a frame."""

from jaxtyping import Float
from torch import Tensor

from s3k_dist.embeddings.network import Posterior


def reconstruction_loss(
    reconstructed: Float[Tensor, "frames planes height width"], planes: Float[Tensor, "frames planes height width"]
) -> Float[Tensor, ""]:
    """Negative log-likelihood of independent Gaussian pixels of unit variance, without its constant.

    The sum over a frame's pixels, the mean over frames. A pixel's whole range is 1, so unit variance is wide; variance
    s^2 with beta is the same objective as unit variance with beta s^2.
    """
    return 0.5 * (reconstructed - planes).square().flatten(1).sum(1).mean()


def kl_divergence(posterior: Posterior) -> Float[Tensor, "latent"]:
    """From the unit Gaussian, of each latent dimension: mean over frames (Kingma & Welling 2014, Appendix B)."""
    mean, log_variance = posterior
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean(0)


def beta_vae_loss(reconstruction: Float[Tensor, ""], kl: Float[Tensor, "latent"], beta: float) -> Float[Tensor, ""]:
    """What is minimised."""
    return reconstruction + beta * kl.sum()
