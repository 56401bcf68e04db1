"""``s3k health``: for container engines and schedulers, whether what ought to work here does."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from s3k_dist.errors import ConfigError, ServiceError, StorageError

if TYPE_CHECKING:
    from deploy.commands.options import Commands

RUN, SERVICE, CREDENTIALS = "S3K_HEALTH_RUN", "S3K_HEALTH_SERVICE", "S3K_HEALTH_CREDENTIALS"
DEADLINE_S = 5.0


def add_health(commands: "Commands") -> None:
    """``health``."""
    health = commands.add_parser("health", help="returns 0 where a run or a feature service works; for health checks")
    health.add_argument("--run", type=Path, metavar="DIR", help=f"folder of a run (default: ${RUN})")
    health.add_argument("--service", metavar="ADDRESS", help=f"of a feature service (default: ${SERVICE})")
    health.add_argument(
        "--credentials", type=Path, metavar="DIR", help=f"that the service asks for (default: ${CREDENTIALS})"
    )
    health.set_defaults(command=_health)


def _health(options: argparse.Namespace) -> int:
    run, service = options.run or os.environ.get(RUN), options.service or os.environ.get(SERVICE)
    if run is None and service is None:
        raise ConfigError(f"expected what to ask after: --run DIR, --service ADDRESS, {RUN} or {SERVICE}")
    told = []
    if run is not None:
        told.append(_run_works(Path(run)))
    if service is not None:
        credentials = options.credentials or os.environ.get(CREDENTIALS)
        told.append(_service_answers(service, None if credentials is None else Path(credentials)))
    print("; ".join(told))  # noqa: T201
    return 0


def _run_works(run: Path) -> str:
    from deploy.fleet.part import State
    from deploy.fleet.status import STATUS_NAME, read_status

    if not (run / STATUS_NAME).exists() and (run / "config.yaml").exists():
        return f"{run} has begun"  # it records, or learns to see: no parts yet
    status = read_status(run)
    if silent := status.silent_s():
        raise StorageError(f"nobody has written the status of {run} for {silent:.0f} s: it was killed, or is stuck")
    if not status.over and status.parts and not any(part.state is State.RUNNING for part in status.parts):
        raise StorageError(f"no part of {run} works: s3k status {run}")
    return f"{run} is over" if status.over else f"{run} works"


def _service_answers(address: str, credentials: Path | None) -> str:
    from s3k_dist.access.reach import read_credentials
    from s3k_dist.features.client import FeatureClient

    shown = read_credentials(credentials)
    with FeatureClient(address, deadline_s=DEADLINE_S, retries=0, credentials=shown) as client:
        version = client.model().version
    if version < 1:
        raise ServiceError(f"the service at {address} has no model yet")
    return f"{address} serves version {version}"
