"""Which processes a run has and how they find each other: the only place that knows both actors and learners."""

import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError

from deploy.cells import collector_spec, configured_cells
from deploy.config import ProcessPlacement, RunConfig
from deploy.fleet.cell_file import CellFile
from deploy.processes import CellProcess, KeypointProcess, PolicyProcess, ServiceProcess
from deploy.ray_access import secure_ray
from deploy.run_folder import RunFolder
from s3k_dist.errors import DeadlineError, S3KError

START_S = 90.0  # a process imports torch and ray: 4 s alone, more when eight start at once
CALL_S = 120.0
KEEP_S = 5.0  # for what was learned to reach the disk after Ctrl-C; a run must be gone 10 s after it
STOP_S = 2.5
OBJECT_STORE_BYTES = 200 * 1024 * 1024  # frames go to the stream, not through Ray: only weights and chunks do


class ProcessDiedError(S3KError):
    """A process of the run is gone."""


class ProcessHangsError(S3KError):
    """A process of the run does not answer in time."""


class Topology:
    """Processes of one run, started when first asked for, stopped together.

    Sketch::

        with Topology(config, folder) as topology:
            address = topology.service()
            for cell in topology.cells().values():
                topology.call(cell.connect.remote(address))
    """

    def __init__(self, config: RunConfig, folder: RunFolder) -> None:
        self._config = config
        self._folder = folder
        self._cells: dict[str, Any] = {}
        self._replicas: list[Any] = []
        self._addresses: list[str] = []
        self._keypoints: Any = None
        self._policy: Any = None

    def __enter__(self) -> Self:
        # Ray nices its workers by 15 unless told otherwise; the processes choose for themselves.
        os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  # Ray spells it so
        os.environ.setdefault("RAY_DEDUP_LOGS", "0")
        # Waiting OpenMP threads that spin would take the core from whoever computes.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        secure_ray()
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
        """Handles of the cells that the configuration names."""
        return {cell.cell: self.start_cell(cell) for cell in configured_cells(self._config)}

    def start_cell(self, cell: CellFile) -> Any:
        """Handle of a cell's process; a new one, on a node with its resource, if there is none."""
        if cell.cell not in self._cells:
            placement = self._config.placement.cells
            if cell.resource is not None:
                placement = placement.model_copy(update={"resource": cell.resource})
            spec = collector_spec(self._config, self._folder, cell)
            self._cells[cell.cell] = _start(CellProcess, placement, spec)
        return self._cells[cell.cell]

    def end_cell(self, cell_id: str) -> None:
        """End a cell's process, however it is."""
        _kill(self._cells.pop(cell_id, None))

    def retire_cell(self, cell_id: str) -> None:
        """Let a cell halt its robot, and end its process."""
        cell = self._cells.pop(cell_id, None)
        if cell is not None:
            cell.stop.remote()
            cell.__ray_terminate__.remote()

    def offers(self, resource: str | None) -> bool:
        """Whether a node with this resource has joined."""
        return resource is None or ray.cluster_resources().get(resource, 0) > 0

    def service(self) -> str:
        """Where the feature service answers; of several replicas with commas between them.

        Raises:
            ServiceError: the port is in use.
        """
        for number in range(self._config.service.replicas):
            if len(self._addresses) == number:
                self._addresses.append(self.call(self.replica(number).start.remote(), START_S))
        return ",".join(self._addresses)

    def replica(self, number: int) -> Any:
        """Handle of a replica of the service, at the address it had before if it is begun anew."""
        while len(self._replicas) <= number:
            self._replicas.append(None)
        if self._replicas[number] is None:
            known = number < len(self._addresses)
            address = self._addresses[number] if known else self._address(number)
            placement = self._config.placement.service
            self._replicas[number] = _start(ServiceProcess, placement, self._config, self._folder, address)
        return self._replicas[number]

    def end_replica(self, number: int) -> None:
        """End a replica's process, however it is."""
        _kill(self._replicas[number])
        self._replicas[number] = None

    def _address(self, number: int) -> str:
        host, _, port = self._config.service.address.rpartition(":")
        return f"{host}:{int(port) + number if int(port) else 0}"

    def keypoint_learner(self) -> Any:
        """Handle of the keypoint learner."""
        if self._keypoints is None:
            self._keypoints = _start(KeypointProcess, self._config.placement.keypoints, self._config, self._folder)
        return self._keypoints

    def end_keypoint_learner(self) -> None:
        """End its process, however it is."""
        _kill(self._keypoints)
        self._keypoints = None

    def policy_learner(self) -> Any:
        """Handle of the policy learner."""
        if self._policy is None:
            self._policy = _start(PolicyProcess, self._config.placement.policy, self._config, self._folder)
        return self._policy

    def end_policy_learner(self) -> None:
        """End its process, however it is."""
        _kill(self._policy)
        self._policy = None

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
            raise ProcessDiedError(f"its process died: {_why_died(error)}") from error

    def keep(self) -> None:
        """Let the learners save what they have learned; bounded, for a run that is told to stop."""
        saving = [part.save.remote() for part in (self._policy, self._keypoints) if part is not None]
        if saving:
            ray.wait(saving, num_returns=len(saving), timeout=KEEP_S)

    def stop(self) -> None:
        """Stop every process in order; bounded, so that Ctrl-C ends a run within seconds."""
        # RLlib's own clean-up is for environments it stepped itself; this learner has none.
        parts = [*self._cells.values(), *self._replicas]
        stopping = [part.stop.remote() for part in parts if part is not None]
        if stopping and ray.is_initialized():
            ray.wait(stopping, num_returns=len(stopping), timeout=STOP_S)
        self._cells, self._replicas, self._addresses, self._keypoints, self._policy = {}, [], [], None, None
        ray.shutdown()


class Calls:
    """Remote calls under way, each with a name and a deadline; whoever is slow holds nobody up.

    Sketch::

        calls.ask("cell0", cell.train_episode.remote(seed), deadline_s=60)
        for name, result in calls.ready(timeout_s=1.0):
            ...                       # result is an S3KError where the call failed or is overdue
    """

    def __init__(self) -> None:
        self._pending: dict[Any, tuple[str, float, Callable[[Any], None] | None]] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def ask(self, name: str, reference: Any, deadline_s: float, then: Callable[[Any], None] | None = None) -> None:
        """Wait for ``reference`` under ``name``; ``then`` takes the result, if it is given."""
        self._pending[reference] = (name, time.monotonic() + deadline_s, then)

    def waiting_for(self, name: str) -> bool:
        """Whether a call of this name is under way."""
        return any(pending == name for pending, _, _ in self._pending.values())

    def ready(self, timeout_s: float) -> list[tuple[str, Any]]:
        """Results that came within ``timeout_s`` seconds, and an error for each call that failed or is overdue.

        Those that somebody takes (``ask``) are handed over, and not among them.
        """
        if not self._pending:
            return []
        done, _ = ray.wait(list(self._pending), num_returns=1, timeout=timeout_s)
        more, _ = ray.wait(list(self._pending), num_returns=len(self._pending), timeout=0)
        answers = [(self._pending.pop(reference), _result(reference)) for reference in {*done, *more}]
        now = time.monotonic()
        for reference, pending in list(self._pending.items()):
            if now > pending[1]:
                del self._pending[reference]
                answers.append((pending, ProcessHangsError(f"{pending[0]} did not answer in time")))
        results: list[tuple[str, Any]] = []
        for (name, _, then), result in answers:
            if then is None:
                results.append((name, result))
            else:
                then(result)
        return results

    def drain(self, each: Callable[[str, Any], None], timeout_s: float) -> None:
        """Wait for all that is under way, at most ``timeout_s`` seconds."""
        until = time.monotonic() + timeout_s
        while self._pending and time.monotonic() < until:
            for name, result in self.ready(max(0.01, until - time.monotonic())):
                each(name, result)


def _start(process: Any, placement: ProcessPlacement, *arguments: Any) -> Any:
    """A Ray actor of a decorated class, where ``placement`` says; begun anew by the run, not by Ray."""
    resources = {} if placement.resource is None else {placement.resource: 1}
    placed = process.options(num_cpus=placement.num_cpus, num_gpus=placement.num_gpus, resources=resources)
    return placed.remote(*arguments)


def _kill(process: Any) -> None:
    if process is not None:
        ray.kill(process)


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
        return ProcessDiedError(f"its process died: {_why_died(error)}")


def _one_line(error: object) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[-300:]}"


def _why_died(error: RayError) -> str:
    text = str(error).strip()
    if "creation task" in text:  # it raised while it began: Ray's text ends with that
        return text.splitlines()[-1].strip()
    return "killed, out of memory, or its machine is gone" if isinstance(error, RayActorError) else _one_line(error)
