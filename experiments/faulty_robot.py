"""The simulated robot's process with a force-torque sensor that can be made to fail.

python -m experiments.faulty_robot FILE        # what robot it is comes as its first line

FILE says ``silent`` or ``nan`` for as long as the sensor is to be so; empty, or missing, while it works.
"""

import logging
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from actors.robots.driver import RobotReading
from actors.robots.gated import GatedRobot
from actors.robots.process import RobotProcess
from actors.robots.server import RobotServer
from actors.robots.simulated import SimulatedRobot
from actors.robots.simulated_process import SimulatedRobotSpec
from actors.robots.simulator import SimulatorServicer
from actors.sim.cell import CableCell

_SPEC = TypeAdapter(SimulatedRobotSpec)
WORKS, SILENT, NAN = "", "silent", "nan"


class FaultySensor(SimulatedRobot):
    """A simulated robot whose sensor is as a file says."""

    def __init__(self, cell: CableCell, step_s: float, file: Path) -> None:
        super().__init__(cell, step_s)
        self._file = file

    def read(self) -> RobotReading:
        """The state, with the wrench there is."""
        reading, fault = super().read(), self._file.read_text() if self._file.exists() else WORKS
        wrenches = {WORKS: reading.wrench, SILENT: None, NAN: np.full(6, np.nan)}
        return replace(reading, wrench=wrenches[fault])


def begin_faulty_robot(spec: SimulatedRobotSpec, file: Path) -> RobotProcess:
    """Begin the process; returns once it serves. Raises as ``begin_simulated_robot``."""
    command = [sys.executable, "-m", "experiments.faulty_robot", str(file)]
    return RobotProcess(command, _SPEC.dump_json(spec).decode())


def main() -> int:
    """Serve until standard input ends."""
    logging.basicConfig(format="%(asctime)s %(message)s")
    spec = _SPEC.validate_json(sys.stdin.readline())
    driver = FaultySensor(CableCell(replace(spec.cell, rendered=False)), spec.step_s, Path(sys.argv[1]))
    server = RobotServer(GatedRobot(driver, spec.limits, spec.step_s), spec.address, [SimulatorServicer(driver).add_to])
    server.start()
    print(f"{driver.name} behind its gate at {server.address}; ends with its input", flush=True)
    sys.stdin.read()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
