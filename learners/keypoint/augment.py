"""What a training image goes through: a camera-exact warp, another light, another sensor, something in the way."""

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from learners.keypoint.config import AugmentConfig
from s3k_dist.geometry.projection import Cameras
from s3k_dist.geometry.warp import CameraWarp, warp_images
from s3k_dist.keypoints.network import normalised


def augment(
    images: UInt8[Tensor, "batch views height width 3"],
    cameras: Cameras,
    config: AugmentConfig,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "batch views 3 crop crop"], Cameras]:
    """Warped, cropped and recoloured images, and the cameras that would have taken them."""
    batch, views, size = images.shape[:3]
    flat = images.flatten(0, 1)
    if config.roll_rad == config.log_zoom == config.log_stretch == config.shift_px == 0 and config.crop == 1:
        taken = normalised(flat)
    else:
        # A multiple of 32: the network halves the resolution five times.
        crop = max(32, round(config.crop * size / 32) * 32)
        plain = torch.rand((batch, views), generator=generator, device=generator.device) < config.plain
        warp = _draw(plain, size - crop, config.shift_px * size / 128, config, generator)
        taken = _take(flat, cameras, warp, plain, crop)
        cameras = warp.cameras(cameras)
    coloured = occlude(recolour(taken, config, generator), config, generator)
    return coloured.unflatten(0, (batch, views)), cameras


def _draw(
    plain: Bool[Tensor, "batch views"],
    spare_px: int,
    shift_px: float,
    config: AugmentConfig,
    generator: torch.Generator,
) -> CameraWarp:
    """A warp for each image; of a plain one a shift by whole pixels that leaves the crop inside the image."""
    shape = tuple(plain.shape)
    warp = CameraWarp.random(
        shape,
        max_roll_rad=config.roll_rad,
        max_log_zoom=config.log_zoom,
        max_log_stretch=config.log_stretch,
        generator=generator,
    )
    shift = _uniform((*shape, 2), generator) * (spare_px / 2 + shift_px) - spare_px / 2
    return CameraWarp(
        warp.roll_rad.masked_fill(plain, 0.0),
        warp.zoom.masked_fill(plain[..., None], 1.0),
        torch.where(plain[..., None], shift.round().clamp(-spare_px, 0), shift),
    )


def _take(
    images: UInt8[Tensor, "images height width 3"],
    cameras: Cameras,
    warp: CameraWarp,
    plain: Bool[Tensor, "batch views"],
    crop: int,
) -> Float[Tensor, "images 3 crop crop"]:
    """The images that the warped cameras would have taken."""
    taken = torch.empty((len(images), 3, crop, crop), device=images.device)
    whole, moved = plain.flatten().nonzero()[:, 0], (~plain).flatten().nonzero()[:, 0]
    if len(whole):
        corners = zip(whole.tolist(), (-warp.shift_px.flatten(0, 1)[whole]).int().tolist(), strict=True)
        cut = [images[index, top : top + crop, left : left + crop] for index, (left, top) in corners]
        taken.index_copy_(0, whole, normalised(torch.stack(cut)))
    if len(moved):
        affine = warp.affine(cameras).flatten(0, 1)[moved]
        taken.index_copy_(0, moved, warp_images(normalised(images.index_select(0, moved)), affine, crop, crop))
    return taken


def recolour(
    images: Float[Tensor, "images 3 height width"], config: AugmentConfig, generator: torch.Generator
) -> Float[Tensor, "images 3 height width"]:
    """Colours, contrast, tint and sensor noise, each image by itself: cameras of one cell differ."""
    count, _, height, width = images.shape
    if config.palette:
        turned = torch.rand((count, 1, 1), generator=generator, device=generator.device) < config.palette
        turn = torch.linalg.qr(torch.randn((count, 3, 3), generator=generator, device=generator.device)).Q
        mixing = torch.where(turned, turn, torch.eye(3, device=images.device))
        images = (mixing @ images.flatten(2)).unflatten(2, (height, width))
    contrast = 1 + config.contrast * _uniform((count, 1, 1, 1), generator)
    gain = 1 + config.tint * _uniform((count, 3, 1, 1), generator)
    offset = config.tint * _uniform((count, 3, 1, 1), generator)
    # Of brightness alone: a third of the random numbers, which are most of the cost of an augmentation.
    noise = torch.randn((count, 1, height, width), generator=generator, device=generator.device)
    return torch.addcmul(offset, images, contrast * gain).add_(noise, alpha=config.noise)


def occlude(
    images: Float[Tensor, "images 3 height width"], config: AugmentConfig, generator: torch.Generator
) -> Float[Tensor, "images 3 height width"]:
    """Rectangles over the images, an eighth to a third of a side long: of one colour, or a piece of another image.

    They hide the object now and then, and they are backgrounds that no camera saw.
    """
    covered = images.clone()
    count, _, height, width = images.shape
    draws = torch.rand((config.patches, count, 9), generator=generator, device=generator.device)
    for colours, patches in zip(draws[..., 6:] - 0.5, draws[..., :6].tolist(), strict=True):
        for image, colour, (chance, u, v, w, h, kind) in zip(covered, colours, patches, strict=True):
            if chance >= config.occlusion:
                continue
            rows = slice(int(v * height), int((v + 0.125 + 0.2 * h) * height))
            columns = slice(int(u * width), int((u + 0.125 + 0.2 * w) * width))
            if kind < config.foreign:
                # What is left of the draw says which other image.
                image[:, rows, columns] = images[int(kind / config.foreign * count), :, rows, columns]
            else:
                image[:, rows, columns] = colour[:, None, None]
    return covered


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return 2 * torch.rand(shape, generator=generator, device=generator.device) - 1
