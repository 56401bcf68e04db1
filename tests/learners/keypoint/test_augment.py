"""Augmented images stay geometrically true."""

import pytest
import torch

from learners.keypoint.augment import augment, occlude, recolour
from learners.keypoint.config import AugmentConfig
from s3k_dist.geometry.projection import Cameras, project
from s3k_dist.keypoints.network import normalised
from tests.scenes import ring

SIZE = 128
STILL = AugmentConfig(roll_rad=0, log_zoom=0, shift_px=0, crop=1, plain=0, contrast=0, tint=0, noise=0, occlusion=0)


def cameras(frames: int, views: int = 2) -> Cameras:
    single = Cameras.stack(ring(views, size_px=SIZE), torch.float32)
    return Cameras(*(part.expand(frames, *part.shape) for part in vars(single).values()))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blobs(points_m: torch.Tensor, seen_by: Cameras) -> torch.Tensor:
    """White spots on black where the points appear, bytes of shape (frames, views, SIZE, SIZE, 3)."""
    pixels, _ = project(points_m[:, None], seen_by)
    grid = torch.arange(SIZE, dtype=torch.float32)
    squared = (grid - pixels[..., 0:1]).square()[..., None, :] + (grid - pixels[..., 1:2]).square()[..., :, None]
    bright = 255 * torch.exp(-squared / (2 * 2.0**2))
    return bright.round().to(torch.uint8)[:, :, 0, ..., None].expand(-1, -1, -1, -1, 3)


def any_images(frames: int, seed: int) -> torch.Tensor:
    return torch.randint(0, 256, (frames, 2, SIZE, SIZE, 3), generator=generator(seed), dtype=torch.uint8)


def centroids(images: torch.Tensor) -> torch.Tensor:
    bright = images[..., 0, :, :] + 0.5
    grid = torch.arange(images.shape[-1], dtype=torch.float32)
    total = bright.sum((-2, -1))
    return torch.stack([(bright.sum(-2) * grid).sum(-1), (bright.sum(-1) * grid).sum(-1)], -1) / total[..., None]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"roll_rad": 0.6},
        {"log_zoom": 0.3},
        {"shift_px": 12.0},
        {"crop": 0.75},
        {"roll_rad": 0.4, "log_zoom": 0.2, "shift_px": 6.0, "crop": 0.75, "plain": 0.5},
    ],
    ids=str,
)
def test_a_point_projects_where_its_picture_went(change: dict[str, float]) -> None:
    points = 0.03 * (2 * torch.rand(24, 3, generator=generator(1)) - 1)
    before = cameras(24)
    images, after = augment(blobs(points, before), before, STILL.model_copy(update=change), generator())
    expected = project(points[:, None], after)[0][:, :, 0]
    size = images.shape[-1]
    whole = ((expected > 9) & (expected < size - 10)).all(-1)  # a spot that is cut has its centroid elsewhere
    assert whole.sum() > 20
    torch.testing.assert_close(centroids(images)[whole], expected[whole], atol=0.1, rtol=0)


def test_a_plain_image_is_an_exact_crop() -> None:
    images = any_images(6, 2)
    config = STILL.model_copy(update={"plain": 1.0, "crop": 0.75, "roll_rad": 0.5, "log_zoom": 0.3, "shift_px": 3.0})
    before = cameras(6)
    cropped, after = augment(images, before, config, generator())
    assert cropped.shape == (6, 2, 3, 96, 96)
    offset = (after.intrinsics - before.intrinsics)[..., :2, 2]
    assert torch.equal(offset, offset.round())
    torch.testing.assert_close(after.intrinsics[..., 0, 0], before.intrinsics[..., 0, 0])
    torch.testing.assert_close(after.rotation, before.rotation)
    for frame in range(6):
        for view in range(2):
            left, top = (-offset[frame, view]).int().tolist()
            expected = normalised(images[frame, view, top : top + 96, left : left + 96])
            assert torch.equal(cropped[frame, view], expected)
    assert len({tuple(shift) for shift in offset.flatten(0, 1).tolist()}) > 6


def test_the_generator_decides_everything() -> None:
    images, before = any_images(3, 3), cameras(3)
    config = AugmentConfig()
    first, first_cameras = augment(images, before, config, generator(7))
    again, again_cameras = augment(images, before, config, generator(7))
    other, _ = augment(images, before, config, generator(8))
    assert torch.equal(first, again)
    assert torch.equal(first_cameras.intrinsics, again_cameras.intrinsics)
    assert not torch.equal(first, other)


def test_the_given_images_are_left_as_they_were() -> None:
    images, before = any_images(3, 3), cameras(3)
    kept = images.clone()
    augment(images, before, STILL.model_copy(update={"occlusion": 1.0, "noise": 0.1, "plain": 1.0}), generator())
    assert torch.equal(images, kept)


def test_no_recolouring_changes_nothing_and_some_changes_each_image_by_itself() -> None:
    images = torch.rand(2, 3, 16, 16, generator=generator()).repeat(2, 1, 1, 1) - 0.5
    torch.testing.assert_close(recolour(images, STILL, generator()), images)
    tinted = recolour(images, STILL.model_copy(update={"tint": 0.2, "contrast": 0.2}), generator())
    assert (tinted[0] - tinted[2]).abs().max() > 0.01


def test_exchanged_colours_keep_grey_and_contrast() -> None:
    images = torch.rand(40, 3, 16, 16, generator=generator()) - 0.5
    turned = recolour(images, STILL.model_copy(update={"palette": 0.5}), generator())
    changed = (turned - images).abs().flatten(1).amax(1) > 1e-3
    assert 8 < changed.sum() < 32
    torch.testing.assert_close(turned.norm(dim=1), images.norm(dim=1), atol=1e-5, rtol=0)
    other = turned[changed].flatten(2).mean(2) - images[changed].flatten(2).mean(2)
    assert other.norm(dim=1).min() > 0, "each has colours of its own"


def test_a_patch_hides_part_of_an_image() -> None:
    images = torch.zeros(40, 3, 64, 64)
    assert torch.equal(occlude(images.clone(), STILL, generator()), images)
    hidden = occlude(images.clone(), STILL.model_copy(update={"occlusion": 0.5}), generator())
    share = (hidden != 0).any(1).float().mean((1, 2))
    assert 8 < (share > 0).sum() < 32
    assert share.max() < 0.15


def test_a_patch_may_show_another_image() -> None:
    images = torch.arange(40.0)[:, None, None, None].expand(40, 3, 64, 64)
    pieces = occlude(images, STILL.model_copy(update={"occlusion": 1.0, "foreign": 1.0}), generator())
    assert set(pieces.unique().tolist()) <= set(range(40))
    assert ((pieces != images).any(1).flatten(1).any(1)).sum() > 30


def test_normalised_images_are_rgb_around_zero() -> None:
    images = torch.zeros(1, 2, 4, 4, 3, dtype=torch.uint8)
    images[..., 1] = 255
    seen = normalised(images)
    assert seen.shape == (1, 2, 3, 4, 4)
    assert seen[0, 0, :, 0, 0].tolist() == [-0.5, 0.5, -0.5]
