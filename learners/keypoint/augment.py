"""What a training image goes through: a camera-exact warp, another light, another sensor, something in the way."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from learners.keypoint.config import AugmentConfig
from s3k_dist.geometry.projection import Cameras
from s3k_dist.geometry.warp import CameraWarp, warp_images


def normalised(images: UInt8[Tensor, "*batch height width 3"]) -> Float[Tensor, "*batch 3 height width"]:
    """Bytes to what the network sees: RGB in [-0.5, 0.5], channels before pixels."""
    return images.movedim(-1, -3).float() / 255 - 0.5


def augment(
    images: Float[Tensor, "batch views 3 height width"],
    cameras: Cameras,
    config: AugmentConfig,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "batch views 3 crop crop"], Cameras]:
    """Warped, cropped and recoloured images, and the cameras that would have taken them."""
    batch, views = images.shape[:2]
    size = images.shape[-1]
    if config.roll_rad == config.log_zoom == config.shift_px == 0 and config.crop == 1:
        coloured = occlude(recolour(images.flatten(0, 1), config, generator), config, generator)
        return coloured.unflatten(0, (batch, views)), cameras
    # A multiple of 32: the network halves the resolution five times.
    crop = max(32, round(config.crop * size / 32) * 32)
    warp = CameraWarp.random(
        (batch, views), max_roll_rad=config.roll_rad, max_log_zoom=config.log_zoom, generator=generator
    )
    margin = (size - crop) / 2
    shift = _uniform((batch, views, 2), generator) * (margin + config.shift_px * size / 128) - margin
    plain = torch.rand((batch, views), generator=generator, device=generator.device) < config.plain
    warp = CameraWarp(
        warp.roll_rad.masked_fill(plain, 0.0),
        warp.zoom.masked_fill(plain, 1.0),
        # Whole pixels need no interpolation.
        torch.where(plain[..., None], shift.round(), shift),
    )
    warped = warp_images(images.flatten(0, 1), warp.affine(cameras).flatten(0, 1), crop, crop)
    coloured = occlude(recolour(warped, config, generator), config, generator)
    return coloured.unflatten(0, (batch, views)), warp.cameras(cameras)


def recolour(
    images: Float[Tensor, "images 3 height width"], config: AugmentConfig, generator: torch.Generator
) -> Float[Tensor, "images 3 height width"]:
    """Contrast, tint and sensor noise, each image by itself: cameras of one cell differ."""
    count, _, height, width = images.shape
    contrast = 1 + config.contrast * _uniform((count, 1, 1, 1), generator)
    gain = 1 + config.tint * _uniform((count, 3, 1, 1), generator)
    offset = config.tint * _uniform((count, 3, 1, 1), generator)
    # Of brightness alone: a third of the random numbers, which are most of the cost of an augmentation.
    noise = torch.randn((count, 1, height, width), generator=generator, device=generator.device)
    return images * (contrast * gain) + offset + config.noise * noise


def occlude(
    images: Float[Tensor, "images 3 height width"], config: AugmentConfig, generator: torch.Generator
) -> Float[Tensor, "images 3 height width"]:
    """Rectangles over the images, an eighth to a third of a side long: of one colour, or a piece of another image.

    They hide the object now and then, and they are backgrounds that no camera saw.
    """
    count, _, height, width = images.shape
    down = torch.arange(height, device=images.device)[:, None]
    across = torch.arange(width, device=images.device)
    others = images
    for _ in range(config.patches):
        chance, u, v, w, h, kind = torch.rand((6, count, 1, 1), generator=generator, device=generator.device)
        rows = (down >= v * height) & (down < v * height + height * (0.125 + 0.2 * h)) & (chance < config.occlusion)
        columns = (across >= u * width) & (across < u * width + width * (0.125 + 0.2 * w))
        colour = torch.rand((count, 3, 1, 1), generator=generator, device=generator.device) - 0.5
        order = torch.randperm(count, generator=generator, device=generator.device)
        content = torch.where((kind < config.foreign)[:, None], others[order], colour)
        images = torch.where((rows & columns)[:, None], content, images)
    return images


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return 2 * torch.rand(shape, generator=generator, device=generator.device) - 1
