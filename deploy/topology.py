"""Which processes a run has and how they find each other: the only place that knows both actors and learners."""

import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from deploy.cells import cell_ids, collector_spec
from deploy.config import RunConfig
from deploy.processes import CellProcess, KeypointProcess, PolicyProcess, ServiceProcess
from deploy.run_folder import RunFolder
from s3k_dist.errors import CellError, DeadlineError, S3KError

START_S = 90.0  # a process imports torch and ray: 4 s alone, more when eight start at once
CALL_S = 120.0
KEEP_S = 5.0  # for what was learned to reach the disk after Ctrl-C; a run must be gone 10 s after it
STOP_S = 2.5
OBJECT_STORE_BYTES = 200 * 1024 * 1024  # frames go to the stream, not through Ray: only weights and chunks do


class Topology:
    """Processes of one run, started when first asked for, stopped together.

    Sketch::

        with Topology(config, folder) as topology:
            address = topology.service()
            for cell in topology.cells():
                topology.call(cell.connect.remote(address))
    """

    def __init__(self, config: RunConfig, folder: RunFolder) -> None:
        self._config = config
        self._folder = folder
        self._cells: dict[str, Any] = {}
        self._service: Any = None
        self._address = ""
        self._keypoints: Any = None
        self._policy: Any = None

    def __enter__(self) -> Self:
        # Ray nices its workers by 15 unless told otherwise; the processes choose for themselves.
        os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  # Ray spells it so
        os.environ.setdefault("RAY_DEDUP_LOGS", "0")
        # Waiting OpenMP threads that spin would take the core from whoever computes.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        ray.init(
            address=os.environ.get("RAY_ADDRESS") or "local",
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            **({} if os.environ.get("RAY_ADDRESS") else {"object_store_memory": OBJECT_STORE_BYTES}),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def cells(self) -> dict[str, Any]:
        """Handles of the cells by name."""
        for cell_id in cell_ids(self._config):
            self._cells.setdefault(cell_id, None)
        for cell_id, handle in self._cells.items():
            if handle is None:
                self._cells[cell_id] = _start(CellProcess, collector_spec(self._config, self._folder, cell_id))
        return dict(self._cells)

    def restart_cell(self, cell_id: str) -> Any:
        """A fresh process for a cell whose old one died or hung."""
        old = self._cells.get(cell_id)
        if old is not None:
            ray.kill(old)
        self._cells[cell_id] = _start(CellProcess, collector_spec(self._config, self._folder, cell_id))
        return self._cells[cell_id]

    def service(self, address: str | None = None) -> str:
        """Address of the feature service.

        Raises:
            ServiceError: the port is in use.
        """
        if self._service is None:
            wanted = address or self._config.service.address
            self._service = _start(ServiceProcess, self._config, self._folder, wanted)
            self._address = self.call(self._service.start.remote(), START_S)
        return self._address

    def keypoint_learner(self) -> Any:
        """Handle of the keypoint learner."""
        if self._keypoints is None:
            self._keypoints = _start(KeypointProcess, self._config, self._folder)
        return self._keypoints

    def policy_learner(self) -> Any:
        """Handle of the policy learner."""
        if self._policy is None:
            self._policy = _start(PolicyProcess, self._config, self._folder)
        return self._policy

    def call(self, reference: Any, deadline_s: float = CALL_S) -> Any:
        """The result of one or several remote calls.

        Raises:
            DeadlineError: none came within ``deadline_s`` seconds.
            S3KError: what the remote side raised, in its own words.
        """
        try:
            return ray.get(reference, timeout=deadline_s)
        except GetTimeoutError:
            raise DeadlineError(f"a process did not answer within {deadline_s:.0f} s") from None
        except RayTaskError as error:
            raise remote_cause(error) from error
        except RayError as error:
            raise CellError(f"a process died: {_one_line(error)}") from error

    def keep(self) -> None:
        """Let the learners save what they have learned; bounded, for a run that is told to stop."""
        saving = [part.save.remote() for part in (self._policy, self._keypoints) if part is not None]
        if saving:
            ray.wait(saving, num_returns=len(saving), timeout=KEEP_S)

    def stop(self) -> None:
        """Stop every process in order; bounded, so that Ctrl-C ends a run within seconds."""
        # RLlib's own clean-up is for environments it stepped itself; this learner has none.
        parts = [*self._cells.values(), self._service]
        stopping = [part.stop.remote() for part in parts if part is not None]
        if stopping and ray.is_initialized():
            ray.wait(stopping, num_returns=len(stopping), timeout=STOP_S)
        self._cells, self._service, self._keypoints, self._policy = {}, None, None, None
        ray.shutdown()


class Calls:
    """Remote calls under way, each with a name and a deadline; whoever is slow holds nobody up.

    Sketch::

        calls.ask("cell0", cell.train_episode.remote(seed), deadline_s=60)
        for name, result in calls.ready(timeout_s=1.0):
            ...                       # result is an S3KError where the call failed or is overdue
    """

    def __init__(self) -> None:
        self._pending: dict[Any, tuple[str, float]] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def ask(self, name: str, reference: Any, deadline_s: float) -> None:
        """Wait for ``reference`` under ``name``."""
        self._pending[reference] = (name, time.monotonic() + deadline_s)

    def waiting_for(self, name: str) -> bool:
        """Whether a call of this name is under way."""
        return any(pending == name for pending, _ in self._pending.values())

    def ready(self, timeout_s: float) -> list[tuple[str, Any]]:
        """Results that came within ``timeout_s`` seconds, and an error for each call that failed or is overdue."""
        if not self._pending:
            return []
        done, _ = ray.wait(list(self._pending), num_returns=1, timeout=timeout_s)
        more, _ = ray.wait(list(self._pending), num_returns=len(self._pending), timeout=0)
        results: list[tuple[str, Any]] = []
        for reference in {*done, *more}:
            name, _ = self._pending.pop(reference)
            results.append((name, _result(reference)))
        now = time.monotonic()
        for reference, (name, until) in list(self._pending.items()):
            if now > until:
                del self._pending[reference]
                results.append((name, DeadlineError(f"{name} did not answer in time")))
        return results

    def drain(self, each: Callable[[str, Any], None], timeout_s: float) -> None:
        """Wait for all that is under way, at most ``timeout_s`` seconds."""
        until = time.monotonic() + timeout_s
        while self._pending and time.monotonic() < until:
            for name, result in self.ready(max(0.01, until - time.monotonic())):
                each(name, result)


def _start(process: Any, *arguments: Any) -> Any:
    """A Ray actor of a decorated class; Ray adds ``remote`` to it where a type checker does not look."""
    return process.remote(*arguments)


def remote_cause(error: RayTaskError) -> S3KError:
    """What a remote process raised, as the error it was."""
    cause = error.cause
    if isinstance(cause, S3KError):
        return type(cause)(*cause.args) if type(cause).__init__ is S3KError.__init__ else S3KError(str(cause))
    return S3KError(f"a process failed: {_one_line(cause if cause is not None else error)}")


def _result(reference: Any) -> Any:
    try:
        return ray.get(reference, timeout=1.0)
    except RayTaskError as error:
        return remote_cause(error)
    except RayError as error:
        return CellError(f"a process died: {_one_line(error)}")


def _one_line(error: object) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[-300:]}"
