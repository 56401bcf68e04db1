"""A physical cell as its file has it: a rig, a robot, and who sets up the scene between two episodes."""

import logging
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.fleet.cell_file import PhysicalSection, ResetSection
from deploy.rig_file import calibrated_cameras, open_rig, read_rig_file
from deploy.robot_file import read_robot_file
from s3k_dist.access.reach import is_local, read_credentials
from s3k_dist.atomic import write_atomic
from s3k_dist.errors import CellError, ConfigError
from s3k_dist.folders import make_folder

if TYPE_CHECKING:
    from actors.physical.cell import PhysicalCell
    from actors.robots.process import RobotProcess

logger = logging.getLogger(__name__)

EVERY_S = 0.2
ROBOT_ADDRESS = "127.0.0.1:0"  # of a robot that is served for one cell


@dataclass(frozen=True)
class PhysicalCellSpec:
    """Implements ``CellSpec``.

    Attributes:
        cell_id: names the cell.
        image_px: side of its square images.
        section: of its file.
        waits: file that is there while it waits for a person; whoever takes it away says that the scene is set up.
        credentials: folder of its certificate, for a robot that is served beyond this machine.
        audit: where it goes what a robot is asked that is served for this cell; None leaves it to the robot's command.
    """

    cell_id: str
    image_px: int
    section: PhysicalSection
    waits: Path
    credentials: Path | None = None
    audit: Path | None = None

    def make(self) -> "PhysicalCell":
        """The cell, with its cameras open and its robot answering.

        Raises:
            ConfigError: a file is missing or does not fit.
            CameraError: a camera is not there.
            RobotError, CellError: the robot does not answer.
            AccessError: it is beyond this machine, and there are no credentials for it.
        """
        from actors.physical.calibrated import CalibratedRig
        from actors.physical.cell import PhysicalCell
        from actors.robots.client import RobotClient

        rig = read_rig_file(self.section.rig)
        if rig.image_px not in (None, self.image_px):
            raise ConfigError(
                f"{self.section.rig}: image_px is {rig.image_px}, and this run works with images of {self.image_px} px "
                "(cells.image_px): leave it out of the rig's file, or set the run's"
            )
        cameras = calibrated_cameras(rig)
        process = self._served_robot()
        address = process.address if process is not None else self.section.robot
        # A robot beside its cell is served to this machine alone, and asks for nothing.
        robot = RobotClient(address, credentials=None if is_local(address) else read_credentials(self.credentials))
        opened = None

        def end() -> None:
            if process is not None:
                process.close()

        try:
            opened = open_rig(rig)
            return PhysicalCell(
                self.cell_id,
                CalibratedRig(opened, self.cell_id, cameras, self.image_px),
                robot,
                prepare=SceneReset(self.cell_id, self.section.reset, self.waits),
                twist_limit=self.section.twist_limit,
                at_end=end,
            )
        except BaseException:
            robot.close()
            if opened is not None:
                opened.close()
            end()
            raise

    def _served_robot(self) -> "RobotProcess | None":
        if self.section.robot_address is not None:
            return None
        file = Path(self.section.robot)
        read_robot_file(file)  # what is wrong with it is said better here than by a process that ends
        from actors.robots.process import RobotProcess

        audit = () if self.audit is None else ("--audit", str(self.audit))
        return RobotProcess(
            [sys.executable, "-m", "deploy.cli", "robot", "serve", str(file), "--address", ROBOT_ADDRESS,
             "--ends-with-input", *audit]
        )  # fmt: skip


class SceneReset:
    """Has a scene set up by a script, by a person, by one after the other, or not at all.

    Args:
        cell_id: names the cell.
        section: of its file.
        waits: as ``PhysicalCellSpec`` has it.
    """

    def __init__(self, cell_id: str, section: ResetSection, waits: Path) -> None:
        self._cell_id = cell_id
        self._section = section
        self._waits = waits

    def __call__(self, seed: int | None) -> None:
        """Return once the scene is set up.

        Raises:
            CellError: the script failed, or nobody did it in time.
        """
        until_s = time.monotonic() + self._section.patience_s
        if self._section.script:
            self._run(seed)
        if self._section.ask:
            self._ask(until_s)

    def _run(self, seed: int | None) -> None:
        command, patience_s = self._section.script, self._section.patience_s
        environment = os.environ | ({} if seed is None else {"S3K_SEED": str(seed)})
        try:
            done = subprocess.run(
                command, env=environment, timeout=patience_s, stdin=subprocess.DEVNULL, capture_output=True, check=False
            )
        except OSError as error:
            raise CellError(f"cell {self._cell_id!r}: reset script {command[0]}: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise CellError(
                f"cell {self._cell_id!r}: reset script {command[0]} was not done within {patience_s:.1f} s"
            ) from error
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).decode(errors="replace").split())
            raise CellError(f"cell {self._cell_id!r}: reset script {command[0]} returned {done.returncode}: {said}")

    def _ask(self, until_s: float) -> None:
        make_folder(self._waits.parent)
        write_atomic(self._waits, b"")
        logger.warning("cell %s waits: set up its scene, then `s3k cells ready %s`", self._cell_id, self._cell_id)
        try:
            while self._waits.exists():
                if time.monotonic() > until_s:
                    raise CellError(
                        f"cell {self._cell_id!r}: nobody set up its scene and said so (`s3k cells ready "
                        f"{self._cell_id} --run DIR`) within {self._section.patience_s:.1f} s"
                    )
                time.sleep(EVERY_S)
        finally:
            self._waits.unlink(missing_ok=True)
