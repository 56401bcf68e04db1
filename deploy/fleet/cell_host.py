"""What the cells of a session find: processes, the feature service, the policy learner, a page to take over from."""

import secrets
from typing import Any

from deploy.cells import configured_cells
from deploy.fleet.cell_file import CellFile
from deploy.fleet.training_figures import TrainingFigures
from deploy.seeds import TRAINING_SEEDS
from deploy.session import Session
from deploy.topology import CALL_S, Calls
from s3k_dist.errors import S3KError


class SessionCellHost:
    """Implements ``CellHost``.

    Args:
        session: whose processes.
        calls: where answers come in.
        figures: that count the episodes, each of which has a seed of its own.
    """

    def __init__(self, session: Session, calls: Calls, figures: TrainingFigures) -> None:
        self._session = session
        self._calls = calls
        self._figures = figures
        self._order: dict[str, int] = {}
        self._token = secrets.token_urlsafe(16)  # of the control page: the same for a cell that is begun anew
        self._controlled = configured_cells(session.config)[0].cell  # a person may take it over

    def offers(self, resource: str | None) -> bool:
        """Whether a node with this resource has joined."""
        return self._session.topology.offers(resource)

    def start_cell(self, cell: CellFile) -> Any:
        """See ``Topology.start_cell``."""
        return self._session.topology.start_cell(cell)

    def end_cell(self, cell_id: str) -> None:
        """See ``Topology.end_cell``."""
        self._session.topology.end_cell(cell_id)

    def retire_cell(self, cell_id: str) -> None:
        """See ``Topology.retire_cell``."""
        self._session.topology.retire_cell(cell_id)

    def connect(self, handle: Any) -> Any:
        """To the feature service."""
        return handle.connect.remote(self._session.topology.service())

    def attach(self, handle: Any, cell_id: str) -> Any:
        """To the policy learner; each cell explores in its own way."""
        session = self._session
        number = self._order.setdefault(cell_id, len(self._order))
        seed = session.seed(number) + self._figures.episodes_begun
        return handle.attach.remote(session.topology.policy_learner(), session.config.policy, seed)

    def attached(self, cell_id: str, handle: Any) -> None:
        """Let a person take over the first of the run's own."""
        session = self._session
        if session.config.control.port is None or cell_id != self._controlled:
            return

        def served(url: str | S3KError) -> None:
            session.view.event(f"take over {cell_id} at {url}")
            session.view.update(**{f"{cell_id}, to take over": url})

        page = handle.serve_control.remote(session.config.control, self._token)
        self._calls.ask(f"{cell_id}, page", page, CALL_S, served)

    def next_seed(self) -> int:
        """Of the next training episode."""
        self._figures.episodes_begun += 1
        return self._session.seed(TRAINING_SEEDS + self._figures.episodes_begun - 1)
