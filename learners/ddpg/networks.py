"""The actor and the critic. PyTorch only: a cell runs the actor without importing ray."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

OBSERVATION_CLIP = 5.0


@dataclass(frozen=True)
class ActorShape:
    """What it takes to build an actor that loads the learner's weights.

    Attributes:
        observation_size: length of the flat observation.
        action_size: length of the flat action.
        hidden_sizes: width of each hidden layer.
        normalize_observations: the actor carries the mean and deviation that it normalises observations with.
    """

    observation_size: int
    action_size: int
    hidden_sizes: tuple[int, ...] = (256, 256)
    normalize_observations: bool = False


class ObservationNormalizer(nn.Module):
    """(s - mean) / deviation, within [-5, 5] (as in the code of Andrychowicz et al. 2017, arXiv 1707.01495).

    Its statistics are buffers: they travel with the weights that were trained on them, and no gradient reaches them.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, observation_size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(observation_size))
        self.register_buffer("deviation", torch.ones(observation_size))

    def set_statistics(self, mean: Float[Tensor, "obs"], deviation: Float[Tensor, "obs"]) -> None:
        """Normalise with these from now on; the deviation must be above 0."""
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)

    def forward(self, observation: Float[Tensor, "batch obs"]) -> Float[Tensor, "batch obs"]:
        """Observations without unit."""
        return ((observation - self.mean) / self.deviation).clamp(-OBSERVATION_CLIP, OBSERVATION_CLIP)


class Actor(nn.Module):
    """Deterministic policy a = tanh(f(s)), so actions lie in (-1, 1)."""

    def __init__(self, shape: ActorShape) -> None:
        super().__init__()
        normalizes = shape.normalize_observations
        self.normalizer = ObservationNormalizer(shape.observation_size) if normalizes else nn.Identity()
        self.layers = multilayer_perceptron(shape.observation_size, shape.hidden_sizes, shape.action_size)

    def forward(self, observation: Float[Tensor, "batch obs"]) -> Float[Tensor, "batch act"]:
        """Actions in (-1, 1)."""
        return torch.tanh(self.layers(self.normalizer(observation)))


class Critic(nn.Module):
    """Action value Q(s, a): the expected discounted return, in units of reward; observations come normalised."""

    def __init__(self, shape: ActorShape, layer_norm: bool = False) -> None:
        super().__init__()
        self.layers = multilayer_perceptron(
            shape.observation_size + shape.action_size, shape.hidden_sizes, 1, layer_norm
        )

    def forward(
        self, observation: Float[Tensor, "batch obs"], action: Float[Tensor, "batch act"]
    ) -> Float[Tensor, "batch"]:
        """One value for each row."""
        value: Tensor = self.layers(torch.cat((observation, action), dim=-1)).squeeze(-1)
        return value


def multilayer_perceptron(
    input_size: int, hidden_sizes: Sequence[int], output_size: int, layer_norm: bool = False
) -> nn.Sequential:
    """Linear, (LayerNorm), ReLU for each hidden width, then a linear output."""
    layers: list[nn.Module] = []
    width = input_size
    for hidden in hidden_sizes:
        layers.append(nn.Linear(width, hidden))
        if layer_norm:
            layers.append(nn.LayerNorm(hidden))
        layers.append(nn.ReLU())
        width = hidden
    return nn.Sequential(*layers, nn.Linear(width, output_size))
