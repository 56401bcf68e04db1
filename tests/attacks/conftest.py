"""Real servers behind certificates of a real authority."""

from collections.abc import Iterator
from typing import Any

import pytest

from actors.robots.gated import GatedRobot
from actors.robots.server import RobotServer
from actors.robots.simulator import SimulatorServicer
from s3k_dist.access.audit import AuditLog
from s3k_dist.features.server import FeatureServer
from s3k_dist.features.server_thread import FeatureServerThread
from tests.attacks.targets import LIMITS, Installation, PaperRobot, PaperWorld
from tests.s3k_dist.features.conftest import FakeModels

ROBOT_OF = "bench1"


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("installation"))


@pytest.fixture(scope="module")
def features(installation: Installation) -> Iterator[str]:
    """Address of a feature service."""
    models = FakeModels()
    server = FeatureServer(
        models.current, models.load, poll_s=0.05, credentials=installation.credentials("service/gpu1")
    )
    with FeatureServerThread(server) as service:
        yield service.address


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> AuditLog:
    return AuditLog(tmp_path_factory.mktemp("audit") / "audit.jsonl")


@pytest.fixture(scope="module")
def robot(installation: Installation, audit: AuditLog) -> Iterator[str]:
    """Address of the robot of the cell bench1."""
    gated = GatedRobot(PaperRobot(), LIMITS)
    world: Any = PaperWorld()
    own = installation.credentials(f"robot/{ROBOT_OF}")
    server = RobotServer(gated, "127.0.0.1:0", [SimulatorServicer(world).add_to], credentials=own, audit=audit)
    server.start()
    yield server.address
    server.stop(0.2)
