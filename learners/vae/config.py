"""Settings of the VAE; pydantic only, so that reading a configuration loads no torch."""

from pydantic import BaseModel, ConfigDict, Field


class VaeConfig(BaseModel):
    """How a VAE is trained. There is no augmentation: the paper names none, and the latent must keep what moves.

    Attributes:
        steps: of the optimiser.
        latent_size: numbers for a frame (section 6.2).
        beta: weight of the KL divergence against the log-likelihood under unit-variance pixels (Higgins et al. 2017,
            Eq. 4). Measured on 1,941 frames of the cable cell, shrunk to 32 px with beta in proportion to the pixels,
            800 steps: at 1, two dimensions vary by more than half a unit between frames, and 8.1% of the held-out
            variance is explained; at 0.2 all ten, and 9.0%; at 0.04 and 0.008 no more, 7.8% and 8.7%.
        warm_up_steps: for half of which beta is 0, to rise over the other half (after Bowman et al. 2016). The decoder
            has no use for the latent at first, and Adam follows a pull to the prior however small: measured at 128 px,
            a plain ramp over 100 steps left 0.006 nats after 130.
        batch: frames in a step.
        learning_rate: of Adam, falling to a tenth along a cosine over all steps.
        max_gradient_norm: longer gradients are shortened to this.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(3000, ge=1)
    latent_size: int = Field(10, ge=1)
    beta: float = Field(0.2, ge=0)
    warm_up_steps: int = Field(300, ge=0)
    batch: int = Field(16, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    max_gradient_norm: float = Field(100.0, gt=0)
