"""Demonstrations by a person: the cell runs at its control rate, and what the person keeps is recorded."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from actors.cell import Cell, CellObservation, InsertionTruth, known_truth
from actors.operator import Decision, Desk, Moment
from actors.pace import Pace
from actors.recording import RecordedEpisode, recorded_episode

MAX_HUMAN_STEPS = 240  # a minute: the frames of an episode wait in memory until it is kept
IDLE_S = 600.0  # without a command or a decision; then whoever was there is gone


@dataclass
class _Attempt:
    """An episode under way; T + 1 moments."""

    seed: int
    seen: list[CellObservation]
    truths: list[InsertionTruth]
    actions: list[np.ndarray] = field(default_factory=list)


class HumanRecording:
    """Records what a person drives and keeps.

    An episode begins with the first command after a reset; while nobody commands, the robot holds still, and that is
    recorded, too.

    Args:
        cell: where; of a simulated one the truth is kept for labels, and the person is not shown it.
        desk: where the person sits.
        seeds: of the starts, in order.
        keep: stores an episode with its frames; called at once when the person keeps it.
        wanted: ends after so many are kept; None: when the person finishes.
        pace: of the control steps.
        idle_s: ends when nothing was heard for so long.
    """

    def __init__(
        self,
        cell: Cell,
        desk: Desk,
        seeds: Iterator[int],
        keep: Callable[[RecordedEpisode, list[CellObservation]], None],
        *,
        wanted: int | None = None,
        pace: Pace | None = None,
        idle_s: float = IDLE_S,
    ) -> None:
        self._cell, self._desk, self._seeds, self._keep = cell, desk, seeds, keep
        self._wanted, self._idle_s = wanted, idle_s
        self._pace = pace or Pace()
        self._kept = 0
        self._note = ""

    def run(self) -> int:
        """Record until the person has finished, has kept as many as wanted, or is gone; returns how many were kept."""
        episode, attempt = 1, self._start(next(self._seeds))
        heard_s = self._pace.clock()
        while True:
            self._pace.begin()
            decision, share = self._desk.decision(), self._desk.twist_share()
            if decision is not None or share is not None:
                heard_s = self._pace.clock()
            elif self._pace.clock() - heard_s > self._idle_s:
                break
            match decision:
                case Decision.FINISH:
                    break
                case Decision.KEEP if not attempt.actions:
                    self._note = "nothing to keep yet: the episode begins with your first command"
                case Decision.KEEP | Decision.DISCARD:
                    self._close(attempt, decision)
                    if self._kept == self._wanted:
                        break
                    episode, attempt = episode + 1, self._start(next(self._seeds))
                case Decision.RESET:
                    self._note = "the same start once more"
                    attempt = self._start(attempt.seed)
                case None:
                    self._step(attempt, share)
            self._show(attempt, episode)
            self._pace.rest()
        self._show(attempt, episode, "finished")
        return self._kept

    def _start(self, seed: int) -> _Attempt:
        return _Attempt(seed, [self._cell.reset(seed)], [known_truth(self._cell)])

    def _step(self, attempt: _Attempt, share: np.ndarray | None) -> None:
        begun = share is not None or attempt.actions
        if not begun or len(attempt.actions) >= MAX_HUMAN_STEPS:
            return
        action = np.zeros(6) if share is None else np.clip(share, -1.0, 1.0)
        self._cell.command(action * self._cell.twist_limit)
        attempt.actions.append(action)
        attempt.seen.append(self._cell.observe())
        attempt.truths.append(known_truth(self._cell))

    def _close(self, attempt: _Attempt, decision: Decision) -> None:
        if decision is Decision.DISCARD:
            self._note = "discarded; a new start"
            return
        episode = recorded_episode(
            self._cell.cell_id, "human", attempt.seed, attempt.seen, attempt.truths, attempt.actions
        )
        self._keep(episode, attempt.seen)
        self._kept += 1
        self._note = f"kept {episode.episode_id}, {len(attempt.actions)} steps; a new start"

    def _show(self, attempt: _Attempt, episode: int, phase: str = "") -> None:
        steps = len(attempt.actions)
        phase = phase or ("full" if steps >= MAX_HUMAN_STEPS else "recording" if steps else "ready")
        self._desk.show(Moment(attempt.seen[-1], phase, episode, steps, self._kept, self._wanted, self._note))
