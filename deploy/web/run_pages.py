"""What the pages of a run need: *Live*, *Models* and *Runs* share its frames, its models and its audit log."""

from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter

from deploy.run_folder import RunFolder
from deploy.web.label.project import LabelProject
from deploy.web.live.commands import CellCommands
from deploy.web.live.router import live_router
from deploy.web.live.run import LiveRun
from deploy.web.models.comparison import Comparison
from deploy.web.models.router import models_router
from deploy.web.models.versions import Versions
from deploy.web.pages import Pages
from deploy.web.runs.folder import RunsFolder
from deploy.web.runs.router import runs_router
from deploy.web.sight import Sight
from s3k_dist.access.audit import AuditLog

TITLES = {"live": "Live", "models": "Models", "runs": "Runs"}


@dataclass(frozen=True)
class RunPages:
    """Which run is shown, among which.

    Attributes:
        folder: of the run.
        runs: folder of the runs to compare with.
        robot_credentials: folder of an operator's certificate, to stop robots beyond this machine; None for none.
        sight: of its models; None for those in its folder.
    """

    folder: RunFolder
    runs: Path
    robot_credentials: Path | None = None
    sight: Sight | None = None

    def routers(self, project: LabelProject, pages: Pages) -> list[APIRouter]:
        """One for each page, in the order of `TITLES`."""
        sight = self.sight or Sight(self.folder.models)
        run = LiveRun(self.folder, project, sight)
        commands = CellCommands(run.register, AuditLog(self.folder.audit), self.robot_credentials)
        return [
            live_router(run, commands, pages),
            models_router(Versions(self.folder), Comparison(project, sight), pages),
            runs_router(RunsFolder(self.runs), pages),
        ]
