"""Frames in, keypoints with uncertainty out: the trained network, the weights and Eq. 2 in one call."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from pydantic import ValidationError
from torch import Tensor

from s3k_dist.errors import FrameError, StorageError
from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame, stack_images
from s3k_dist.geometry.projection import Cameras
from s3k_dist.geometry.triangulation import covariance, reprojection_residual, triangulate_robust
from s3k_dist.keypoints.heatmap import decode_peak, sharpness_of
from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig, normalised
from s3k_dist.weights import WeightsRegistry

MODEL_KIND = "keypoints"
NOISE_METRIC = "noise_px"
NOISE_SCALE_METRIC = "noise_scale/"  # and the name of a keypoint
DEFAULT_NOISE_PX = 1.0
OUTLIER_PX = 3.0  # at 128 px; detections of views that see a keypoint agree within 1.5


class Located(NamedTuple):
    """Keypoints in the world, and how sure of them the detector is."""

    points_m: Float[Tensor, "frames keypoints 3"]
    """World frame, metres."""
    covariance_m2: Float[Tensor, "frames keypoints 3 3"]
    """World frame, square metres."""
    residual_px: Float[Tensor, "frames views keypoints"]
    """Distance of the re-projected points from the detections, pixels."""


class KeypointDetector:
    """A trained keypoint model of one version; satisfies the feature service's ``Detector``.

    Args:
        network: shape of the network.
        weights: its state dict.
        version: of the model.
        published_at_ns: nanoseconds since the Unix epoch.
        noise_px: standard deviation of a detection along each image axis, measured on held-out labels. Sets the scale
            of the covariances; a frame whose views agree less than that gets a larger one.
        noise_scale: factor on that for each keypoint, fitted so that the covariances hold as much of the truth as they
            say (``learners/keypoint/calibration.py``); 1 where it is missing. Views that err alike, on a corner with
            little texture for instance, agree on a wrong point: neither ``noise_px`` nor their residuals can tell.
        device: that the network runs on; Eq. 2 is solved on the CPU, in double precision.

    Attributes:
        network: images, shape (N, 3, height, width), to log-heatmaps; another engine may take its place.
    """

    def __init__(
        self,
        network: NetworkConfig,
        weights: Mapping[str, Tensor],
        *,
        version: int = 0,
        published_at_ns: int = 0,
        noise_px: float = DEFAULT_NOISE_PX,
        noise_scale: Mapping[str, float] | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.version = version
        self.published_at_ns = published_at_ns
        self.keypoint_names = network.keypoint_names
        self.image_size_px = network.image_size_px
        self.config = network
        self.noise_scale = {name: (noise_scale or {}).get(name, 1.0) for name in network.keypoint_names}
        self._noise_px = noise_px
        self._device = torch.device(device)
        trained = KeypointNetwork(network)
        trained.load_state_dict(dict(weights))
        trained.eval().requires_grad_(False).to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network: Callable[[Tensor], Tensor] = trained

    @classmethod
    def load(cls, registry: WeightsRegistry, version: int, device: str | torch.device = "cpu") -> "KeypointDetector":
        """The model of one version, on a device.

        Raises:
            StorageError: the version is missing or damaged, or is no keypoint model.
        """
        weights, manifest = registry.load(version)
        try:
            return cls(
                NetworkConfig.model_validate(manifest.config),
                weights,
                version=version,
                published_at_ns=manifest.created_at_ns,
                noise_px=manifest.metrics.get(NOISE_METRIC, DEFAULT_NOISE_PX),
                noise_scale={
                    name.removeprefix(NOISE_SCALE_METRIC): value
                    for name, value in manifest.metrics.items()
                    if name.startswith(NOISE_SCALE_METRIC)
                },
                device=device,
            )
        except (ValidationError, RuntimeError) as error:  # RuntimeError: the weights are of another network
            reason = " ".join(str(error).split())
            raise StorageError(
                f"version {version} in {registry.root} holds {manifest.kind!r}, not a keypoint model: {reason}"
            ) from error

    def extract(self, frame: MultiViewFrame) -> FrameFeatures:
        """The keypoints of one frame: a detector serves where a ``FeatureClient`` would."""
        return self.detect([frame])[0]

    def detect(self, frames: Sequence[MultiViewFrame]) -> list[FrameFeatures]:
        """The keypoints of frames that share their number of views.

        Raises:
            FrameError: a frame has fewer than two views, or images that are not ``image_size_px`` square.
        """
        if not frames:
            return []
        for frame in frames:
            self._require_usable(frame)
        pixels, weights = self.decode(torch.from_numpy(stack_images(frames)))
        points, spread, residual = self.locate(pixels, weights, stack_cameras(frames))
        return [
            FrameFeatures(
                cell_id=frame.cell_id,
                sequence=frame.sequence,
                captured_at_ns=frame.captured_at_ns,
                model_version=self.version,
                keypoint_names=self.keypoint_names,
                camera_names=tuple(camera.name for camera in frame.cameras),
                positions_m=points[index].numpy(),
                covariance_m2=spread[index].numpy(),
                pixels=pixels[index].numpy(),
                confidence=weights[index].numpy(),
                residual_px=residual[index].numpy(),
            )
            for index, frame in enumerate(frames)
        ]

    def decode(
        self, images: Tensor
    ) -> tuple[Float[Tensor, "frames views keypoints 2"], Float[Tensor, "frames views keypoints"]]:
        """Detections in each view, pixels, and their weights; ``images`` as in :meth:`heatmaps`."""
        size, network = self.config.heatmap_size, self.config
        log_heatmaps = self.heatmaps(images)
        with torch.inference_mode():
            decoded = decode_peak(log_heatmaps, size, size, sigma=network.sigma, stride=network.stride)
            weights = sharpness_of(decoded, network.sharpness, sigma=network.sigma)
            return decoded.pixels.double().cpu(), weights.double().cpu()

    def locate(
        self,
        pixels: Float[Tensor, "frames views keypoints 2"],
        weights: Float[Tensor, "frames views keypoints"],
        cameras: Cameras,
    ) -> Located:
        """Eq. 2 on detections, double precision.

        Args:
            pixels: of :meth:`decode`, or some of its views.
            weights: of the same.
            cameras: leading shape (frames, views).
        """
        with torch.inference_mode():
            outlier_px = OUTLIER_PX * self.config.image_size_px / 128
            points, used = triangulate_robust(pixels, weights, cameras, outlier_px=outlier_px)
            residual = reprojection_residual(points, pixels, cameras)
            return Located(points, covariance(pixels, used, cameras, points, self._noise_of(residual, used)), residual)

    def heatmaps(self, images: Tensor) -> Float[Tensor, "frames views keypoints cells"]:
        """Log-probabilities; ``images`` are RGB uint8, shape (frames, views, height, width, 3)."""
        with torch.inference_mode():
            flat = normalised(images.flatten(0, 1).to(self._device, non_blocking=True))
            return self.network(flat.contiguous(memory_format=torch.channels_last)).unflatten(0, images.shape[:2])

    def _noise_of(
        self, residual: Float[Tensor, "frames views keypoints"], weights: Float[Tensor, "frames views keypoints"]
    ) -> Float[Tensor, "frames views keypoints"]:
        """Measured noise, or what this frame's own disagreement says where that is more, times each keypoint's scale.

        V views give 2V equations for 3 unknowns, so the residuals estimate the variance with 2V - 3 degrees of freedom.
        The width of the heatmap, tried as a further factor, made the covariances no sharper.
        """
        freedom = 2 * residual.shape[1] - 3
        share = weights / weights.mean(1, keepdim=True)
        seen = ((share * residual.square()).sum(1, keepdim=True) / freedom).sqrt()
        scale = residual.new_tensor([self.noise_scale[name] for name in self.keypoint_names])
        return (scale * seen.clamp_min(self._noise_px)).expand_as(residual)

    def _require_usable(self, frame: MultiViewFrame) -> None:
        frame.require_views(2)
        size = self.image_size_px
        for view in frame.views:
            if view.image.shape[:2] != (size, size):
                height, width = view.image.shape[:2]
                raise FrameError(
                    f"frame {frame.frame_id}, view {view.camera.name!r}: image is {width} x {height} px; "
                    f"model version {self.version} expects {size} x {size}"
                )


def stack_cameras(frames: Sequence[MultiViewFrame]) -> Cameras:
    """Cameras of frames of one layout, leading shape (frames, views), double precision."""
    views = len(frames[0].views)
    flat = Cameras.stack([camera for frame in frames for camera in frame.cameras])
    return Cameras(
        *(
            getattr(flat, field).unflatten(0, (len(frames), views))
            for field in ("intrinsics", "distortion", "rotation", "translation_m")
        )
    )
