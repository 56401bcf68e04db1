"""A run's newest figures, for Prometheus to fetch over HTTP."""

import math
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from deploy.fleet.part import Part, State
from deploy.fleet.status import RunStatus, read_status
from deploy.monitoring.catalogue import catalogue, prometheus_name
from deploy.run_log import RunLog
from s3k_dist.access.metrics_server import MetricsServer
from s3k_dist.errors import StorageError

if TYPE_CHECKING:
    from s3k_dist.access.credentials import Credentials

WORKING = (State.RUNNING, State.DRAINING, State.DRAINED)


class RunExporter:
    """Serves the newest value of each series, and how the parts are, while the block lasts::

        with RunExporter(log, folder, "127.0.0.1", 9400):
            ...

    Args:
        log: of the run.
        folder: of the run, for its status.
        address: to listen at.
        port: 0 takes a free one.
        credentials: as of ``MetricsServer``.

    Attributes:
        port: where it listens.

    Raises:
        ServiceError: the port is in use, or the address is none of this machine.
        AccessError: an address beyond this machine, and no credentials.
    """

    def __init__(
        self, log: RunLog, folder: Path, address: str, port: int, credentials: "Credentials | None" = None
    ) -> None:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Figures(log, folder))
        self._server = MetricsServer(registry, address, port, credentials)
        self.port = self._server.port

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()


class _Figures(Collector):
    """Asked anew at each fetch."""

    def __init__(self, log: RunLog, folder: Path) -> None:
        self._log, self._folder = log, folder

    def collect(self) -> Iterator[GaugeMetricFamily]:
        known = catalogue().series
        for series, value in self._log.newest().items():
            text = known[series].unit if series in known else series
            family = GaugeMetricFamily(prometheus_name(series), text)
            family.add_metric([], value)
            yield family
        try:
            status = read_status(self._folder)
        except StorageError:  # it has not come to the stage that has parts
            status = None
        yield from _of_parts(status)


def _of_parts(status: RunStatus | None) -> Iterator[GaugeMetricFamily]:
    says = catalogue().parts
    run = GaugeMetricFamily("s3k_up", says["s3k_up"].says)
    run.add_metric([], 0 if status is None or status.over or status.silent_s() else 1)
    yield run
    up = GaugeMetricFamily("s3k_part_up", says["s3k_part_up"].says, labels=("part", "kind"))
    restarts = GaugeMetricFamily("s3k_part_restarts", says["s3k_part_restarts"].says, labels=("part", "kind"))
    figures = GaugeMetricFamily("s3k_part_figure", says["s3k_part_figure"].says, labels=("part", "kind", "figure"))
    for part in () if status is None else status.parts:
        up.add_metric([part.name, part.kind], int(part.state in WORKING))
        restarts.add_metric([part.name, part.kind], part.restarts)
        for name, value in _numbers(part):
            figures.add_metric([part.name, part.kind, name], value)
    yield from (up, restarts, figures)


def _numbers(part: Part) -> Iterator[tuple[str, float]]:
    for name, figure in part.figures.items():
        try:
            value = float(figure)
        except ValueError:
            continue
        if math.isfinite(value):
            yield name, value
