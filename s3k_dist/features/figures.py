"""How each version does while it serves, without labels: what decides on a canary and on a roll-back.

A service counts since the versions it serves last changed, so that two versions are compared over the same time. Every
replica writes a file of its own beside the weights; whoever decides adds them up:

    models/figures/<replica>.json   {"serving": 7, "canary": 8, "at_ns": ..., "versions": {"7": {...}, "8": {...}}}
"""

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from s3k_dist.atomic import write_atomic
from s3k_dist.errors import StorageError
from s3k_dist.features.types import FrameFeatures
from s3k_dist.folders import make_folder

FOLDER_NAME = "figures"
LEAST_CONFIDENCE = 0.5  # a detection below it is missing
LEAST_RESIDUAL_PX, LARGEST_RESIDUAL_PX = 0.05, 1e3
REMEMBERED_FRAMES = 1000  # what came before weighs less and less, so that a model that goes wrong late is noticed, too
ABANDONED_S = 24 * 3600.0  # files of replicas that are gone


class VersionFigures(BaseModel):
    """What a version's answers show; sums, so that those of replicas can be added.

    Attributes:
        frames: answered.
        failures: frames that it could not read and the other version could, and attempts to load it in vain.
        weight: of the frames in the sums; those of long ago weigh less.
        log_residual: sum of the mean logarithm of the residual in pixels, whose mean no single wild view decides.
        confidence: sum of the mean confidence.
        missing: sum of the share of detections that are missing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    frames: int = 0
    failures: int = 0
    weight: float = 0.0
    log_residual: float = 0.0
    confidence: float = 0.0
    missing: float = 0.0

    @property
    def means(self) -> dict[str, float]:
        """``residual_px`` (geometric mean), ``confidence`` and ``missing`` (share); NaN before a frame."""
        weight = self.weight or math.nan
        return {
            "residual_px": math.exp(self.log_residual / weight) if self.weight else math.nan,
            "confidence": self.confidence / weight,
            "missing": self.missing / weight,
        }

    def __add__(self, other: "VersionFigures") -> "VersionFigures":
        return VersionFigures(
            **{name: getattr(self, name) + getattr(other, name) for name in VersionFigures.model_fields}
        )

    def with_frame(self, features: FrameFeatures) -> "VersionFigures":
        """One more answer."""
        keep = 0.5 if self.weight >= REMEMBERED_FRAMES else 1.0
        confidence = np.nan_to_num(features.confidence, nan=0.0)
        residual = np.nan_to_num(features.residual_px, nan=LARGEST_RESIDUAL_PX)
        logarithm = np.log(np.clip(residual, LEAST_RESIDUAL_PX, LARGEST_RESIDUAL_PX))
        return VersionFigures(
            frames=self.frames + 1,
            failures=self.failures,
            weight=keep * self.weight + 1,
            log_residual=keep * self.log_residual + float(logarithm.mean()),
            confidence=keep * self.confidence + float(confidence.mean()),
            missing=keep * self.missing + float((confidence < LEAST_CONFIDENCE).mean()),
        )


class ServingFigures(BaseModel):
    """What one replica counted, or all of them together.

    Attributes:
        serving: version that answers what the canary does not; 0 for none.
        canary: version on trial; 0 for none.
        at_ns: host time of writing, nanoseconds since the Unix epoch.
        versions: figures since these two serve.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    serving: int = 0
    canary: int = 0
    at_ns: int = 0
    versions: dict[int, VersionFigures] = {}

    def of(self, version: int) -> VersionFigures:
        """Of one version; zero if it answered nothing."""
        return self.versions.get(version, VersionFigures())


class FiguresBook:
    """Counts in a service; safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._serving = self._canary = 0
        self._versions: dict[int, VersionFigures] = {}

    def serves(self, version: int) -> None:
        """Another version answers from now on; counting begins anew."""
        with self._lock:
            self._serving, self._versions = version, {}

    def tries(self, version: int) -> None:
        """Another version is on trial from now on, 0 for none; counting begins anew."""
        with self._lock:
            if version != self._canary:
                self._canary, self._versions = version, {}

    def answered(self, answers: Iterable[FrameFeatures]) -> None:
        """Frames were answered."""
        with self._lock:
            for features in answers:
                version = features.model_version
                if version in (self._serving, self._canary):
                    self._versions[version] = self._versions.get(version, VersionFigures()).with_frame(features)

    def failed(self, version: int, count: int = 1) -> None:
        """A version on trial could not be loaded, or could not read frames that the other could."""
        with self._lock:
            figures = self._versions.get(version, VersionFigures())
            self._versions[version] = figures.model_copy(update={"failures": figures.failures + count})

    def figures(self) -> ServingFigures:
        """What was counted so far."""
        with self._lock:
            return ServingFigures(
                serving=self._serving, canary=self._canary, at_ns=time.time_ns(), versions=dict(self._versions)
            )


class FiguresWriter:
    """A thread that writes a book's figures every so often, and takes the file away at the end.

    Args:
        book: what is counted.
        weights: folder of the registry.
        replica: names the file; no two services of one registry share it.
        every_s: seconds between two writings.
        note: told the reason when the file cannot be written; the service goes on.
    """

    def __init__(
        self, book: FiguresBook, weights: Path, replica: str, every_s: float, note: Callable[[str], None]
    ) -> None:
        self._book = book
        self._path = weights / FOLDER_NAME / f"{replica.replace(':', '-').replace('/', '-')}.json"
        self._every_s = every_s
        self._note = note
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="s3k-figures", daemon=True)

    def start(self) -> None:
        """Start to write; the first time is at once."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Stop, and remove the file: a replica that is gone serves nobody."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self._path.unlink(missing_ok=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                make_folder(self._path.parent)
                write_atomic(self._path, self._book.figures().model_dump_json().encode())
                self._clear_abandoned()
            except (StorageError, OSError) as error:
                self._note(f"figures are not written: {' '.join(str(error).split())}")
            self._stopping.wait(self._every_s)

    def _clear_abandoned(self) -> None:
        for path in self._path.parent.glob("*.json"):
            if time.time() - path.stat().st_mtime > ABANDONED_S:
                path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Replicas:
    """All services of one registry.

    Attributes:
        age_s: of the newest of their files; infinite if there is none.
        together: their figures added up, of those that serve the versions asked for.
    """

    age_s: float
    together: ServingFigures


def read_figures(weights: Path, serving: int, canary: int) -> Replicas:
    """Figures of all replicas that serve these two versions; a file that cannot be read counts as none.

    Args:
        weights: folder of the registry.
        serving: the promoted version.
        canary: the version on trial; 0 for none.
    """
    age_s, versions = math.inf, dict[int, VersionFigures]()
    for path in sorted((weights / FOLDER_NAME).glob("*.json")):
        try:
            figures = ServingFigures.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue  # gone in this moment, or of another release
        age_s = min(age_s, max(0.0, (time.time_ns() - figures.at_ns) / 1e9))
        if (figures.serving, figures.canary) == (serving, canary):
            for version, counted in figures.versions.items():
                versions[version] = versions.get(version, VersionFigures()) + counted
    return Replicas(age_s, ServingFigures(serving=serving, canary=canary, versions=versions))
