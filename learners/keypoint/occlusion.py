"""Something in front of the object: a square of one colour, or cut out of another picture."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from learners.keypoint.batches import LabelledFrames
from s3k_dist.geometry.projection import project


def cover(labelled: LabelledFrames, share: float, *, seed: int) -> UInt8[Tensor, "frames views height width 3"]:
    """Copies of the images with a square over the keypoints' middle, in every view.

    Half of the squares have one colour, half are cut out of a random other frame. The same seed covers the same places
    with the same things, whatever the share: a curve over shares is of patches that grow.

    Args:
        labelled: the frames; the patches lie over their true keypoints.
        share: side of the square, in sides of the image.
        seed: of what the patches show.
    """
    images = labelled.images.clone()
    frames, views, height, width = images.shape[:4]
    side = max(1, round(share * min(height, width)))
    middles = _middles(labelled)
    generator = torch.Generator().manual_seed(seed)
    for frame in range(frames):
        for view in range(views):
            chance, *places = torch.rand(5, generator=generator).tolist()
            colour = torch.randint(0, 256, (3,), generator=generator, dtype=torch.uint8)
            u, v = middles[frame, view].tolist()
            # Near an edge the square moves inwards rather than shrink.
            left = min(max(0, round(u - side / 2)), width - side)
            top = min(max(0, round(v - side / 2)), height - side)
            patch: Tensor = colour
            if chance < 0.5 and frames > 1:
                other = labelled.images[(frame + 1 + int(places[0] * (frames - 1))) % frames, int(places[1] * views)]
                down, across = int(places[2] * (height - side + 1)), int(places[3] * (width - side + 1))
                patch = other[down : down + side, across : across + side]
            images[frame, view, top : top + side, left : left + side] = patch
    return images


def _middles(labelled: LabelledFrames) -> Float[Tensor, "frames views 2"]:
    """Mean of the keypoints inside each image, pixels; the image's middle where none is."""
    pixels, depth_m = project(labelled.points_m, labelled.cameras)
    height, width = labelled.images.shape[2:4]
    edge = pixels.new_tensor([width - 1, height - 1])
    inside = (((pixels >= 0) & (pixels <= edge)).all(-1) & (depth_m > 0))[..., None]
    count = inside.sum(-2)
    mean = torch.where(inside, pixels, torch.zeros_like(pixels)).sum(-2) / count.clamp_min(1)
    return torch.where(count > 0, mean, edge / 2)
