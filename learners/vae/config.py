"""Settings of the VAE; pydantic only, so that reading a configuration loads no torch."""

from pydantic import BaseModel, ConfigDict, Field


class VaeConfig(BaseModel):
    """How a VAE is trained. There is no augmentation: the paper names none, and the latent must keep what moves.

    Attributes:
        steps: of the optimiser.
        latent_size: numbers for a frame (section 6.2).
        beta: weight of the KL divergence against the log-likelihood under unit-variance pixels (Higgins et al. 2017,
            Eq. 4).
        warm_up_steps: over which beta rises from 0 (Bowman et al. 2016): at full weight from the first step on, the
            posterior falls onto the prior before the decoder has a use for the latent.
        batch: frames in a step.
        learning_rate: of Adam, falling to a tenth along a cosine over all steps.
        max_gradient_norm: longer gradients are shortened to this.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(3000, ge=1)
    latent_size: int = Field(10, ge=1)
    beta: float = Field(1.0, ge=0)
    warm_up_steps: int = Field(300, ge=0)
    batch: int = Field(16, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    max_gradient_norm: float = Field(100.0, gt=0)
