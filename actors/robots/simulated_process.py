"""The simulated robot as a process: ``python -m actors.robots.simulated_process`` reads what it is from its first line.

Behind its gate it moves in real time, whatever else goes on; whoever wants to see it asks for its world and draws it.
"""

import logging
import sys
from dataclasses import dataclass, replace

from pydantic import TypeAdapter, ValidationError

from actors.robots.gated import GatedRobot
from actors.robots.process import RobotProcess
from actors.robots.server import RobotServer
from actors.robots.simulated import SimulatedRobot
from actors.robots.simulator import SimulatorServicer
from actors.safety.limits import SafetyLimits
from actors.sim.cell import CableCell, CableCellSpec
from s3k_dist.errors import S3KError


@dataclass(frozen=True)
class SimulatedRobotSpec:
    """What the process needs to know.

    Attributes:
        cell: whose gripper is the robot.
        limits: of its gate.
        step_s: time between two steps of the gate.
        address: where it serves; port 0 takes a free one.
    """

    cell: CableCellSpec
    limits: SafetyLimits
    step_s: float = 0.025
    address: str = "127.0.0.1:0"


_SPEC = TypeAdapter(SimulatedRobotSpec)


def begin_simulated_robot(spec: SimulatedRobotSpec) -> RobotProcess:
    """Begin the process; returns once it serves.

    Raises:
        RobotError: it did not in time.
    """
    return RobotProcess([sys.executable, "-m", "actors.robots.simulated_process"], _SPEC.dump_json(spec).decode())


def main() -> int:
    """Serve until standard input ends."""
    logging.basicConfig(format="%(asctime)s %(message)s")
    try:
        spec = _SPEC.validate_json(sys.stdin.readline())
        driver = SimulatedRobot(CableCell(replace(spec.cell, rendered=False)), spec.step_s)
        robot = GatedRobot(driver, spec.limits, spec.step_s)
        server = RobotServer(robot, spec.address, [SimulatorServicer(driver).add_to])
    except (S3KError, ValidationError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)  # noqa: T201
        return 1
    server.start()
    print(f"{driver.name} behind its gate at {server.address}; ends with its input", flush=True)  # noqa: T201
    sys.stdin.read()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
