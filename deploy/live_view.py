"""What a person watches while ``s3k run`` runs: phases, key figures, last events.

On a terminal it is redrawn in place; into a file or a pipe go one line for each phase and a status line at times.
"""

import errno
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

STATUS_EVERY_S = 15.0
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a file, on a disk that is full for now
REDRAWS_PER_S = 4.0
SMALLEST_COLUMNS, SMALLEST_ROWS = 60, 18
EVENTS_SHOWN = 4
SYMBOLS = {"done": "✓", "running": "●", "to come": "○", "stopped": "✗"}
ASCII_SYMBOLS = {"done": "+", "running": ">", "to come": "-", "stopped": "x"}
COLOURS = {"done": "green", "running": "bold", "to come": "dim", "stopped": "bold red"}
# What `update` takes, and how a person reads it.
FIGURES = {
    "success_rate": ("success, by truth", "{:.0%}"),
    "claimed_rate": ("success, as claimed", "{:.0%}"),
    "keypoint_mm": ("keypoint error, median", "{:.2f} mm"),
    "p50_ms": ("service, median", "{:.1f} ms"),
    "p99_ms": ("service, p99", "{:.1f} ms"),
    "env_steps": ("environment steps", "{:,.0f}"),
    "updates": ("policy updates", "{:,.0f}"),
    "stream_frames": ("frames in the stream", "{:,.0f}"),
    "drift_alarms": ("drift alarms", "{:.0f}"),
}
BAR_FIGURES = ("success_rate", "claimed_rate")


@dataclass
class _Phase:
    name: str
    state: str = "to come"
    began_s: float = 0.0
    took_s: float = 0.0
    share: float | None = None


class LiveView:
    """Shows a run; pure presentation, safe from any thread and from a signal handler::

    with LiveView("s3k run, laptop", ("label", "learn to see", "learn to act")) as view:
        view.phase("learn to act")
        view.progress(0.4)
        view.update(success_rate=0.8, keypoint_mm=0.6)
        view.event("keypoint model 7 promoted")
    """

    def __init__(self, title: str, phases: Sequence[str] = (), console: Console | None = None) -> None:
        """Set up; nothing is shown before the block is entered.

        Args:
            title: what runs.
            phases: the phases to come, in order; one that `phase` names first is added at the end.
            console: where to draw; standard output if None.
        """
        self._title = title
        self._phases = [_Phase(name) for name in phases]
        self._console = console or Console()
        self._figures: dict[str, object] = {}
        self._events: deque[tuple[float, str]] = deque(maxlen=EVENTS_SHOWN)
        # Re-entrant: a signal handler may report an event while its own thread is in here.
        self._lock = threading.RLock()
        self._began_s = time.monotonic()
        self._closed = threading.Event()
        self._deaf = False
        self._live: Live | None = None
        self._ticker: threading.Thread | None = None

    def phase(self, name: str) -> None:
        """Enter a phase; the one before it is done."""
        with self._lock:
            self._leave_phase("done")
            if name not in [phase.name for phase in self._phases]:
                self._phases.append(_Phase(name))
            entered = next(phase for phase in self._phases if phase.name == name)
            entered.state, entered.began_s, entered.share = "running", time.monotonic(), None
        self._print(name)

    def progress(self, share: float) -> None:
        """How much of the running phase is done, in [0, 1]."""
        with self._lock:
            if running := self._running():
                running.share = min(1.0, max(0.0, float(share)))

    def update(self, **figures: object) -> None:
        """New key figures; ``FIGURES`` lists the known ones, any other is shown under its own name."""
        with self._lock:
            self._figures.update(figures)

    def event(self, text: str) -> None:
        """Something worth a line happened."""
        with self._lock:
            self._events.append((time.monotonic() - self._began_s, text))
        self._print(text)

    def __enter__(self) -> Self:
        self._began_s = time.monotonic()
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(
                get_renderable=self._draw, console=self._console, refresh_per_second=REDRAWS_PER_S, transient=False
            )
            self._live.start()
        else:
            self._print(self._title)
            self._ticker = threading.Thread(target=self._tick, name="live-view", daemon=True)
            self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._leave_phase("done" if kind is None else "stopped")
        self._closed.set()
        if self._live is not None:
            self._live.stop()
        if self._ticker is not None:
            self._ticker.join(timeout=1.0)
        self._print(("done" if kind is None else "stopped") + f" after {_duration(self._elapsed_s())}{self._status()}")

    def _tick(self) -> None:
        while not self._closed.wait(STATUS_EVERY_S):
            with self._lock:
                running = self._running()
                name = running.name if running else self._title
                share = f" {running.share:.0%}" if running and running.share is not None else ""
                line = name + share + self._status()
            self._print(line)

    def _print(self, text: str) -> None:
        """One plain line, where nothing is drawn; a reader that went away is no reason to stop a run."""
        if self._live is not None or self._deaf:
            return
        encoding = self._console.encoding
        line = f"[{_duration(self._elapsed_s()):>6}] {text}".encode(encoding, "replace").decode(encoding)
        with self._lock:
            try:
                self._console.file.write(line + "\n")
                self._console.file.flush()
            except OSError as error:
                self._deaf = error.errno not in NO_ROOM
            except ValueError:
                self._deaf = True

    def _draw(self) -> RenderableType:
        with self._lock:
            size = self._console.size
            if size.width < SMALLEST_COLUMNS or size.height < SMALLEST_ROWS:
                running = self._running()
                line = f"{running.name if running else self._title} {_duration(self._elapsed_s())}{self._status()}"
                return Text(line, no_wrap=True, overflow="ellipsis")
            columns = Table.grid(padding=(0, 4))
            columns.add_row(self._draw_phases(), self._draw_figures())
            rows: list[RenderableType] = [columns]
            if self._events:
                rows += [Text(""), self._draw_events()]
            title = Text.assemble((self._title, "bold"), (f"  {_duration(self._elapsed_s())}", "cyan"))
            return Panel(Padding(Group(*rows), (1, 2)), title=title, title_align="left", border_style="dim")

    def _draw_phases(self) -> Table:
        symbols = SYMBOLS if self._console.encoding.lower().startswith("utf") else ASCII_SYMBOLS
        table = Table.grid(padding=(0, 1))
        room = max(1, self._console.size.height - 8 - EVENTS_SHOWN)
        current = next((i for i, phase in enumerate(self._phases) if phase.state == "running"), 0)
        first = max(0, min(current - room // 2, len(self._phases) - room))
        for phase in self._phases[first : first + room]:
            colour, last = COLOURS[phase.state], ""
            if phase.state == "running":
                last = _duration(time.monotonic() - phase.began_s)
            elif phase.state != "to come":
                last = _duration(phase.took_s)
            table.add_row(
                Text(symbols[phase.state], colour), Text(phase.name, colour), Text(last, "cyan", justify="right")
            )
            if phase.state == "running" and phase.share is not None:
                table.add_row("", ProgressBar(total=1.0, completed=phase.share, width=22), f"{phase.share:.0%}")
        return table

    def _draw_figures(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for key, value in self._figures.items():
            if key not in FIGURES:
                table.add_row(Text(key, "dim"), Text(_shown(key, value), justify="right"))
        for key, (label, _) in FIGURES.items():
            if key in self._figures:
                value = self._figures[key]
                bar: RenderableType = ""
                if key in BAR_FIGURES and isinstance(value, float | int) and self._console.size.width >= 100:
                    bar = ProgressBar(total=1.0, completed=float(value), width=12, complete_style="green")
                table.add_row(Text(label, "dim"), Text(_shown(key, value), "bold", justify="right"), bar)
        return table

    def _draw_events(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for at_s, text in self._events:
            table.add_row(Text(_duration(at_s), "cyan"), Text(text, "dim", no_wrap=True, overflow="ellipsis"))
        return table

    def _status(self) -> str:
        """The figures in one line, with a separator in front; empty before there are any."""
        with self._lock:
            known = [(FIGURES[key][0], key) for key in FIGURES if key in self._figures]
            other = [(key, key) for key in self._figures if key not in FIGURES]
            return "".join(f" | {label} {_shown(key, self._figures[key])}" for label, key in known + other)

    def _running(self) -> _Phase | None:
        return next((phase for phase in self._phases if phase.state == "running"), None)

    def _leave_phase(self, state: str) -> None:
        if phase := self._running():
            phase.state, phase.took_s = state, time.monotonic() - phase.began_s

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began_s


def _shown(key: str, value: object) -> str:
    if not isinstance(value, float | int):
        try:
            value = float(value)  # type: ignore[arg-type]  # NumPy and torch scalars
        except (TypeError, ValueError):
            return str(value)
    if value != value:
        return "–"
    return FIGURES[key][1].format(value) if key in FIGURES else f"{value:,.4g}"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
