"""Where a run keeps what, and how far it has come."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s3k_dist.atomic import write_atomic
from s3k_dist.errors import StorageError
from s3k_dist.folders import make_folder
from s3k_dist.weights import WeightsRegistry


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run.

    Attributes:
        root: the run's folder.
    """

    root: Path

    @property
    def stream(self) -> Path:
        """Shards of all cells."""
        return self.root / "stream"

    @property
    def spool(self) -> Path:
        """Where shards wait for a stream that is elsewhere."""
        return self.root / "spool"

    @property
    def recordings(self) -> Path:
        """What the robots did before there was a model."""
        return self.root / "recordings"

    @property
    def tracks(self) -> Path:
        """What the robots did in the episodes that the policy learns from."""
        return self.root / "tracks"

    @property
    def fleet(self) -> Path:
        """Which cells there are."""
        return self.root / "fleet"

    @property
    def demonstrations(self) -> Path:
        """Parquet: what the policy was cloned from."""
        return self.root / "demonstrations.parquet"

    @property
    def labels(self) -> Path:
        """The clicks."""
        return self.root / "labels.json"

    @property
    def models(self) -> Path:
        """Registry of keypoint models."""
        return self.root / "models"

    def encoder(self, kind: str) -> Path:
        """Registry of encoders of one kind, where the agent observes an embedding."""
        return self.root / "encoders" / kind

    @property
    def trainer(self) -> Path:
        """State of the keypoint trainer."""
        return self.root / "trainer.pt"

    @property
    def checkpoints(self) -> Path:
        """Of the DDPG learner."""
        return self.root / "checkpoints"

    @property
    def policy(self) -> Path:
        """The trained actor."""
        return self.root / "policy.safetensors"

    @property
    def episodes(self) -> Path:
        """One line for each episode of training and evaluation."""
        return self.root / "episodes.jsonl"

    @property
    def drift(self) -> Path:
        """One line for each alarm, and for each camera that was looked at because of one."""
        return self.root / "drift.jsonl"

    @property
    def audit(self) -> Path:
        """Who promoted and rolled back what, and what its physical robots were asked (``s3k audit --file``)."""
        return self.root / "audit.jsonl"

    @property
    def summary(self) -> Path:
        """What came out."""
        return self.root / "summary.json"

    @property
    def pictures(self) -> Path:
        """Frames for the report."""
        return self.root / "pictures.npz"

    def create(self) -> None:
        """Make the folders.

        Raises:
            StorageError: they cannot be made or written.
        """
        for folder in (self.root, self.stream, self.recordings, self.tracks):
            make_folder(folder)
        write_atomic(self.root / ".writable", b"")
        (self.root / ".writable").unlink(missing_ok=True)

    def require_model(self) -> int:
        """The promoted keypoint model's version.

        Raises:
            StorageError: there is none yet.
        """
        version = WeightsRegistry(self.models).current() if self.models.is_dir() else None
        if version is None:
            raise StorageError(f"{self.root} has no keypoint model; `s3k train keypoints --run {self.root}` makes one")
        return version

    def progress(self) -> dict[str, Any]:
        """What is done: empty for a new run."""
        path = self.root / "progress.json"
        if not path.exists():
            return {}
        try:
            progress = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise StorageError(f"{path} is damaged: {error}") from error
        return progress if isinstance(progress, dict) else {}

    def note(self, **done: Any) -> None:
        """Add to what is done, safely against a crash."""
        write_atomic(self.root / "progress.json", json.dumps(self.progress() | done, indent=1).encode())
