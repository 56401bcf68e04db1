"""A feature service beside whatever else a process does: in an event loop of its own, in a thread."""

import asyncio
import threading
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from s3k_dist.errors import DeadlineError
from s3k_dist.features.server import THREAD_STOP_S, FeatureServer

START_S = 30.0
GRACE_S = 5.0


class FeatureServerThread:
    """Runs a `FeatureServer` in a thread, for an actor, a notebook or a test.

    with FeatureServerThread(FeatureServer(registry.current, load_detector)) as service:
        client = FeatureClient(service.address)
    """

    def __init__(self, server: FeatureServer) -> None:
        self.server = server
        self._port: Future[int] = Future()
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._grace_s = GRACE_S
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="s3k-features", daemon=True)

    @property
    def address(self) -> str:
        """Where it listens, with the port that was free."""
        return self.server.address

    def start(self, timeout_s: float = START_S) -> int:
        """Start it.

        Returns:
            The port.

        Raises:
            ServiceError: the port is in use.
            DeadlineError: it did not start within ``timeout_s`` seconds.
        """
        self._thread.start()
        try:
            return self._port.result(timeout_s)
        except TimeoutError:
            raise DeadlineError(f"the feature service did not start within {timeout_s:.1f} s") from None

    def stop(self, grace_s: float = GRACE_S) -> None:
        """Finish what is under way for at most ``grace_s`` seconds, and stop; stopping twice does nothing.

        Raises:
            DeadlineError: it did not stop, some seconds after the grace; its thread, a daemon, ends with the process.
        """
        if not self._thread.is_alive():
            return
        self._grace_s = grace_s
        self._loop.call_soon_threadsafe(self._stop.set)
        timeout_s = grace_s + 4 * THREAD_STOP_S
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise DeadlineError(f"the feature service did not stop within {timeout_s:.1f} s")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        try:
            port = await self.server.start()
        except BaseException as error:  # noqa: BLE001  # whatever it is, the caller of start() waits for it
            self._port.set_exception(error)
            return
        self._port.set_result(port)
        await self._stop.wait()
        await self.server.stop(self._grace_s)
