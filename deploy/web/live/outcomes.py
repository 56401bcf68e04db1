"""How the newest episodes of each cell ended."""

from collections import deque
from pathlib import Path
from typing import Any, Literal

from deploy.web.follow import FollowedLines

KEPT = 40  # of each cell

Outcome = Literal["success", "failure", "false"]


class Outcomes(FollowedLines):
    """Of ``episodes.jsonl``: the last episodes by cell, oldest first.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._of: dict[str, deque[Outcome]] = {}

    def begin(self) -> None:
        """Forget all that was taken."""
        self._of = {}

    def take(self, entry: dict[str, Any]) -> None:
        """One episode."""
        # CELL-policy-SEED-NONCE; a cell's name may have dashes itself.
        cell, *rest = str(entry["episode"]).rsplit("-", 3)
        if len(rest) == 3:
            self._of.setdefault(cell, deque(maxlen=KEPT)).append(_outcome(entry))

    def of(self, cell: str) -> list[Outcome]:
        """Of one cell."""
        with self._lock:
            return list(self._of.get(cell, ()))


def _outcome(entry: dict[str, Any]) -> Outcome:
    """By truth where there is any; on a real robot by its own claim."""
    claimed, true = bool(entry["claimed"]), entry.get("truly_inserted")
    if true is None:
        return "success" if claimed else "failure"
    return "success" if true else "false" if claimed else "failure"
