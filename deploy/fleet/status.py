"""How all parts of a run are doing, as one file that the run's supervisor writes and anyone reads."""

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from deploy.fleet.part import Part, State
from s3k_dist.atomic import write_atomic
from s3k_dist.errors import StorageError

STATUS_NAME = "status.json"
SILENT_AFTER_S = 10.0  # written every second
COLOURS = {
    State.RUNNING: "green",
    State.BACKING_OFF: "bold red",
    State.REFUSED: "bold red",
    State.DRAINED: "dim",
    State.DRAINING: "yellow",
    State.WAITING: "yellow",
    State.STARTING: "yellow",
}


@dataclass(frozen=True)
class RunStatus:
    """A run at one moment.

    Attributes:
        at_s: when this was true; Unix time, seconds.
        phase: of the run.
        parts: of the run, in the order they are shown.
        figures: of the run as a whole, by a short name.
        over: the run has ended, or was stopped.
    """

    at_s: float
    phase: str
    parts: tuple[Part, ...]
    figures: dict[str, float | str]
    over: bool = False

    def silent_s(self, now_s: float | None = None) -> float:
        """For how long nobody has said anything, where somebody should have; 0 of a run that is over."""
        silent = (time.time() if now_s is None else now_s) - self.at_s
        return silent if not self.over and silent > SILENT_AFTER_S else 0.0


def write_status(folder: Path, status: RunStatus) -> None:
    """Write it, whole or not at all.

    Raises:
        StorageError: it cannot be written.
    """
    write_atomic(folder / STATUS_NAME, json.dumps(asdict(status)).encode())


def read_status(folder: Path) -> RunStatus:
    """Read what ``write_status`` wrote.

    Raises:
        StorageError: there is none, or it is damaged.
    """
    path = folder / STATUS_NAME
    try:
        fields: dict[str, Any] = json.loads(path.read_text())
        parts = tuple(Part(**{**part, "state": State(part["state"])}) for part in fields.pop("parts"))
        return RunStatus(parts=parts, **fields)
    except FileNotFoundError:
        raise StorageError(f"{folder} has no status yet: its `s3k run` has not come to learning to act") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{path} is damaged: {' '.join(str(error).split())}") from error


def drawn(status: RunStatus, now_s: float | None = None) -> RenderableType:
    """As a person reads it."""
    now_s = time.time() if now_s is None else now_s
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("part", "kind", "state", "for", "where", "restarts", "how it is doing", "last error"):
        table.add_column(heading)
    for part in status.parts:
        table.add_row(
            part.name,
            part.kind,
            Text(part.state.value, style=COLOURS[part.state]),
            _duration(max(0.0, now_s - part.since_s)),
            f"{part.node}:{part.pid}" if part.pid else "",
            str(part.restarts) if part.restarts else "",
            _figures(part.figures),
            Text(part.last_error, style="red" if part.state in (State.BACKING_OFF, State.REFUSED) else "dim"),
        )
    silent = status.silent_s(now_s)
    title = f"{status.phase}   {_figures(status.figures)}"
    if status.over:
        title = f"over since {_duration(now_s - status.at_s)}   {_figures(status.figures)}"
    elif silent:
        title = f"nobody has said anything for {_duration(silent)}: the run was killed, or its machine is gone"
    table.title, table.title_justify = title, "left"
    return table


def worst(parts: Iterable[Part]) -> int:
    """0 where all parts run or were drained, 1 where one does not: for scripts."""
    return int(any(part.state not in (State.RUNNING, State.DRAINED, State.DRAINING) for part in parts))


def _figures(figures: dict[str, float | str]) -> str:
    return ", ".join(
        f"{name} {value:,.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in figures.items()
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
