"""Keeps the newest promoted model in service: looks at the registry, loads aside, swaps between two batches."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from s3k_dist.errors import ServiceError
from s3k_dist.features.detector import CurrentVersion
from s3k_dist.features.metrics import FeatureMetrics

logger = logging.getLogger(__name__)

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 60.0


class Versioned(Protocol):
    """A model that knows which version it is."""

    @property
    def version(self) -> int:
        """Version in the weights registry."""


Model = TypeVar("Model", bound=Versioned)


class ModelFollower(Generic[Model]):
    """A thread that follows the promoted version of one registry.

    A version that fails to load is refused, logged and counted, and the one before goes on serving. It is tried again
    after 1, 2, 4 ... 60 seconds, since a disk may have been the reason, or at once when another version is promoted.

    Args:
        current_version: asked every ``poll_s`` seconds.
        load: makes the model of a version, in this thread.
        serve: takes a new model into service.
        metrics: where failures are counted.
        poll_s: how often to look, seconds.
        withdraw: called when no version ought to serve any more; None lets the last one serve on.
        refused: called with a version that failed to load.
    """

    def __init__(
        self,
        current_version: CurrentVersion,
        load: Callable[[int], Model],
        serve: Callable[[Model], None],
        metrics: FeatureMetrics,
        poll_s: float,
        *,
        withdraw: Callable[[], None] | None = None,
        refused: Callable[[int], None] | None = None,
    ) -> None:
        self._current_version = current_version
        self._load = load
        self._serve = serve
        self._metrics = metrics
        self._withdraw = withdraw
        self._tell_refused = refused
        self._poll_s = poll_s
        self._serving: int | None = None
        self._refused: int | None = None
        self._retry_at = 0.0
        self._retry_s = FIRST_RETRY_S
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="s3k-model-follower", daemon=True)
        self.problem = "no version is promoted"

    def start(self) -> None:
        """Start to follow; the first look is at once."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Stop; a load under way is waited for at most ``timeout_s`` and then left to end by itself."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _follow(self) -> None:
        while not self._stopping.is_set():
            self._look()
            self._stopping.wait(self._poll_s)

    def _look(self) -> None:
        try:
            version = self._current_version()
        except Exception as error:  # noqa: BLE001  # a registry that cannot be read now may be readable again later
            self._note_problem(" ".join(str(error).split()))
            return
        if version is None and self._withdraw is not None and self._serving is not None:
            self._withdraw()
            self._serving = None
        if version is None or version == self._serving:
            return
        if version == self._refused and time.monotonic() < self._retry_at:
            return
        try:
            model = self._load(version)
            if model.version != version:
                # Its features would carry a version that did not make them.
                raise ServiceError(f"asked for version {version}, got a model of version {model.version}")
        except Exception as error:  # noqa: BLE001  # loading is foreign code, and the old model must go on serving
            self._refuse(version, error)
            return
        if self._stopping.is_set():
            return
        self._serve(model)
        logger.info("model version %d serves, after %s", version, self._serving)
        self._serving, self._refused = version, None

    def _refuse(self, version: int, error: Exception) -> None:
        self._retry_s = min(2 * self._retry_s, LONGEST_RETRY_S) if version == self._refused else FIRST_RETRY_S
        self._retry_at = time.monotonic() + self._retry_s
        self._refused = version
        self._metrics.swap_failed()
        if self._tell_refused is not None:
            self._tell_refused(version)
        self._note_problem(f"version {version} could not be loaded: {' '.join(str(error).split())}")

    def _note_problem(self, problem: str) -> None:
        if problem != self.problem:
            logger.warning("%s; version %s goes on serving", problem, self._serving)
        self.problem = problem
