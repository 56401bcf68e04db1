"""What an operator asks of a cell; the run's audit log says who asked for what."""

from pathlib import Path
from typing import Literal

from deploy.fleet.cell_file import CellFile
from deploy.fleet.register import FleetRegister
from s3k_dist.access.audit import AuditLog
from s3k_dist.access.reach import read_credentials
from s3k_dist.errors import ConfigError

CellWish = Literal["run", "drain"]


class CellCommands:
    """Drains cells, lets them run again, stops their robots.

    Args:
        register: of the run.
        audit: takes who asked for what.
        credentials: folder of an operator's certificate, for robots beyond this machine; None for none.
    """

    def __init__(self, register: FleetRegister, audit: AuditLog, credentials: Path | None = None) -> None:
        self._register = register
        self._audit = audit
        self._credentials = credentials

    def wish(self, cell: str, wish: CellWish, who: str) -> None:
        """Let a cell end its episode and rest, or run again.

        Raises:
            ConfigError: there is no such cell.
            StorageError: it cannot be noted, or not be written.
        """
        self._require(cell)
        self._audit.write(who, f"cell.{wish}", cell=cell)
        self._register.wish(cell, wish)

    def stop(self, cell: str, reason: str, who: str) -> None:
        """Let a cell's robot stop smoothly, and stay so; the cell is drained, too.

        Raises:
            ConfigError: there is no such cell, or its robot is served where nobody else can reach it.
            ServiceError, AccessError, SafetyError, RobotError: the robot was not reached, or does not take it.
            StorageError: it cannot be noted.
        """
        from actors.robots.client import RobotClient

        found = self._require(cell)
        address = None if found.physical is None else found.physical.robot_address
        if address is None:
            raise ConfigError(
                f"the robot of cell {cell!r} is served inside of its cell: drain the cell, or stop it at the robot"
            )
        try:
            with RobotClient(address, credentials=read_credentials(self._credentials)) as robot:
                robot.stop(f"{who}: {reason}" if reason else who)
        finally:  # a stop is noted afterwards: a full disk must not keep a robot moving
            self._audit.write(who, "robot.stop", cell=cell, robot=address, reason=reason)
        self._register.wish(cell, "drain")

    def _require(self, cell: str) -> CellFile:
        cells = self._register.cells()
        if cell not in cells:
            raise ConfigError(f"no cell {cell!r}; there are: {', '.join(sorted(cells)) or 'none'}")
        return cells[cell][0]
