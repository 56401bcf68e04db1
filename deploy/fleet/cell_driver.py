"""Keeps one cell at work: a process where its robot is, connected to service and learner, episode after episode."""

import time
from collections.abc import Callable
from typing import Any, Protocol

from actors.rollout import EpisodeOutcome
from deploy.fleet.cell_file import CellFile
from deploy.fleet.driver import PartDriver
from deploy.fleet.part import Part, State
from deploy.fleet.register import Wish
from deploy.topology import CALL_S, START_S, Calls

EPISODE_S = 120.0


class CellHost(Protocol):
    """Who starts cells' processes, and knows whom a cell has to find."""

    def offers(self, resource: str | None) -> bool:
        """Whether a machine with this resource is there."""

    def start_cell(self, cell: CellFile) -> Any:
        """Handle of a cell's process, which may still be starting; the one there is, if there is one."""

    def end_cell(self, cell_id: str) -> None:
        """End a cell's process, however it is."""

    def retire_cell(self, cell_id: str) -> None:
        """Let a cell halt its robot, and end its process."""

    def connect(self, handle: Any) -> Any:
        """Let it find the feature service; a reference to wait for."""

    def attach(self, handle: Any, cell_id: str) -> Any:
        """Let it find the policy learner and take its newest weights; likewise."""

    def attached(self, cell_id: str, handle: Any) -> None:
        """It is at work."""

    def next_seed(self) -> int:
        """Of the next training episode."""


class CellDriver(PartDriver):
    """One cell.

    Args:
        cell: which.
        host: who starts its process.
        calls: where its answers come in.
        take: what is done with an episode.
        say: tells a person.
    """

    def __init__(
        self,
        cell: CellFile,
        host: CellHost,
        calls: Calls,
        take: Callable[[str, EpisodeOutcome], None],
        say: Callable[[str], None],
    ) -> None:
        super().__init__(Part(cell.cell, "cell"), calls, say)
        self._cell = cell
        self._host = host
        self._take = take
        self._handle: Any = None
        self._wish: Wish = "run"
        self._attached = False
        self._episodes = self._steps = self._missed = 0

    def turn(self, wish: Wish) -> None:
        """Look what is to be done; called about once a second."""
        self._wish = wish
        part, now_s = self.part, time.time()
        if self._busy or self._ending:
            if self._handle is not None:
                self._feel_pulse(self._handle)
            if wish != "run" and part.state is State.RUNNING:
                part.enter(State.DRAINING, now_s)
            return
        if wish != "run":
            self._end(State.DRAINED)
        elif part.state is State.DRAINED or part.may_retry(now_s):
            part.enter(State.WAITING, now_s)
        if part.state is State.WAITING:
            self._begin()

    def reattach(self) -> None:
        """The policy learner is another process now: attach to it after the episode under way."""
        self._attached = False

    def refuse(self, reason: str) -> None:
        """Ask it for nothing more: what it sends is not taken."""
        self.part.last_error = reason
        self.part.enter(State.REFUSED, time.time())

    def end_process(self) -> None:
        """End its process, however it is."""
        self._handle = None
        self._host.end_cell(self.part.name)

    def _begin(self) -> None:
        if not self._host.offers(self._cell.resource):
            self.part.figures = {"waits for a node that offers": str(self._cell.resource)}
            return
        self.part.figures = {}
        self.part.enter(State.STARTING, time.time())
        self._handle = self._host.start_cell(self._cell)
        self._ask(self._host.connect(self._handle), START_S, self._attach)

    def _attach(self, _: Any = None) -> None:
        self._ask(self._host.attach(self._handle, self.part.name), CALL_S, self._begin_episodes)

    def _begin_episodes(self, _: Any) -> None:
        self._attached = True
        self.part.enter(State.RUNNING, time.time())
        self._host.attached(self.part.name, self._handle)
        self._next_episode()

    def _next_episode(self) -> None:
        if self._ending:
            return
        if self.part.state is State.REFUSED:
            self._end(State.REFUSED)
        elif self._wish != "run":
            self._end(State.DRAINED)
        elif not self._attached:
            self._attach()
        else:
            self._ask(self._handle.train_episode.remote(self._host.next_seed()), EPISODE_S, self._episode_over)

    def _episode_over(self, outcome: EpisodeOutcome) -> None:
        self.part.succeeded()
        self._episodes += 1
        self._steps += outcome.steps
        self._missed += outcome.missed_deadlines
        minutes = max(time.time() - self.part.since_s, 1.0) / 60
        self.part.figures = {
            "episodes": str(self._episodes),
            "steps/min": float(round(self._steps / minutes)),
            "model": str(outcome.model_version),
            "policy": str(outcome.policy_version),
        }
        if self._missed:
            self.part.figures["deadlines missed"] = str(self._missed)
        self._take(self.part.name, outcome)
        self._next_episode()

    def _end(self, state: State) -> None:
        if self._handle is not None:
            self._handle = None
            self._host.retire_cell(self.part.name)
        self.part.enter(state, time.time())
        self._steps = 0
