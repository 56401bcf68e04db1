"""The driver that docs/robots.md works through, against a controller that speaks its protocol."""

import importlib.util
import json
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.robots.driver import RobotDriver
from actors.sim.cell import HOME_M
from s3k_dist.errors import RobotError
from tests.actors.robot_contract import PATIENCE_S, RobotDriverContract
from tests.actors.test_robots import LIMITS

EXAMPLE = Path(__file__).parents[2] / "docs/examples/line_robot.py"


def example() -> Any:
    spec = importlib.util.spec_from_file_location("line_robot", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Controller(socketserver.ThreadingTCPServer):
    """Moves a point in millimetres, and stops it when nobody renews the twist."""

    daemon_threads, allow_reuse_address = True, True

    def __init__(self) -> None:
        self.position, self.twist = 1e3 * HOME_M, np.zeros(6)
        self.until_s, self.at_s, self.opening = 0.0, time.monotonic(), 80.0
        super().__init__(("127.0.0.1", 0), Line)

    def answer(self, what: dict[str, Any]) -> dict[str, Any]:
        now_s = time.monotonic()
        moved_s = max(0.0, min(now_s, self.until_s) - self.at_s)
        self.position, self.at_s = self.position + moved_s * self.twist[:3], now_s
        if now_s > self.until_s:
            self.twist = np.zeros(6)
        match what["do"]:
            case "state":
                still = {"rotation": [0.0] * 3, "force": [0.0] * 6, "opening": self.opening}
                return {"position": self.position.tolist(), "twist": self.twist.tolist(), **still}
            case "twist":
                self.twist, self.until_s = np.array(what["twist"]), now_s + what["for_s"]
            case "grip":
                self.opening = what["opening"]
            case other:
                return {"error": f"no {other} here"}
        return {"ok": True}


class Line(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for line in self.rfile:
            self.wfile.write(json.dumps(self.server.answer(json.loads(line))).encode() + b"\n")  # type: ignore[attr-defined]


@pytest.fixture
def controller() -> Iterator[Controller]:
    with Controller() as controller:
        thread = threading.Thread(target=controller.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield controller
        controller.shutdown()
        thread.join(5.0)


class TestLineRobot(RobotDriverContract):
    # Its watchdog stops it whenever this machine is too busy to renew a twist in time.
    limits = LIMITS.model_copy(update={"tracking_m": 0.02, "state_age_s": 5.0, "wrench_age_s": 5.0})

    @pytest.fixture(autouse=True)
    def _controller(self, controller: Controller) -> None:
        self.port = controller.server_address[1]

    def make_driver(self) -> RobotDriver:
        driver: RobotDriver = example().LineRobot("127.0.0.1", self.port, tuple(HOME_M), self.step_s, PATIENCE_S)
        return driver


def test_a_controller_that_is_not_there_or_refuses_is_named(controller: Controller) -> None:
    with pytest.raises(RobotError, match=r"line robot at 127\.0\.0\.1:9 cannot be reached"):
        example().LineRobot("127.0.0.1", 9, (0, 0, 0))
    robot = example().LineRobot("127.0.0.1", controller.server_address[1], (0, 0, 0))
    with pytest.raises(RobotError, match=r"refuses dance: .*no dance here"):
        robot._ask({"do": "dance"})
    robot.close()
    with pytest.raises(RobotError, match="does not answer"):
        robot.read()


def test_it_is_as_short_as_the_page_says() -> None:
    assert len(EXAMPLE.read_text().splitlines()) <= 100
