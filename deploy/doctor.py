"""``s3k doctor``: what this machine lacks for a run. The same checks guard the start of ``s3k run``."""

from collections.abc import Callable
from pathlib import Path

from deploy.checks import (
    Check,
    check_cores,
    check_disk,
    check_load,
    check_memory,
    check_packages,
    check_port,
    check_pylon,
    check_python,
    check_rendering,
    check_shared_memory,
    check_writable,
)
from s3k_dist.errors import PreflightError

RUNS = Path("runs")


def checks(folder: Path = RUNS) -> list[Check]:
    """Everything a run needs of this machine; takes some seconds.

    Args:
        folder: where runs will be kept.
    """
    return [
        check_python(),
        check_packages(),
        check_cores(),
        check_memory(),
        check_disk(folder),
        check_writable(folder),
        check_shared_memory(),
        check_port(),
        check_rendering(),
        check_pylon(),
        check_load(),
    ]


def run_doctor(folder: Path = RUNS) -> int:
    """Print the checks; returns the exit status, 1 if something would stop a run."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    with console.status("looking at this machine"):
        found = checks(folder)
    marks = {True: Text("ok", "green"), None: Text("note", "yellow"), False: Text("no", "bold red")}
    table = Table.grid(padding=(0, 2))
    for check in found:
        table.add_row(marks[check.ok], Text(check.name, "bold"), Text(check.detail))
        if check.ok is not True:
            table.add_row("", "", Text(check.advice, "cyan"))
    console.print(table)
    stops = sum(check.ok is False for check in found)
    console.print()
    console.print(f"{stops} of these would stop a run" if stops else "ready: `make run`, or `s3k run --preset laptop`")
    return 1 if stops else 0


def preflight(folder: Path) -> None:
    """Refuse a run that this machine would stop half-way.

    Args:
        folder: of the run; need not exist.

    Raises:
        PreflightError: the first thing that is missing, and what to do about it.
    """
    needed: tuple[Callable[[], Check], ...] = (
        lambda: check_writable(folder),
        lambda: check_disk(folder),
        check_memory,
        check_port,
        check_rendering,
    )
    for look in needed:
        check = look()
        if check.ok is False:
            raise PreflightError(f"{check.name}: {check.detail}; {check.advice}")
