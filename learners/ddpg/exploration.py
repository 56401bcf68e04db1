"""Noise on the actions of an actor that explores. NumPy only: a cell explores without importing ray.

noise = exploration_noise("ornstein_uhlenbeck", action_size=6, random=np.random.default_rng(seed))
noise.begin_episode()
action = np.clip(actor(observation) + noise.sample(sigma=0.2), -1.0, 1.0)
"""

from typing import Literal, Protocol, get_args

import numpy as np

from s3k_dist.errors import ConfigError

NoiseKind = Literal["gaussian", "ornstein_uhlenbeck"]

OU_THETA = 0.15  # Lillicrap et al. 2016 (arXiv 1509.02971), which also has sigma = 0.2; in 1 / control step


class RandomNumbers(Protocol):
    """What noise is made of; ``np.random.Generator`` is one."""

    def normal(self, *, scale: float = 1.0, size: int | tuple[int, ...]) -> np.ndarray:
        """Independent normal numbers of mean 0."""


class ExplorationNoise(Protocol):
    """Draws noise in units of the normalised action."""

    def begin_episode(self) -> None:
        """Forget the episode before."""

    def sample(self, sigma: float) -> np.ndarray:
        """Noise for one action, float32, shape (action_size,); ``sigma`` is its strength now."""


class GaussianNoise:
    """Independent at every step (TD3, Fujimoto et al. 2018); ``sigma`` is the standard deviation."""

    def __init__(self, action_size: int, random: RandomNumbers) -> None:
        self._size = action_size
        self._random = random

    def begin_episode(self) -> None:
        """Nothing: no step knows the one before."""

    def sample(self, sigma: float) -> np.ndarray:
        """Noise for one action, float32, shape (action_size,)."""
        return self._random.normal(scale=sigma, size=self._size).astype(np.float32)


class OrnsteinUhlenbeckNoise:
    """Correlated in time (Lillicrap et al. 2016): x <- x - theta x + sigma N(0, 1), from x = 0 at every episode.

    It pushes one way for about 1 / theta steps, and so moves an arm whose inertia evens independent noise out. Its
    standard deviation grows within an episode towards sigma / sqrt(2 theta - theta^2), 1.9 sigma.
    """

    def __init__(self, action_size: int, random: RandomNumbers, theta: float = OU_THETA) -> None:
        self._random = random
        self._theta = theta
        # Kept for sigma = 1: the process is linear in sigma, so a schedule acts at once and on all of it.
        self._unit = np.zeros(action_size)

    def begin_episode(self) -> None:
        """Start from 0."""
        self._unit = np.zeros_like(self._unit)

    def sample(self, sigma: float) -> np.ndarray:
        """Noise for one action, float32, shape (action_size,)."""
        self._unit = (1.0 - self._theta) * self._unit + self._random.normal(size=self._unit.shape)
        return (sigma * self._unit).astype(np.float32)


def exploration_noise(kind: NoiseKind, action_size: int, random: RandomNumbers) -> ExplorationNoise:
    """Noise of a kind by its name.

    Raises:
        ConfigError: there is no such kind; names those there are.
    """
    if kind == "gaussian":
        return GaussianNoise(action_size, random)
    if kind == "ornstein_uhlenbeck":
        return OrnsteinUhlenbeckNoise(action_size, random)
    raise ConfigError(f"unknown exploration noise {kind!r}; available are {', '.join(get_args(NoiseKind))}")
