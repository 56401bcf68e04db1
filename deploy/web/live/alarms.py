"""What a person should look at: drift of the images, cameras that moved, parts of the run that are down."""

import time
from pathlib import Path
from typing import Any

from deploy.fleet.part import State
from deploy.fleet.status import RunStatus
from deploy.web.follow import FollowedLines

REMEMBERED = 50
WORDS = {
    "residual": "the views disagree",
    "confidence": "the model is less sure",
    "missing": "keypoints are missing",
    "jitter": "keypoints jump",
}


class DriftAlarms(FollowedLines):
    """The alarms of ``drift.jsonl``: those that are on, and the last that are over.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._on: dict[tuple[str, ...], dict[str, Any]] = {}
        self._past: list[dict[str, Any]] = []

    def begin(self) -> None:
        """Forget all that was taken."""
        self._on, self._past = {}, []

    def take(self, entry: dict[str, Any]) -> None:
        """An alarm that began or is over, or a camera that has moved."""
        at_s, cell = float(entry["at_s"]), str(entry["cell"])
        if entry["kind"] == "moved camera":
            text = f"camera {entry['camera']} has moved"
            self._remember({"cell": cell, "at_s": at_s, "over_s": at_s, "text": text})
            return
        signal = str(entry["signal"])
        key = (cell, signal, str(entry["subject"]), str(entry["name"]))
        if entry["state"] == "began":
            times = float(entry["now"]) / float(entry["reference"]) if entry["reference"] else None
            said = f"{WORDS.get(signal, signal)} on {entry['subject']} {entry['name']}"
            more = f", {times:.1f} times as much as usual" if times and signal == "residual" else ""
            self._on[key] = {"cell": cell, "at_s": at_s, "over_s": None, "text": said + more}
        elif key in self._on:
            self._remember(self._on.pop(key) | {"over_s": at_s})

    def alarms(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Those that are on, and those that are over; the newest first."""
        with self._lock:
            on = sorted(self._on.values(), key=lambda each: -each["at_s"])
            return on[:REMEMBERED], self._past[::-1]

    def _remember(self, alarm: dict[str, Any]) -> None:
        self._past = [*self._past, alarm][-REMEMBERED:]


def part_alarms(status: RunStatus | None, waiting: list[str]) -> list[dict[str, Any]]:
    """Parts that are not at work though they should be, cells that wait for a person, a run that fell silent.

    Args:
        status: of the run; None if it has none yet.
        waiting: cells that wait for their scene to be set up.
    """
    if status is None or status.over:
        return []
    silent_s = status.silent_s(time.time())
    found: list[dict[str, Any]] = []
    if silent_s:
        text = "nobody has said anything since: the run was killed, or its machine is gone"
        found.append({"cell": "run", "at_s": status.at_s, "over_s": None, "text": text})
    for part in status.parts:
        if part.state in (State.BACKING_OFF, State.REFUSED):
            text = f"{part.state.value}: {part.last_error or 'it does not say why'}"
            found.append({"cell": part.name, "at_s": part.since_s, "over_s": None, "text": text})
        elif part.name in waiting:
            text = "waits until its scene is set up (s3k cells ready)"
            found.append({"cell": part.name, "at_s": part.since_s, "over_s": None, "text": text})
        elif part.state is State.WAITING and not silent_s:
            text = "waits for a machine that has what it needs"
            found.append({"cell": part.name, "at_s": part.since_s, "over_s": None, "text": text})
    return found
