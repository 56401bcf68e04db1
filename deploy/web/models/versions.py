"""The versions of a run's keypoint model and of its policy: how good they are, and what became of them."""

import json
import math
from pathlib import Path
from typing import Any

from deploy.run_folder import RunFolder
from deploy.web.follow import FollowedLines
from s3k_dist.access.audit import AuditLog
from s3k_dist.errors import StorageError
from s3k_dist.weights import WeightsRegistry
from s3k_dist.weights_history import PromotionEvent

SAME_DECISION_S = 30.0  # between a line of the audit log and what it announces: the registry's lock may wait as long
CHECKPOINTS = "checkpoint-*"


class StaleDecisionError(StorageError):
    """Another version serves than the one that somebody decided about."""


class Decisions(FollowedLines):
    """Who promoted and rolled back, as the run's audit log has it.

    Args:
        path: of the log.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._made: list[tuple[float, str, int, str]] = []

    def begin(self) -> None:
        """Forget all that was taken."""
        self._made = []

    def take(self, entry: dict[str, Any]) -> None:
        """One line of the log."""
        if entry["action"] in ("model.promote", "model.roll_back"):
            made = float(entry["at_s"]), str(entry["action"]), int(entry["facts"]["version"]), str(entry["who"])
            self._made.append(made)

    def who(self, event: PromotionEvent) -> str:
        """Who had this happen; empty if nobody noted it."""
        action = "model.promote" if event.action == "promoted" else "model.roll_back"
        at_s = event.at_ns / 1e9
        near = [
            made
            for made in self._made
            if made[1:3] == (action, event.version) and abs(made[0] - at_s) < SAME_DECISION_S
        ]
        return min(near, key=lambda made: abs(made[0] - at_s))[3] if near else ""


class Versions:
    """Reads the registry and the checkpoints of a run, and decides for people.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._decisions = Decisions(folder.audit)

    def state(self) -> dict[str, Any]:
        """All versions, the newest first, and every decision, the newest first.

        Raises:
            StorageError: the registry cannot be read.
        """
        registry = WeightsRegistry(self._folder.models)
        self._decisions.look()
        events = registry.history()
        canary = registry.canary()
        return {
            "serving": registry.current(),
            "before": _before(events),
            "canary": None if canary is None else {"version": canary.version, "share": canary.share},
            "versions": [_version(registry, version) for version in reversed(registry.versions())],
            "events": [
                {
                    "action": event.action,
                    "version": event.version,
                    "at_s": event.at_ns / 1e9,
                    "reason": event.reason,
                    "who": self._decisions.who(event),
                }
                for event in reversed(events)
            ],
            "policy": self._checkpoints(),
        }

    def promote(self, version: int, instead_of: int | None, reason: str, who: str) -> None:
        """Let a version serve.

        Args:
            version: of the keypoint model.
            instead_of: what served when this was decided.
            reason: kept with the promotion.
            who: decided.

        Raises:
            StaleDecisionError: another version serves by now.
            StorageError: there is no such version, it is damaged, or the decision cannot be written down.
        """
        registry = self._registry(who)
        if registry.current() != instead_of:
            raise StaleDecisionError(f"version {registry.current()} serves by now: look again, then decide")
        registry.promote(version, reason=reason)

    def roll_back(self, withdraw: int, reason: str, who: str) -> int:
        """Let the version before serve again; returns which that is.

        Args:
            withdraw: what serves, and should not.
            reason: kept with the roll-back.
            who: decided.

        Raises:
            StaleDecisionError: another version serves by now.
            StorageError: there is none before, or the decision cannot be written down.
        """
        registry = self._registry(who)
        if registry.current() != withdraw:
            raise StaleDecisionError(f"version {registry.current()} serves by now: look again, then decide")
        return registry.roll_back(reason, withdraw=withdraw)

    def _registry(self, who: str) -> WeightsRegistry:
        return WeightsRegistry(self._folder.models, AuditLog(self._folder.audit), who)

    def _checkpoints(self) -> list[dict[str, Any]]:
        """Of the policy learner, the newest first."""
        found = []
        for path in sorted(self._folder.checkpoints.glob(CHECKPOINTS), reverse=True):
            try:
                said = json.loads((path / "progress.json").read_bytes())
                at_s = (path / "progress.json").stat().st_mtime
                window = said.get("outcomes", {}).get("windows", {}).get("success_rate", [])
                found.append(
                    {
                        "name": path.name,
                        "at_s": at_s,
                        "policy_version": said.get("policy_version"),
                        "env_steps": said.get("env_steps"),
                        "updates": said.get("updates"),
                        "success": sum(window) / len(window) if window else None,
                        "episodes": len(window),
                    }
                )
            except (OSError, ValueError, TypeError, AttributeError):
                continue  # it is being written, or removed
        return found


def _version(registry: WeightsRegistry, version: int) -> dict[str, Any]:
    try:
        manifest, status = registry.manifest(version), registry.status(version)
    except StorageError as error:
        return {"version": version, "state": "damaged", "reason": str(error), "at_s": None, "metrics": {}}
    metrics = {name: value for name, value in manifest.metrics.items() if math.isfinite(value)}
    return {
        "version": version,
        "state": status.state,
        "reason": status.reason,
        "at_s": manifest.created_at_ns / 1e9,
        "metrics": metrics,
    }


def _before(events: tuple[PromotionEvent, ...]) -> int | None:
    """What a roll-back returns to, if that is not damaged."""
    served: list[int] = []
    for event in events:
        if event.action == "rolled back" and event.version in served:
            while served[-1] != event.version:
                served.pop()
        else:
            served.append(event.version)
    return served[-2] if len(served) > 1 else None
