"""A file that lines are added to, also while the disk is full: what finds no room waits, and goes first later."""

import errno
import os
from collections import deque
from collections.abc import Iterable
from io import FileIO
from pathlib import Path

MOST_WAITING = 200_000  # lines, some 20 MB: many hours of a run; then the oldest give way


class LineFile:
    """Adds lines to a file; each reaches the kernel before :meth:`add` returns, so that a killed process loses none.

    A line that a crash tore is closed by the next one. Not for two threads at once.

    Args:
        path: of the file; made with the first line.

    Attributes:
        problem: why lines wait, in words; empty while none does.
        closed: whether nothing can be added any more.
    """

    def __init__(self, path: Path) -> None:
        self.problem = ""
        self.closed = False
        self._path = path
        self._file: FileIO | None = None
        self._torn = False
        self._waiting: deque[bytes] = deque(maxlen=MOST_WAITING)

    def add(self, lines: Iterable[str]) -> None:
        """Add lines, after those that wait."""
        self._waiting.extend(line.encode() + b"\n" for line in lines)
        try:
            if self._file is None:
                self._file = FileIO(self._path, "a")
                self._torn = _ends_torn(self._path)
            while self._waiting:
                self._write(self._file, self._waiting[0])
                self._waiting.popleft()
            self.problem = ""
        except OSError as error:
            self.problem = f"cannot write {self._path}: {error.strerror or error}"

    def close(self) -> int:
        """Try once more to write what waits, and close; returns how many lines are lost. Safe to call twice."""
        if self.closed:
            return 0
        if self._waiting:
            self.add(())
        if self._file is not None:
            self._file.close()
        self.closed = True
        return len(self._waiting)

    def _write(self, file: FileIO, line: bytes) -> None:
        data = b"\n" + line if self._torn else line
        written = file.write(data)
        self._torn = written != len(data)
        if self._torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _ends_torn(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"
