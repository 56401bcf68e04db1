"""The objective against closed forms."""

import pytest
import torch
from torch.distributions import Independent, Normal
from torch.distributions import kl_divergence as closed_form

from learners.vae.loss import beta_vae_loss, kl_divergence, reconstruction_loss
from s3k_dist.embeddings.network import Posterior


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_divergence_is_that_of_gaussians() -> None:
    mean, log_variance = random(7, 3), random(7, 3, seed=1)
    expected = closed_form(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).mean(0)
    torch.testing.assert_close(kl_divergence(Posterior(mean, log_variance)), expected)


def test_the_prior_itself_diverges_by_nothing() -> None:
    assert kl_divergence(Posterior(torch.zeros(4, 2), torch.zeros(4, 2))).tolist() == [0.0, 0.0]


def test_the_reconstruction_is_a_likelihood_up_to_its_constant() -> None:
    said, seen, other = random(5, 6, 4, 4), random(5, 6, 4, 4, seed=1), random(5, 6, 4, 4, seed=2)
    likelihood = Independent(Normal(said, 1.0), 3)
    expected = (likelihood.log_prob(other) - likelihood.log_prob(seen)).mean()
    torch.testing.assert_close(reconstruction_loss(said, seen) - reconstruction_loss(said, other), expected)
    assert reconstruction_loss(seen, seen) == 0


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_beta_weighs_the_divergence(beta: float) -> None:
    loss = beta_vae_loss(torch.tensor(10.0), torch.tensor([1.0, 2.0]), beta)
    assert loss.item() == 10 + 3 * beta
