"""Frames as tensors, with and without labels."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from s3k_dist.geometry.projection import Cameras


@dataclass(frozen=True)
class LabelledFrames:
    """Frames with 3-D labels: N frames, V views, K keypoints.

    Attributes:
        images: RGB.
        cameras: leading shape (N, V), float32.
        points_m: triangulated labels, world frame, metres.
    """

    images: UInt8[Tensor, "frames views height width 3"]
    cameras: Cameras
    points_m: Float[Tensor, "frames keypoints 3"]

    def __len__(self) -> int:
        return self.images.shape[0]

    def to(self, device: torch.device) -> "LabelledFrames":
        """The same frames on another device."""
        return LabelledFrames(self.images.to(device), self.cameras.to(device), self.points_m.to(device))


@dataclass(frozen=True)
class NewLabels:
    """What people have labelled since the learner began.

    Attributes:
        training: takes the place of the labels trained on; None leaves them.
        held_out: takes the place of those that versions are judged by; None leaves them.
        news: for a person.
    """

    training: LabelledFrames | None = None
    held_out: LabelledFrames | None = None
    news: tuple[str, ...] = ()


@dataclass(frozen=True)
class UnlabelledFrames:
    """Frames without labels.

    Attributes:
        images: RGB.
        cameras: leading shape (N, V), float32.
    """

    images: UInt8[Tensor, "frames views height width 3"]
    cameras: Cameras

    def __len__(self) -> int:
        return self.images.shape[0]

    def to(self, device: torch.device) -> "UnlabelledFrames":
        """The same frames on another device."""
        return UnlabelledFrames(self.images.to(device), self.cameras.to(device))


def join_cameras(first: Cameras, second: Cameras) -> Cameras:
    """Two batches of cameras as one."""
    return Cameras(
        torch.cat([first.intrinsics, second.intrinsics]),
        torch.cat([first.distortion, second.distortion]),
        torch.cat([first.rotation, second.rotation]),
        torch.cat([first.translation_m, second.translation_m]),
    )
