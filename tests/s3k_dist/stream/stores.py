"""Stores to test with: one that fails on demand, and a real S3-protocol server on loopback."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

HANG_GUARD_S = 60.0


class FailingFileSystem(MemoryFileSystem):
    """``failing://``: a memory file system whose server can be away, hang, or keep half of what is put."""

    protocol = "failing"
    store: dict[str, Any] = {}  # noqa: RUF012  # shared by all instances, as fsspec's own is
    pseudo_dirs = [""]  # noqa: RUF012
    away = False
    hangs: threading.Event | None = None
    tears = False

    def _answer(self) -> None:
        if FailingFileSystem.hangs is not None:
            FailingFileSystem.hangs.wait(HANG_GUARD_S)
        if FailingFileSystem.away:
            raise ConnectionRefusedError("nobody listens")

    def find(self, *arguments: Any, **options: Any) -> Any:
        self._answer()
        return super().find(*arguments, **options)

    def info(self, *arguments: Any, **options: Any) -> Any:
        self._answer()
        return super().info(*arguments, **options)

    def cat_file(self, *arguments: Any, **options: Any) -> Any:
        self._answer()
        return super().cat_file(*arguments, **options)

    def pipe_file(self, path: str, value: bytes, **options: Any) -> Any:
        self._answer()
        return super().pipe_file(path, value[: len(value) // 2] if FailingFileSystem.tears else value, **options)

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(str(path).replace("failing://", "memory://"))


@contextmanager
def failing_file_system() -> Iterator[type[FailingFileSystem]]:
    """The switches of ``failing://``, a new and empty one."""
    fsspec.register_implementation("failing", FailingFileSystem, clobber=True)
    FailingFileSystem.store.clear()
    FailingFileSystem.pseudo_dirs[:] = [""]
    yield FailingFileSystem
    FailingFileSystem.away, FailingFileSystem.tears = False, False
    if FailingFileSystem.hangs is not None:
        FailingFileSystem.hangs.set()
    FailingFileSystem.hangs = None


class S3Server:
    """An S3-protocol server that can be stopped and started; what it holds stays."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._server: Any = None

    @property
    def url(self) -> str:
        """Of a bucket of this server's own: what one server of a process holds, they all hold."""
        return f"s3://bucket-{self.port}"

    @property
    def options(self) -> dict[str, Any]:
        """For `open_store`."""
        return {"endpoint_url": f"http://127.0.0.1:{self.port}", "key": "test", "secret": "test"}

    def start(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A server with an empty bucket; skips the test where the `s3` extra is not installed."""
    pytest.importorskip("s3fs")
    pytest.importorskip("moto")
    import s3fs

    server = S3Server()
    server.start()
    try:
        s3fs.S3FileSystem(**server.options, skip_instance_cache=True).mkdir(f"bucket-{server.port}")
        yield server
    finally:
        server.stop()
