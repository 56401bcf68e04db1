"""Versioned weights in a folder: published whole, tried on a share of requests, promoted, rolled back.

    weights/
      v000001/weights.safetensors   the tensors
      v000001/manifest.json         what they are, and their sha256
      v000001/rejected.json         why it will not serve, if that was decided
      promoted.json                 which version serves, which is on trial, and every promotion and roll-back before
      .lock                         held while a process publishes or decides

A version is a candidate when published. It may be made the canary, which answers a share of the requests, and is then
promoted, or rejected with the reason. A promoted one is replaced by the next, or rolled back with the reason.

A version appears by the rename of a finished, synced folder, so a kill at any moment leaves the whole version or none.
Importing this module, and asking for `current()`, loads no torch: a poller asks several times a second.

    registry = WeightsRegistry(Path("runs/weights"))
    version = registry.publish(network.state_dict(), ModelManifest(kind="keypoints", config={"channels": 32}))
    registry.promote(version)
    tensors, manifest = registry.load(registry.current())
"""

import hashlib
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from s3k_dist.access.audit import AuditLog
from s3k_dist.atomic import sync_folder, write_atomic
from s3k_dist.errors import StorageError
from s3k_dist.file_lock import file_lock
from s3k_dist.folders import make_folder
from s3k_dist.weights_history import Canary, Pointer, PromotionEvent, Rejection, VersionStatus

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS_NAME = "weights.safetensors"
MANIFEST_NAME = "manifest.json"
POINTER_NAME = "promoted.json"
REJECTED_NAME = "rejected.json"
LOCK_NAME = ".lock"
ASIDE_PREFIX = ".publishing-"
LOCK_TIMEOUT_S = 30.0  # a publication takes well under a second; longer means a stuck disk


class ModelManifest(BaseModel):
    """What a version of the weights is.

    Attributes:
        kind: what the weights are for, such as "keypoints".
        config: what rebuilds the network; JSON, opaque to the registry.
        metrics: what was measured at publication; a documented name and its value.
        created_at_ns: host time of creation, nanoseconds since the Unix epoch.
        version: filled in by `WeightsRegistry.publish`.
        sha256: of the weights file, hexadecimal; filled in by `WeightsRegistry.publish`.
    """

    # NaN is a measured value too: a metric that could not be computed.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    kind: str
    config: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    created_at_ns: int = Field(default_factory=time.time_ns)
    version: int = 0
    sha256: str = ""


class WeightsRegistry:
    """Every version of the weights under ``root``, and which of them serves.

    Any number of processes may read, publish and promote at the same time. All methods raise StorageError, in one line,
    for a version that is missing or damaged, and for a folder that cannot be written.

    Args:
        root: the folder.
        audit: where promotions, roll-backs, trials and rejections are noted, beside this folder's own history.
        who: decides, as the audit log names them.
    """

    def __init__(self, root: Path, audit: AuditLog | None = None, who: str = "") -> None:
        self.root = Path(root)
        self._audit = audit
        self._who = who

    def publish(self, tensors: "dict[str, Tensor]", manifest: ModelManifest) -> int:
        """Store ``tensors`` as the next version, without promoting it.

        Args:
            tensors: named weights; safetensors on disk, on any device here.
            manifest: its `version` and `sha256` are filled in.

        Returns:
            The new version; once returned, it survives a power loss.
        """
        weights = _weights_bytes(tensors)
        make_folder(self.root)
        with file_lock(self.root / LOCK_NAME, LOCK_TIMEOUT_S):
            self._clear_abandoned()
            # A version whose folder was deleted may still be in the history: its number is not given out again.
            version = max([0, *self.versions(), *(event.version for event in self.history())]) + 1
            digest = hashlib.sha256(weights).hexdigest()
            complete = manifest.model_copy(update={"version": version, "sha256": digest})
            aside = self.root / f"{ASIDE_PREFIX}{version:06d}"
            try:
                aside.mkdir()
                write_atomic(aside / WEIGHTS_NAME, weights)
                write_atomic(aside / MANIFEST_NAME, _manifest_bytes(complete))
                aside.rename(self._folder(version))
                sync_folder(self.root)
            except (OSError, StorageError) as error:
                shutil.rmtree(aside, ignore_errors=True)
                raise StorageError(f"cannot publish version {version} in {self.root}: {_reason(error)}") from error
        return version

    def start_trial(self, version: int, share: float) -> None:
        """Let ``version`` answer a share of the requests, in (0, 1], until it is promoted or rejected.

        Refused while another is on trial, and before any version is promoted.
        """
        self._require_version(version)
        with file_lock(self.root / LOCK_NAME, LOCK_TIMEOUT_S):
            self._verified_weights(version)
            pointer = self._pointer()
            if pointer.current is None:
                raise StorageError(f"version {version} cannot be tried in {self.root}: no version is promoted yet")
            if pointer.canary is not None and pointer.canary.version != version:
                raise StorageError(
                    f"version {version} cannot be tried in {self.root}: version {pointer.canary.version} is on trial"
                )
            canary = Canary(version=version, share=share, since_ns=time.time_ns())
            self._note("trial", version=version, share=share)
            self._write_pointer(pointer.model_copy(update={"canary": canary}))

    def reject(self, version: int, reason: str) -> None:
        """Decide against ``version``, and end its trial if it is on one; a second decision changes nothing."""
        self._require_version(version)
        with file_lock(self.root / LOCK_NAME, LOCK_TIMEOUT_S):
            pointer = self._pointer()
            if pointer.current == version:
                raise StorageError(f"version {version} in {self.root} serves: it can be rolled back, not rejected")
            path = self._folder(version) / REJECTED_NAME
            # Before the trial ends: a crash in between leaves a trial that is decided once more.
            if not path.exists():
                rejection = Rejection(reason=reason, at_ns=time.time_ns())
                self._note("reject", version=version, reason=reason)
                write_atomic(path, rejection.model_dump_json(indent=1).encode())
            if pointer.canary is not None and pointer.canary.version == version:
                self._write_pointer(pointer.model_copy(update={"canary": None}))

    def promote(self, version: int, before: dict[str, float] | None = None, reason: str = "") -> None:
        """Let ``version`` serve, and end its trial if it is on one.

        Its weights are verified first; promoting what already serves changes nothing.

        Args:
            version: of the weights.
            before: kept with the promotion: how the version that served until now did, by metric name.
            reason: kept with it, too.
        """
        self._require_version(version)
        with file_lock(self.root / LOCK_NAME, LOCK_TIMEOUT_S):
            self._verified_weights(version)
            pointer = self._pointer()
            if pointer.current == version:
                return
            previous = pointer.previous if pointer.current is None else (*pointer.previous, pointer.current)
            event = PromotionEvent(
                action="promoted", version=version, at_ns=time.time_ns(), reason=reason, before=before or {}
            )
            self._note("promote", version=version, instead_of=pointer.current, reason=reason)
            self._write_pointer(pointer.moved(event, previous))

    def roll_back(self, reason: str = "", withdraw: int | None = None) -> int:
        """Let the version promoted before the current one serve again, or the last of those before that is not damaged.

        Args:
            reason: kept with the roll-back.
            withdraw: refuse if another version serves by now: of two who decide the same, one rolls back.

        Returns:
            The version that serves now.
        """
        if self.current() is None:
            raise StorageError(f"nothing to roll back in {self.root}: no version is promoted")
        with file_lock(self.root / LOCK_NAME, LOCK_TIMEOUT_S):
            pointer = self._pointer()
            if withdraw is not None and pointer.current != withdraw:
                raise StorageError(
                    f"version {withdraw} in {self.root} serves no more: {pointer.current} does, nothing is rolled back"
                )
            if not pointer.previous:
                raise StorageError(f"nothing to roll back to in {self.root}: {pointer.current} was promoted first")
            at = self._newest_whole(pointer.previous)
            version = pointer.previous[at]
            event = PromotionEvent(action="rolled back", version=version, at_ns=time.time_ns(), reason=reason)
            self._note("roll_back", version=version, instead_of=pointer.current, reason=reason)
            self._write_pointer(pointer.moved(event, pointer.previous[:at]))
            return version

    def current(self) -> int | None:
        """The promoted version; None before the first promotion. Reads one small file."""
        return self._pointer().current

    def canary(self) -> Canary | None:
        """The version on trial; None if there is none. Reads one small file."""
        return self._pointer().canary

    def status(self, version: int) -> VersionStatus:
        """What became of ``version``."""
        self._require_version(version)
        status = self._pointer().status(version)
        path = self._folder(version) / REJECTED_NAME
        if status.state == "candidate" and path.exists():
            try:
                return VersionStatus("rejected", Rejection.model_validate_json(path.read_bytes()).reason)
            except (OSError, ValidationError) as error:
                raise self._damaged(version, f"{REJECTED_NAME}: {_reason(error)}") from error
        return status

    def versions(self) -> list[int]:
        """All published versions, oldest first."""
        try:
            folders = [f for f in self.root.glob("v*") if f.name[1:].isdecimal() and (f / MANIFEST_NAME).is_file()]
        except OSError as error:
            raise StorageError(f"cannot read the weights folder {self.root}: {_reason(error)}") from error
        return sorted(int(folder.name[1:]) for folder in folders)

    def history(self) -> tuple[PromotionEvent, ...]:
        """Every promotion and roll-back, oldest first."""
        return self._pointer().events

    def manifest(self, version: int) -> ModelManifest:
        """What ``version`` is."""
        self._require_version(version)
        path = self._folder(version) / MANIFEST_NAME
        try:
            manifest = ModelManifest.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise self._damaged(version, f"{MANIFEST_NAME}: {_reason(error)}") from error
        if manifest.version != version:
            raise self._damaged(version, f"{MANIFEST_NAME} says version {manifest.version}")
        return manifest

    def load(self, version: int) -> "tuple[dict[str, Tensor], ModelManifest]":
        """The tensors of ``version`` on the CPU, verified against their sha256, and its manifest."""
        import safetensors.torch

        weights, manifest = self._verified_weights(version)
        return safetensors.torch.load(weights), manifest

    def verify(self, version: int) -> None:
        """Nothing, if the version is as it was published."""
        self._require_version(version)
        self._verified_weights(version)

    def _verified_weights(self, version: int) -> tuple[bytes, ModelManifest]:
        manifest = self.manifest(version)
        try:
            weights = (self._folder(version) / WEIGHTS_NAME).read_bytes()
        except OSError as error:
            raise self._damaged(version, f"{WEIGHTS_NAME}: {_reason(error)}") from error
        if hashlib.sha256(weights).hexdigest() != manifest.sha256:
            raise self._damaged(version, f"{WEIGHTS_NAME} does not match the sha256 in its manifest")
        return weights, manifest

    def _newest_whole(self, versions: tuple[int, ...]) -> int:
        """Index of the last of some versions that is not damaged."""
        for at in reversed(range(len(versions))):
            try:
                self._verified_weights(versions[at])
                return at
            except StorageError:
                if at == 0:
                    raise
        raise StorageError(f"no version of {self.root} was promoted before")

    def _pointer(self) -> Pointer:
        path = self.root / POINTER_NAME
        try:
            return Pointer.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return Pointer()
        except (OSError, ValidationError) as error:
            raise StorageError(f"cannot read {path}: {_reason(error)}; available: {self._available()}") from error

    def _write_pointer(self, pointer: Pointer) -> None:
        write_atomic(self.root / POINTER_NAME, pointer.model_dump_json(indent=1).encode())

    def _note(self, action: str, **facts: Any) -> None:
        # Before it is done: what cannot be noted is not done.
        if self._audit is not None:
            self._audit.write(self._who, f"model.{action}", registry=str(self.root), **facts)

    def _require_version(self, version: int) -> None:
        if version not in self.versions():
            raise StorageError(f"no version {version} in {self.root}; available: {self._available()}")

    def _clear_abandoned(self) -> None:
        # Under the lock nobody else publishes, so whatever lies aside was left by a process that died.
        for abandoned in self.root.glob(f"{ASIDE_PREFIX}*"):
            shutil.rmtree(abandoned, ignore_errors=True)

    def _folder(self, version: int) -> Path:
        return self.root / f"v{version:06d}"

    def _damaged(self, version: int, reason: str) -> StorageError:
        return StorageError(
            f"version {version} in {self.root} is damaged: {reason}; available: {self._available(version)}"
        )

    def _available(self, without: int | None = None) -> str:
        return ", ".join(str(version) for version in self.versions() if version != without) or "none"


def _weights_bytes(tensors: "dict[str, Tensor]") -> bytes:
    import safetensors.torch

    # safetensors refuses strided and shared memory: channels_last weights and tied layers need a copy of their own.
    return safetensors.torch.save({name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()})


def _manifest_bytes(manifest: ModelManifest) -> bytes:
    try:
        return manifest.model_dump_json(indent=1).encode()
    except ValueError as error:
        raise StorageError(f"the config of a manifest must be JSON: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The cause in one line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{first['msg']} at {'.'.join(map(str, first['loc'])) or 'the top'}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())
