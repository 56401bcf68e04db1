"""Inference of four views: the network alone in each precision, and the whole detector."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from actors.sim.scenes.rig import Rig
from benchmarks.keypoints.floors import Cost, cost
from benchmarks.keypoints.step import KEYPOINTS
from benchmarks.keypoints.timing import Timing, interleaved
from learners.keypoint.trainer import Precision
from s3k_dist.geometry.projection import Cameras
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig

VIEWS = 4
DETECTOR = "detector"


@dataclass(frozen=True)
class InferenceTimes:
    """One image size and batch.

    Attributes:
        size_px: side of the images.
        frames: of the batch, with four views each.
        kinds: the network by precision, compiled or not; and on the CPU the detector, from bytes to keypoints.
        counted: of the network, in the first of the precisions.
    """

    size_px: int
    frames: int
    kinds: dict[str, Timing]
    counted: Cost


def time_inference(
    device: torch.device, precisions: Sequence[Precision], size_px: int, frames: int, *, compiled: bool, rounds: int
) -> InferenceTimes:
    """Time everything by turns, for one image size and batch."""
    torch.compiler.reset()  # a compiled network of another size would be generalised, not compiled anew
    config = NetworkConfig(keypoint_names=KEYPOINTS, image_size_px=size_px)
    network = KeypointNetwork(config).eval().requires_grad_(False)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    translated = torch.compile(network, dynamic=False)
    images = torch.rand(frames * VIEWS, 3, size_px, size_px, device=device) - 0.5
    images = images.contiguous(memory_format=torch.channels_last)
    kinds: dict[str, Callable[[], object]] = {}
    for precision in precisions:
        kinds[precision] = partial(_see, network, images, precision)
        if compiled:
            kinds[f"{precision}, compiled"] = partial(_see, translated, images, precision)
    if device.type == "cpu":
        kinds[DETECTOR] = _detection(config, network, frames)
    return InferenceTimes(size_px, frames, interleaved(kinds, rounds, device), cost(kinds[precisions[0]]))


def _see(network: Callable[[Tensor], Tensor], images: Tensor, precision: Precision) -> Tensor:
    with torch.inference_mode(), torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bf16"):
        return network(images)


def _detection(config: NetworkConfig, network: KeypointNetwork, frames: int) -> Callable[[], object]:
    """Bytes in, keypoints with covariances out."""
    detector = KeypointDetector(config, network.state_dict())
    one = Cameras.stack(Rig(views=VIEWS).draw(np.random.default_rng(0), config.image_size_px))
    fields = (one.intrinsics, one.distortion, one.rotation, one.translation_m)
    cameras = Cameras(*(field.expand(frames, *field.shape).contiguous() for field in fields))
    size = config.image_size_px
    images = torch.randint(0, 256, (frames, VIEWS, size, size, 3), dtype=torch.uint8)
    return lambda: detector.locate(*detector.decode(images), cameras)
