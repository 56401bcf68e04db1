"""A person beside a cell: takes over while the policy learns, or drives alone and decides which episodes to keep."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np

from actors.cell import CellObservation


class Operator(Protocol):
    """Who may take over from a policy::

    share = operator.twist_share()      # once for each control step
    action = policy.act(observation) if share is None else share
    """

    def twist_share(self) -> np.ndarray | None:
        """What the person commands now, as a share of the twist limits in [-1, 1], shape (6,).

        None while the person does not hold the dead-man, or nothing was heard for too long.
        """


class Decision(Enum):
    """What a person makes of the episode under way."""

    KEEP = "keep"
    DISCARD = "discard"
    RESET = "reset"
    FINISH = "finish"


@dataclass(frozen=True)
class Moment:
    """What a person is shown at one control step. Nothing of the simulator's truth: a person has to look, too.

    Attributes:
        seen: views and gripper.
        phase: ready, recording, full (no more steps are taken) or finished, where demonstrations are recorded; open (a
            person may take over) or closed, where a policy acts.
        episode: counts from 1.
        step: control steps of the episode so far.
        kept: episodes kept so far.
        wanted: episodes to keep; None where the person decides.
        note: what happened last, in words.
    """

    seen: CellObservation
    phase: str
    episode: int
    step: int
    kept: int = 0
    wanted: int | None = None
    note: str = ""


class Desk(Operator, Protocol):
    """Where a person sits who records demonstrations."""

    def decision(self) -> Decision | None:
        """What the person has decided since this was last asked."""

    def show(self, moment: Moment) -> None:
        """Show a moment; returns at once."""
