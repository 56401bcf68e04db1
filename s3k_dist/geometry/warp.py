"""Camera-exact augmentation: image warps that are themselves a change of camera.

Rolling a camera, changing its focal lengths and shifting its principal point move pixels by an affine map, whatever the
scene. So a warped image has an exact camera, and a label stays geometrically true in it.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from s3k_dist.geometry.projection import Cameras


@dataclass(frozen=True)
class CameraWarp:
    """One warp for each camera of a batch.

    Attributes:
        roll_rad: rotation of the camera about its optical axis.
        zoom: factors on the focal lengths, across and down the image; two that differ stretch it.
        shift_px: of the principal point.
    """

    roll_rad: Float[Tensor, "..."]
    zoom: Float[Tensor, "... 2"]
    shift_px: Float[Tensor, "... 2"]

    @classmethod
    def random(
        cls,
        shape: tuple[int, ...],
        *,
        max_roll_rad: float = math.pi,
        max_log_zoom: float = 0.25,
        max_log_stretch: float = 0.0,
        max_shift_px: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> "CameraWarp":
        """Uniform in roll, in the logarithms of zoom and of width over height, and in shift, each within plus or minus
        its bound."""

        def uniform(*size: int) -> Tensor:
            return 2 * torch.rand(size, generator=generator, device=None if generator is None else generator.device) - 1

        roll, log_zoom = max_roll_rad * uniform(*shape), max_log_zoom * uniform(*shape, 1).expand(*shape, 2)
        if max_log_stretch:
            log_stretch = max_log_stretch / 2 * uniform(*shape, 1)
            log_zoom = log_zoom + torch.cat([log_stretch, -log_stretch], -1)
        return cls(roll, torch.exp(log_zoom), max_shift_px * uniform(*shape, 2))

    @property
    def _spin(self) -> Float[Tensor, "... 2 2"]:
        cos, sin = torch.cos(self.roll_rad), torch.sin(self.roll_rad)
        return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)

    def affine(self, cameras: Cameras) -> Float[Tensor, "... 2 3"]:
        """The map ``[A | b]`` from pixels of the cameras to pixels of the warped cameras."""
        focal, principal = cameras.intrinsics[..., :2, :2], cameras.intrinsics[..., :2, 2]
        # Conjugated by the focal lengths, so that it is a roll for pixels that are not square, too.
        linear = self.zoom[..., :, None] * (focal @ self._spin.to(focal.dtype) @ torch.linalg.inv(focal))
        offset = principal + self.shift_px - (linear @ principal[..., None])[..., 0]
        return torch.cat([linear, offset[..., None]], dim=-1)

    def cameras(self, cameras: Cameras) -> Cameras:
        """The cameras that would have taken the warped images."""
        dtype = cameras.intrinsics.dtype
        spin = self._spin.to(dtype)
        roll = torch.zeros_like(cameras.rotation)
        roll[..., :2, :2] = spin
        roll[..., 2, 2] = 1
        intrinsics = cameras.intrinsics.clone()
        intrinsics[..., :2, :2] = self.zoom[..., :, None].to(dtype) * cameras.intrinsics[..., :2, :2]
        intrinsics[..., :2, 2] = cameras.intrinsics[..., :2, 2] + self.shift_px
        distortion = cameras.distortion.clone()
        # (p2, p1) turns with the camera; the radial terms do not notice.
        tangent = cameras.distortion[..., [3, 2]]
        distortion[..., [3, 2]] = (spin @ tangent[..., None])[..., 0]
        translation = (roll @ cameras.translation_m[..., None])[..., 0]
        return Cameras(intrinsics, distortion, roll @ cameras.rotation, translation)


def warp_pixels(
    pixels: Float[Tensor, "... keypoints 2"], affine: Float[Tensor, "... 2 3"]
) -> Float[Tensor, "... keypoints 2"]:
    """Where ``pixels`` go under ``affine``."""
    return torch.einsum("...ij,...kj->...ki", affine[..., :2], pixels) + affine[..., None, :, 2]


def invert_affine(affine: Float[Tensor, "... 2 3"]) -> Float[Tensor, "... 2 3"]:
    """The map back."""
    linear = torch.linalg.inv(affine[..., :2])
    return torch.cat([linear, -(linear @ affine[..., 2:])], dim=-1)


def warp_images(
    images: Float[Tensor, "images channels height width"],
    affine: Float[Tensor, "images 2 3"],
    height: int | None = None,
    width: int | None = None,
) -> Float[Tensor, "images channels new_height new_width"]:
    """The images that the warped cameras would have taken, bilinear, mirrored beyond the border.

    Args:
        images: of the cameras as they are.
        affine: from pixels of the cameras to pixels of the warped cameras.
        height: of the warped images, pixels; default the same.
        width: of the warped images, pixels; default the same.
    """
    height, width = height or images.shape[-2], width or images.shape[-1]
    back = invert_affine(affine.to(images.dtype))
    # grid_sample counts from -1 to 1 over the image's outer edges: u = (x + 1) W / 2 - 1/2.
    half = images.new_tensor([images.shape[-1] / 2, images.shape[-2] / 2])
    down, across, offset = back[..., 1] / half, back[..., 0] / half, (back[..., 2] + 0.5) / half - 1
    rows = torch.arange(height, dtype=images.dtype, device=images.device)[:, None, None] * down[:, None, None]
    columns = torch.arange(width, dtype=images.dtype, device=images.device)[:, None] * across[:, None, None]
    grid = columns + (rows + offset[:, None, None])
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
