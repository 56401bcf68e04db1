"""What a detector sees in frames whose keypoints are known: looked at once, judged in many ways."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from learners.keypoint.batches import LabelledFrames
from s3k_dist.errors import FrameError
from s3k_dist.geometry.projection import Cameras, project
from s3k_dist.keypoints.detector import KeypointDetector, Located

BATCH = 16


@dataclass(frozen=True)
class Detections:
    """Detections in F frames of V views, beside the truth; double precision.

    Attributes:
        pixels: where each view found each keypoint.
        weights: of each detection in Eq. 2.
        cameras: leading shape (F, V).
        truth_m: true keypoints, world frame, metres.
    """

    pixels: Float[Tensor, "frames views keypoints 2"]
    weights: Float[Tensor, "frames views keypoints"]
    cameras: Cameras
    truth_m: Float[Tensor, "frames keypoints 3"]

    def __len__(self) -> int:
        return self.pixels.shape[0]

    @property
    def views(self) -> int:
        """V."""
        return self.pixels.shape[1]

    def of_views(self, chosen: list[int]) -> "Detections":
        """The same frames as seen by some of their cameras."""
        return Detections(self.pixels[:, chosen], self.weights[:, chosen], self.cameras[:, chosen], self.truth_m)

    def with_view_of(self, view: int, other: "Detections") -> "Detections":
        """The same frames with one view's detections taken from ``other``."""
        replaced = torch.arange(self.views) == view
        return Detections(
            torch.where(replaced[:, None, None], other.pixels, self.pixels),
            torch.where(replaced[:, None], other.weights, self.weights),
            self.cameras,
            self.truth_m,
        )

    def located(self, detector: KeypointDetector) -> Located:
        """The keypoints that follow from the detections (Eq. 2)."""
        return detector.locate(self.pixels, self.weights, self.cameras)

    def error_mm(self, detector: KeypointDetector) -> Float[Tensor, "frames keypoints"]:
        """Distance in space of those keypoints from the truth, millimetres."""
        return 1e3 * (self.located(detector).points_m - self.truth_m).norm(dim=-1)

    def true_pixels(
        self, image_size_px: int
    ) -> tuple[Float[Tensor, "frames views keypoints 2"], Bool[Tensor, "frames views keypoints"]]:
        """The truth in each view, and whether it lies inside the square image."""
        pixels, depth_m = project(self.truth_m, self.cameras)
        return pixels, ((pixels >= 0) & (pixels <= image_size_px - 1)).all(-1) & (depth_m > 0)


def look(detector: KeypointDetector, labelled: LabelledFrames) -> Detections:
    """Run the network over all frames.

    Raises:
        FrameError: there are no frames, they have fewer than two views, or are not of the detector's image size.
    """
    frames, views, height, width = labelled.images.shape[:4]
    size = detector.image_size_px
    if frames == 0 or views < 2 or (height, width) != (size, size):
        raise FrameError(
            f"expected labelled frames of two or more views of {size} x {size} px, "
            f"got {frames} of {views} view(s) of {width} x {height} px"
        )
    pixels, weights = decode_all(detector, labelled.images)
    return Detections(pixels, weights, labelled.cameras.to(torch.float64), labelled.points_m.double())


def decode_all(
    detector: KeypointDetector, images: UInt8[Tensor, "frames views height width 3"]
) -> tuple[Float[Tensor, "frames views keypoints 2"], Float[Tensor, "frames views keypoints"]]:
    """Detections, pixels, and their weights, a bounded number of frames at a time."""
    parts = [detector.decode(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    return torch.cat([pixels for pixels, _ in parts]), torch.cat([weights for _, weights in parts])
