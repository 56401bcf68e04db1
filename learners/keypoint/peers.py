"""Processes that train one model together: each on its own share of every batch, all with the mean of the gradients.

Equal shares make that the gradient of the whole batch, since the losses are means over frames. What decides how
training goes on is decided from what all of them saw, so that they go on alike.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor

from s3k_dist.errors import ConfigError


@dataclass(frozen=True)
class Peers:
    """The process group of torch that this process is in, as its trainer uses it; one process alone by default.

    Every method with ``together`` in its description waits for all of them, as long as the group's timeout; it raises
    RuntimeError if one is gone.

    Attributes:
        rank: of this process.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def joined(cls) -> "Peers":
        """Those of the process group that this process has joined."""
        return cls(dist.get_rank(), dist.get_world_size())

    def share(self, name: str, batch: int) -> int:
        """Frames that each takes of a batch.

        Args:
            name: of the setting.
            batch: its value.

        Raises:
            ConfigError: the batch cannot be shared out evenly.
        """
        if batch % self.size:
            raise ConfigError(
                f"{name}={batch} cannot be shared out evenly to {self.size} workers: expected a multiple of "
                f"{self.size}, such as --set {name}={self.size * -(-batch // self.size)}"
            )
        return batch // self.size

    def seed(self, seed: int) -> int:
        """For this one's batches and augmentation: the first one's are those of a process alone."""
        if self.rank == 0:
            return seed
        return int(np.random.SeedSequence((seed, self.rank)).generate_state(1, np.uint64)[0] >> np.uint64(1))

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace gradients by their mean over all processes, together."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        pieces = flat.split([gradient.numel() for gradient in gradients])
        for gradient, piece in zip(gradients, pieces, strict=True):
            gradient.copy_(piece.view_as(gradient))

    def gathered(self, tensor: Shaped[Tensor, "count *rest"]) -> Shaped[Tensor, "all_counts *rest"]:
        """The tensors of all processes, of one shape, joined in the order of their ranks, together."""
        if self.size == 1:
            return tensor
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        dist.all_gather(parts, tensor.contiguous())
        return torch.cat(parts)


ALONE = Peers()
