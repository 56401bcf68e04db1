"""Everything runs at once, and one place sees all of it: cells that come and go, learners and service begun anew."""

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.cells import configured_cells
from deploy.fleet.cell_driver import EPISODE_S, CellDriver
from deploy.fleet.cell_file import CellFile
from deploy.fleet.cell_host import SessionCellHost
from deploy.fleet.driver import PartDriver
from deploy.fleet.learner_drivers import KeypointDriver, PolicyDriver, ReplicaDriver
from deploy.fleet.part import Part, State
from deploy.fleet.register import FleetRegister, Wish
from deploy.fleet.status import RunStatus, write_status
from deploy.fleet.training_figures import TrainingFigures
from deploy.session import PHASES, Session
from deploy.stages.see import show
from deploy.topology import Calls
from learners.keypoint.learner import LearnerStatus
from s3k_dist.errors import ConfigError, S3KError, StorageError

if TYPE_CHECKING:
    from deploy.policy import PolicyProgress
    from learners.ddpg.ingest import Refusals

TURN_S = 1.0
MAX_FAILURES_IN_A_ROW = 5  # of every cell
MAX_REFUSED_IN_A_ROW = 10  # chunks


class Supervisor:
    """Keeps all parts of a run at work while its policy learns.

    Args:
        session: whose topology has the processes, and whose folder says which cells there are.
    """

    def __init__(self, session: Session) -> None:
        config = session.config
        self._session = session
        self._calls = Calls()
        self._register = FleetRegister(session.folder.fleet)
        self._cells: dict[str, CellDriver] = {}
        self._figures = TrainingFigures(session)
        self._refused: dict[str, Counter[str]] = {}
        self._wanted: dict[str, tuple[CellFile, Wish]] = {}  # as the register last said
        self._damaged = ""  # what is wrong with it now
        self._unwritten: tuple[str, ...] = ()  # what cannot be written now
        self._host = SessionCellHost(session, self._calls, self._figures)
        topology, say = session.topology, session.view.event
        every_s = config.policy.checkpoint_s
        self._policy = PolicyDriver(topology, self._calls, say, self._policy_learned, self._policy_begun_anew, every_s)
        self._keypoints = KeypointDriver(
            topology, self._calls, say, self._keypoints_learned, config.task.observation == "keypoints", every_s
        )
        self._replicas = [
            ReplicaDriver(number, topology, self._calls, say) for number in range(config.service.replicas)
        ]

    def run(self) -> None:
        """Until the policy has learned from as many steps as are configured.

        Raises:
            S3KError: no cell works any more, what all of them send is refused, or a learner cannot go on.
        """
        self._register.begin(configured_cells(self._session.config))
        wanted = self._session.config.policy.env_steps
        try:
            while self._figures.env_steps < wanted:
                self._turn()
                until_s = time.monotonic() + TURN_S
                while (left_s := until_s - time.monotonic()) > 0 and self._figures.env_steps < wanted:
                    if not self._calls.ready(left_s):
                        time.sleep(min(left_s, 0.01))
                self._session.view.progress(self._figures.env_steps / wanted)
            for driver in self._drivers():
                driver.wind_up()
            # What is under way ends by itself: no cell is left in the middle of a motion.
            self._calls.drain(lambda name, result: None, EPISODE_S)
        finally:
            self._tell(over=True)

    def _turn(self) -> None:
        self._follow_register()
        self._policy.turn()
        if self._session.config.keypoints.follow_stream:
            self._keypoints.turn()
        for replica in self._replicas:
            replica.turn()
        self._tell()
        self._require_cells()

    def _follow_register(self) -> None:
        try:
            self._wanted = self._register.cells()
            self._damaged = ""
        except (ConfigError, StorageError) as error:
            if str(error) != self._damaged:
                self._damaged = str(error)
                self._session.view.event(f"the fleet stays as it is: {error}")
        for cell_id, (cell, wish) in list(self._wanted.items()):
            if cell_id not in self._cells:
                self._cells[cell_id] = CellDriver(
                    cell, self._host, self._calls, self._figures.take, self._session.view.event
                )
            driver = self._cells[cell_id]
            driver.turn(wish)
            if wish == "remove" and driver.part.state is State.DRAINED:
                self._register.forget(cell_id)
                del self._cells[cell_id], self._wanted[cell_id]

    def _policy_learned(self, progress: "PolicyProgress") -> None:
        self._keypoints.far = progress.numbers["feature_distance"] > self._session.config.policy.max_feature_distance
        for line in progress.news:
            self._session.view.event(line)
        self._figures.policy_learned(progress.numbers)
        self._name_refused(progress.refused)

    def _policy_begun_anew(self) -> None:
        for cell in self._cells.values():
            cell.reattach()
        self._keypoints.replay_begun_anew()

    def _keypoints_learned(self, status: LearnerStatus) -> None:
        show(self._session, status)
        self._figures.keypoints_learned(status, self._keypoints.features.left)

    def _name_refused(self, refused: "dict[str, Refusals]") -> None:
        """Say of whom what is refused; a cell of which nothing is taken any more gets no more episodes."""
        for cell_id, refusals in refused.items():
            known = self._refused.get(cell_id, Counter())
            if set(refusals.by_reason) - set(known):
                self._session.view.event(f"refused: {refusals.last}")
            self._refused[cell_id] = refusals.by_reason
            driver = self._cells.get(cell_id)
            if refusals.in_a_row >= MAX_REFUSED_IN_A_ROW and driver and driver.part.state is not State.REFUSED:
                driver.refuse(refusals.last)
                self._session.view.event(
                    f"{cell_id} gets no more episodes: its last {refusals.in_a_row} chunks were refused"
                )

    def _require_cells(self) -> None:
        """A run whose every cell is hopeless ends, and says why.

        Raises:
            S3KError: all are refused, or fail time after time.
        """
        parts = [driver.part for driver in self._cells.values()]
        if parts and all(part.state is State.REFUSED for part in parts):
            raise S3KError(f"what the cells send is refused: {'; '.join(part.last_error for part in parts)}")
        if parts and all(part.failures >= MAX_FAILURES_IN_A_ROW or part.state is State.REFUSED for part in parts):
            last = next(part for part in parts if part.failures)
            raise S3KError(
                f"every cell failed {MAX_FAILURES_IN_A_ROW} times in a row; the last time {last.name}: "
                f"{last.last_error}"
            )

    def _drivers(self) -> list[PartDriver]:
        learners: list[PartDriver] = [
            self._policy,
            *([self._keypoints] if self._session.config.keypoints.follow_stream else []),
        ]
        return [*self._cells.values(), *self._replicas, *learners]

    def _tell(self, over: bool = False) -> None:
        parts: tuple[Part, ...] = tuple(driver.part for driver in self._drivers())
        root: Path = self._session.folder.root
        problems = self._session.problems
        try:
            write_status(root, RunStatus(time.time(), PHASES[2], parts, self._figures.status(), over))
        except StorageError as error:  # a full disk must not end a run for the sake of its status
            problems = (str(error), *problems)
        for problem in set(problems) - set(self._unwritten):
            self._session.view.event(problem)
        self._unwritten = problems
