"""What a run has acknowledged, by name and checksum: frames, labels, demonstrations, versions of the weights."""

import hashlib
from pathlib import Path

import numpy as np

from deploy.run_folder import RunFolder
from s3k_dist.errors import StorageError
from s3k_dist.stream.reader import StreamReader
from s3k_dist.weights import WeightsRegistry

SAMPLED = 40  # frames that are read again after each fault; all of them at the end


class Ledger:
    """Remembers what was there, and says what of it is not any more.

    Sketch::

        ledger.note()             # all this was acknowledged
        ...                       # something happens
        for loss in ledger.lost():
            ...                   # in words

    Args:
        root: folder of the run.
        seed: decides which frames are read again.
    """

    def __init__(self, root: Path, seed: int = 0) -> None:
        self._folder = RunFolder(root)
        self._rng = np.random.default_rng(seed)
        self._frames: dict[str, str | None] = {}  # digests of those that were read
        self._files: dict[str, str] = {}
        self._versions: dict[int, str] = {}
        self._damaged: set[str] = set()

    @property
    def frames(self) -> tuple[str, ...]:
        """Names of the frames that are remembered."""
        return tuple(self._frames)

    @property
    def counts(self) -> dict[str, int]:
        """How much is remembered."""
        return {"frames": len(self._frames), "files": len(self._files), "versions": len(self._versions)}

    def note(self) -> None:
        """Add what is there by now."""
        reader = self._reader()
        fresh = [name for name in reader.frame_ids() if name not in self._frames and name not in self._damaged]
        for name in fresh:
            self._frames[name] = None
        # Of the new ones some are read at once, to be compared with themselves later on.
        for name in self._some(fresh):
            self._frames[name] = _digest_of(reader, name)
        self._files |= self._files_there()
        self._versions |= self._versions_there()

    def forget_frame(self, name: str) -> None:
        """It was damaged on purpose."""
        self._frames.pop(name, None)
        self._damaged.add(name)

    def forget_version(self, version: int) -> None:
        """It was damaged on purpose."""
        self._versions.pop(version, None)

    def lost(self, *, all_frames: bool = False) -> list[str]:
        """What was acknowledged and is not there any more, or is not as it was; empty if nothing is lost.

        Args:
            all_frames: read every frame, not some.
        """
        reader = self._reader()
        names = set(reader.frame_ids())
        losses = [f"frame {name} is gone" for name in self._frames if name not in names]
        known = [name for name in self._frames if name in names]
        for name in known if all_frames else self._some(known):
            try:
                digest = _digest_of(reader, name)
            except StorageError as error:
                losses.append(f"frame {name}: {error}")
                continue
            if self._frames[name] not in (None, digest):
                losses.append(f"frame {name} is another one")
            self._frames[name] = digest
        files, versions = self._files_there(), self._versions_there()
        losses += [f"{name} is gone or changed" for name, digest in self._files.items() if files.get(name) != digest]
        losses += [
            f"version {version} of the weights is gone or damaged"
            for version, digest in self._versions.items()
            if versions.get(version) != digest
        ]
        return losses

    def _reader(self) -> StreamReader:
        reader = StreamReader(self._folder.stream)
        reader.refresh()
        return reader

    def _some(self, names: list[str]) -> list[str]:
        return [names[at] for at in self._rng.permutation(len(names))[:SAMPLED]]

    def _files_there(self) -> dict[str, str]:
        """Labels and demonstrations."""
        folder = self._folder
        paths = [folder.labels, folder.demonstrations, *folder.recordings.glob("*.npz")]
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.exists()}

    def _versions_there(self) -> dict[int, str]:
        registry = WeightsRegistry(self._folder.models)
        found = {}
        for version in registry.versions():
            try:
                registry.verify(version)
                found[version] = registry.manifest(version).sha256
            except StorageError:
                continue
        return found


def _digest_of(reader: StreamReader, name: str) -> str:
    record = reader.read_by_id(name)
    digest = hashlib.sha256(f"{name} {record.frame.captured_at_ns} {record.episode_id} {record.step}".encode())
    for view in record.frame.views:
        digest.update(view.image.tobytes())
    return digest.hexdigest()
