"""What became of the versions of a registry: trials, promotions, roll-backs, rejections."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class PromotionEvent(BaseModel):
    """One move of the pointer.

    Attributes:
        action: "promoted", or "rolled back" to an earlier version.
        version: what serves from then on.
        at_ns: host time, nanoseconds since the Unix epoch.
        reason: of a roll-back, or of a promotion that a person decided.
        before: of a promotion: how the version before did while it served, by metric name; empty if nobody knew.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    action: Literal["promoted", "rolled back"]
    version: int
    at_ns: int
    reason: str = ""
    before: dict[str, float] = Field(default_factory=dict)


class Canary(BaseModel):
    """The version on trial.

    Attributes:
        version: of the weights.
        share: of the requests that it answers, in (0, 1].
        since_ns: host time, nanoseconds since the Unix epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    share: float = Field(gt=0, le=1)
    since_ns: int


VersionState = Literal["candidate", "canary", "promoted", "replaced", "rejected", "rolled back"]


@dataclass(frozen=True)
class VersionStatus:
    """What became of a version.

    Attributes:
        state: `promoted` serves; `replaced` did, until the next was promoted.
        reason: why it was rejected or rolled back; empty otherwise.
    """

    state: VersionState
    reason: str = ""


class Rejection(BaseModel):
    """Why a version will not serve, in a file beside its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: str
    at_ns: int


class Pointer(BaseModel):
    """The file that says what serves: `previous` is the stack that roll-backs pop, `events` all that ever happened."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    current: int | None = None
    previous: tuple[int, ...] = ()
    events: tuple[PromotionEvent, ...] = ()
    canary: Canary | None = None

    def moved(self, event: PromotionEvent, previous: tuple[int, ...]) -> "Pointer":
        """After a promotion or a roll-back, which ends the trial of the version that serves now."""
        canary = None if self.canary is not None and self.canary.version == event.version else self.canary
        return Pointer(current=event.version, previous=previous, events=(*self.events, event), canary=canary)

    def status(self, version: int) -> VersionStatus:
        """What became of a version, as far as this file knows: of one that never served, a candidate."""
        if self.current == version:
            return VersionStatus("promoted")
        if self.canary is not None and self.canary.version == version:
            return VersionStatus("canary")
        status, serving = VersionStatus("candidate"), None
        for event in self.events:
            if serving == version:
                withdrawn = event.action == "rolled back"
                status = VersionStatus("rolled back", event.reason) if withdrawn else VersionStatus("replaced")
            serving = event.version
        return status
