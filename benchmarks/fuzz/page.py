"""What was fuzzed, as a table in docs/security.md."""

import platform
import time
from pathlib import Path

from benchmarks.fuzz.counters import counted
from benchmarks.fuzz.targets import TARGETS
from experiments.machine import machine
from s3k_dist.atomic import write_atomic
from s3k_dist.errors import StorageError

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
BEGIN, END = "<!-- fuzz -->\n", "<!-- /fuzz -->\n"


def write_table(state: Path, page: Path = PAGE) -> None:
    """Put the table between its marks.

    Raises:
        StorageError: the page has no marks, or cannot be written.
    """
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise StorageError(f"{page} has no place for the table: expected {BEGIN.strip()} and {END.strip()}")
    write_atomic(page, f"{before}{begin}{table(state)}{end}{after}".encode())


def table(state: Path) -> str:
    """The table, with the command and the machine."""
    rows, total, engines = [], 0, set()
    for name, target in TARGETS.items():
        count = counted(state, name)
        total += count.inputs
        engines |= {count.engine} - {""}
        rows.append(f"| {target.what} | {count.inputs:,} | {count.seconds:,.0f} | {count.findings} |")
    head = "| what reads them | inputs | seconds | findings since the last fix |\n|---|---|---|---|\n"
    made_by = " and ".join(sorted(engines)) or "nothing yet"
    how = f"`python -m benchmarks.fuzz --inputs {total}`, {time.strftime('%Y-%m-%d')}"
    where = f"{machine()}, Python {platform.python_version()}"
    body = "\n".join(rows)
    return f"{head}{body}\n\n{total:,} inputs, made by {made_by}: {how}, on {where}.\n"
