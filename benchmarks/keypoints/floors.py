"""What bounds a network: its arithmetic and its traffic, over what this machine achieves at each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.keypoints.timing import interleaved

MATMUL_SIDE = 2048
CONVOLUTION = (32, 64, 64)  # images, channels, side: of the network's kind, and large enough to be efficient
COPIED_BYTES = 256 * 2**20  # far more than any cache


@dataclass(frozen=True)
class Peak:
    """What a machine achieves.

    Attributes:
        flops: floating-point operations a second, in the better of a matrix product and a convolution.
        bytes: a second, read or written.
    """

    flops: float
    bytes: float


@dataclass(frozen=True)
class Cost:
    """What some work takes.

    Attributes:
        flops: floating-point operations, of products and convolutions.
        bytes: if every operator reads its inputs and writes its outputs once.
    """

    flops: int
    bytes: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.flops + other.flops, self.bytes + other.bytes)

    def compute_ms(self, peak: Peak) -> float:
        """No implementation is faster."""
        return 1e3 * self.flops / peak.flops

    def memory_ms(self, peak: Peak) -> float:
        """Operator by operator, none is faster; one that fuses them, or finds its inputs in a cache, may be."""
        return 1e3 * self.bytes / peak.bytes


def achieved(device: torch.device, dtype: torch.dtype, rounds: int) -> Peak:
    """Measure the machine, with as many threads as torch has now."""
    images, channels, side = CONVOLUTION
    matrix = torch.randn(MATMUL_SIDE, MATMUL_SIDE, device=device, dtype=dtype)
    batch = torch.randn(images, channels, side, side, device=device, dtype=dtype)
    batch = batch.contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(channels, channels, 3, 3, device=device, dtype=dtype)
    source = torch.zeros(COPIED_BYTES // 4, device=device)
    target = torch.empty_like(source)
    with torch.no_grad():
        took = interleaved(
            {
                "product": lambda: matrix @ matrix,
                "convolution": lambda: F.conv2d(batch, kernel, padding=1),
                "copy": lambda: target.copy_(source),
            },
            rounds,
            device,
        )
    product = 2 * MATMUL_SIDE**3 / took["product"].least
    convolution = 2 * 9 * images * channels**2 * side**2 / took["convolution"].least
    return Peak(1e3 * max(product, convolution), 1e3 * 2 * COPIED_BYTES / took["copy"].least)


def cost(run: Callable[[], object]) -> Cost:
    """Count what ``run`` does, forwards and backwards."""
    with FlopCounterMode(display=False) as flops:
        run()
    with _Traffic() as traffic:
        run()
    return Cost(flops.get_total_flops(), traffic.bytes)


class _Traffic(TorchDispatchMode):
    """Adds up the sizes of what operators read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            leaves = tree_leaves((args, kwargs, out))
            self.bytes += sum(leaf.numel() * leaf.element_size() for leaf in leaves if isinstance(leaf, Tensor))
        return out
