"""Frames in, embeddings out: one version of an encoder, ready to serve."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, UInt8
from pydantic import ValidationError
from torch import Tensor

from s3k_dist.embeddings.network import EncoderConfig, EncoderNetwork, stacked
from s3k_dist.errors import FrameError, StorageError
from s3k_dist.features.detector import EncoderSource
from s3k_dist.features.types import Embedding
from s3k_dist.frames import MultiViewFrame, stack_images
from s3k_dist.weights import WeightsRegistry

VAE_KIND = "vae"
FROZEN_KIND = "pixels-frozen"  # the same network with random weights
ENCODER_KINDS = (VAE_KIND, FROZEN_KIND)


class FrameEncoder:
    """An encoder of one version; satisfies the feature service's ``Encoder``.

    Args:
        config: shape of the network.
        weights: its state dict.
        kind: of the model, one of ``ENCODER_KINDS``.
        version: of the model.
        published_at_ns: nanoseconds since the Unix epoch.
    """

    def __init__(
        self,
        config: EncoderConfig,
        weights: Mapping[str, Tensor],
        *,
        kind: str = VAE_KIND,
        version: int = 0,
        published_at_ns: int = 0,
    ) -> None:
        self.config = config
        self.kind = kind
        self.version = version
        self.published_at_ns = published_at_ns
        self.embedding_size = config.latent_size
        self._network = EncoderNetwork(config)
        self._network.load_state_dict(dict(weights))
        self._network.eval().requires_grad_(False)

    @classmethod
    def load(cls, registry: WeightsRegistry, version: int) -> "FrameEncoder":
        """The encoder of one version.

        Raises:
            StorageError: the version is missing or damaged, or is no encoder.
        """
        weights, manifest = registry.load(version)
        if manifest.kind not in ENCODER_KINDS:
            raise StorageError(
                f"version {version} in {registry.root} holds {manifest.kind!r}, expected an encoder: "
                f"{' or '.join(map(repr, ENCODER_KINDS))}"
            )
        try:
            return cls(
                EncoderConfig.model_validate(manifest.config),
                weights,
                kind=manifest.kind,
                version=version,
                published_at_ns=manifest.created_at_ns,
            )
        except (ValidationError, RuntimeError) as error:  # RuntimeError: the weights are of another network
            reason = " ".join(str(error).split())
            raise StorageError(f"version {version} in {registry.root} is no encoder after all: {reason}") from error

    def embed(self, frames: Sequence[MultiViewFrame]) -> list[Embedding]:
        """The embeddings of frames of one layout.

        Raises:
            FrameError: a frame has another number of views, or other sizes, than the encoder was trained on.
        """
        if not frames:
            return []
        for frame in frames:
            self._require_usable(frame)
        values = self.embed_images(torch.from_numpy(stack_images(frames))).numpy()
        return [Embedding(self.kind, self.version, row) for row in values]

    def embed_images(self, images: UInt8[Tensor, "frames views height width 3"]) -> Float[Tensor, "frames latent"]:
        """The same of images as they are."""
        with torch.inference_mode():
            return self._network.embed(stacked(images))

    def _require_usable(self, frame: MultiViewFrame) -> None:
        views, size = self.config.views, self.config.image_size_px
        sizes = {view.image.shape[:2] for view in frame.views}
        if len(frame.views) != views or sizes != {(size, size)}:
            found = ", ".join(f"{width} x {height}" for height, width in sorted(sizes))
            raise FrameError(
                f"frame {frame.frame_id}: {len(frame.views)} views of {found} px; "
                f"encoder version {self.version} expects {views} views of {size} x {size} px"
            )


def encoder_source(registry: WeightsRegistry) -> EncoderSource:
    """What a feature server takes: the promoted encoder of a registry, and each that is promoted later."""
    return EncoderSource(registry.current, lambda version: FrameEncoder.load(registry, version))
