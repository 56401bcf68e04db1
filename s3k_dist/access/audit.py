"""The audit log: one JSON line for each thing that somebody had done, on disk before anyone is told that it is done.

    log = AuditLog(Path("audit.jsonl"))
    log.write("anna", "model.promote", version=12, reason="sharper on the new cable")

JSON in ASCII has no line breaks and no control characters of its own: no name and no reason can forge a second line, or
draw over a terminal that shows the file.
"""

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from s3k_dist.atomic import OWNER_ONLY
from s3k_dist.errors import StorageError

LONGEST_TEXT = 500  # characters of one fact: nobody may fill the disk with a reason


@dataclass(frozen=True)
class AuditEntry:
    """One line.

    Attributes:
        at_s: seconds since the Unix epoch.
        who: name of a token's holder, or of a certificate.
        action: "robot.stop", "model.promote", "call.refused"; docs/security.md lists them.
        facts: JSON values by name.
    """

    at_s: float
    who: str
    action: str
    facts: dict[str, Any]

    @property
    def time(self) -> str:
        """UTC, ISO 8601."""
        return datetime.fromtimestamp(self.at_s, UTC).isoformat(timespec="milliseconds")


class AuditLog:
    """Adds lines to a file that only its owner reads; safe for several threads and several processes at once.

    A line that a crash tore is closed by the next one, and skipped by who reads.

    Args:
        path: of the file; made, with its folder, by the first line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def write(self, who: str, action: str, **facts: Any) -> None:
        """Add a line, and have it on disk.

        Args:
            who: did it.
            action: what it was.
            facts: JSON values; anything else is written as its text, and what is long is cut.

        Raises:
            StorageError: it cannot be written: whoever asked for the action should hear so.
        """
        line = {"at_s": round(time.time(), 3), "who": _short(who), "action": _short(action), "facts": _short(facts)}
        data = json.dumps(line, default=lambda value: _short(str(value))).encode("ascii") + b"\n"
        try:
            with self._lock:
                self._append(data)
        except OSError as error:
            raise StorageError(f"cannot write the audit log {self.path}: {error.strerror or error}") from error

    def _append(self, data: bytes) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)
        try:
            # Between two processes: neither may look for a torn end while the other is in the middle of its line.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                data = b"\n" + data
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_audit(path: Path) -> Iterator[AuditEntry]:
    """The lines of a log, oldest first, without torn ones.

    Raises:
        StorageError: there is no such file, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            for line in file:
                entry = _entry(line)
                if entry is not None:
                    yield entry
    except OSError as error:
        raise StorageError(f"cannot read the audit log {path}: {error.strerror or error}") from error


def _entry(line: bytes) -> AuditEntry | None:
    try:
        said = json.loads(line)
        entry = AuditEntry(float(said["at_s"]), str(said["who"]), str(said["action"]), dict(said["facts"]))
        datetime.fromtimestamp(entry.at_s, UTC)  # a time that is one
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
        return None
    return entry


def _short(value: Any) -> Any:
    if isinstance(value, str):
        # A lone surrogate is no text; what prints the log must not stumble over it.
        text = value.encode("utf-8", "replace").decode()
        return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 3]}..."
    if isinstance(value, dict):
        return {str(_short(str(name))): _short(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [_short(held) for held in value[:LONGEST_TEXT]]
    return value
