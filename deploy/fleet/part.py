"""How one part of a run is doing, and when it may be tried again. No ray, no clock of its own."""

from dataclasses import dataclass, field
from enum import StrEnum

FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 60.0


class State(StrEnum):
    """What a part is at."""

    WAITING = "waiting"  # for a machine that has what it needs
    STARTING = "starting"
    RUNNING = "running"
    BACKING_OFF = "backing off"  # it failed, and is tried again
    DRAINING = "draining"  # it ends what it has begun
    DRAINED = "drained"
    REFUSED = "refused"  # what it sends is not taken, so it is not asked for more


@dataclass
class Part:
    """One part: a cell, a replica of the service, a learner.

    Attributes:
        name: of the part, unique in a run.
        kind: cell, service, keypoints or policy.
        state: what it is at.
        since_s: when it got there; Unix time, seconds.
        failures: in a row.
        restarts: since the run began, or went on.
        retry_s: when it is tried again, while it backs off; Unix time.
        last_error: in one line; empty if there was none.
        node: address of the machine that it is on; empty while it is on none.
        pid: of its process there.
        figures: what there is to say of it, by a short name.
    """

    name: str
    kind: str
    state: State = State.WAITING
    since_s: float = 0.0
    failures: int = 0
    restarts: int = 0
    retry_s: float = 0.0
    last_error: str = ""
    node: str = ""
    pid: int = 0
    figures: dict[str, float | str] = field(default_factory=dict)

    def enter(self, state: State, now_s: float) -> None:
        """It is at something else from now on."""
        if state is not self.state:
            self.state, self.since_s = state, now_s
        if state is not State.RUNNING and state is not State.DRAINING:
            self.node, self.pid = "", 0

    def failed(self, error: object, now_s: float) -> None:
        """It failed: it is tried again after 1, 2, 4 ... 60 s, the longer the more often in a row it fails."""
        self.failures += 1
        self.restarts += 1
        self.last_error = " ".join(str(error).split())
        self.retry_s = now_s + min(FIRST_RETRY_S * 2 ** (self.failures - 1), LONGEST_RETRY_S)
        self.enter(State.BACKING_OFF, now_s)

    def succeeded(self) -> None:
        """It did what it is for: the next failure is a first one."""
        self.failures = 0

    def may_retry(self, now_s: float) -> bool:
        """Whether it has backed off long enough."""
        return self.state is State.BACKING_OFF and now_s >= self.retry_s
