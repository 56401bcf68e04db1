"""What the feature service asks of its models: a keypoint model always, an encoder where embeddings are wanted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from s3k_dist.features.types import Embedding, FrameFeatures
from s3k_dist.frames import MultiViewFrame
from s3k_dist.weights import WeightsRegistry
from s3k_dist.weights_history import Canary


class Detector(Protocol):
    """One version of the keypoint model, ready to read frames.

    Only one thread calls `detect`, and always with frames of one layout: as many views, of the same sizes in the same
    order. The answer holds one `FrameFeatures` for each frame, in order, marked with `version`.
    """

    @property
    def version(self) -> int:
        """Version in the weights registry."""

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        """The keypoints, in the order of the features."""

    @property
    def image_size_px(self) -> int:
        """Side of the square images that the network sees, pixels."""

    @property
    def published_at_ns(self) -> int:
        """Host time of publication, nanoseconds since the Unix epoch."""

    def detect(self, frames: Sequence[MultiViewFrame]) -> list[FrameFeatures]:
        """Read frames of one layout. Raises FrameError for a frame that cannot be used."""


class Encoder(Protocol):
    """One version of an encoder; called as a ``Detector`` is, by the same thread, with the same frames."""

    @property
    def kind(self) -> str:
        """Of the model, as in its manifest."""

    @property
    def version(self) -> int:
        """Version in its own weights registry."""

    @property
    def embedding_size(self) -> int:
        """Numbers in an embedding."""

    @property
    def published_at_ns(self) -> int:
        """Host time of publication, nanoseconds since the Unix epoch."""

    def embed(self, frames: Sequence[MultiViewFrame]) -> list[Embedding]:
        """Read frames of one layout. Raises FrameError for a frame that cannot be used."""


LoadDetector = Callable[[int], Detector]
"""Makes the detector of a version; may take seconds and may raise anything: the service then keeps the one it has."""

LoadEncoder = Callable[[int], Encoder]
"""The same for an encoder."""

CurrentVersion = Callable[[], int | None]
"""The version that ought to serve, cheap enough to ask every second: `WeightsRegistry.current`."""


@dataclass(frozen=True)
class Trials:
    """Where a server finds out which version is on trial, and where it says how that does.

    Attributes:
        canary: the version on trial: `WeightsRegistry.canary`.
        weights: folder of the registry, beside whose versions the figures are written.
    """

    canary: Callable[[], Canary | None]
    weights: Path

    @classmethod
    def of(cls, registry: WeightsRegistry) -> "Trials":
        """Of a registry."""
        return cls(registry.canary, registry.root)


@dataclass(frozen=True)
class EncoderSource:
    """Where a server finds its encoder.

    Attributes:
        current_version: the version that ought to serve: `WeightsRegistry.current`, of a registry of encoders.
        load: makes the encoder of a version.
    """

    current_version: CurrentVersion
    load: LoadEncoder
