"""``s3k stream ls``, ``stat``, ``verify`` and ``prune``: what they do and print."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.run_folder import RunFolder
from deploy.stream_keeper import named_frames
from s3k_dist.errors import StorageError
from s3k_dist.labels.store import load_labels
from s3k_dist.stream.lease import retention_lease
from s3k_dist.stream.quarantine import shards_aside, verify
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.repacking import salvage
from s3k_dist.stream.retention import Retention
from s3k_dist.stream.retention_plan import RetentionPolicy
from s3k_dist.stream.shard import ShardIndex, is_packed
from s3k_dist.stream.store import StreamStore, open_store

PIPE_COLUMNS = 240  # a file or a pipe has no edge to fold at
PAUSE_S = 10.0  # longer than this without a frame, a cell was not at work


def stream_at(place: str) -> StreamStore:
    """The store at a path or URL; a run or a data set stands for its stream.

    Raises:
        StorageError: there is no such folder.
    """
    if "://" in place:
        return open_store(place)
    folder = Path(place)
    if not folder.is_dir():
        raise StorageError(f"{folder} is no folder: expected a stream, or the folder of a run or data set")
    return open_store(folder / "stream" if (folder / "stream").is_dir() else folder)


def open_reader(place: str) -> StreamReader:
    """A reader that knows what is there.

    Raises:
        StorageError: there are no frames, not even damaged ones.
    """
    reader = StreamReader(stream_at(place))
    reader.refresh()
    if not len(reader) and not reader.damaged:
        raise StorageError(f"the stream at {reader.root} holds no frames")
    return reader


def print_shards(place: str, cell: str | None) -> int:
    """The shards as a table; returns the exit status."""
    reader = open_reader(place)
    if cell is not None and cell not in reader.cells():
        raise StorageError(f"unknown cell {cell!r}; this stream has {', '.join(reader.cells())}")
    table = _table("shard", frames="right", MB="right", first="left", span="right", models="left", kind="left")
    for shard in sorted(reader.shards(), key=lambda shard: (shard.cell_id, int(shard.sequences[0]))):
        if cell in (None, shard.cell_id):
            table.add_row(shard.name, str(len(shard)), _mb(shard.size_bytes), *_times(shard), *_facts(shard))
    console = _console()
    console.print(table)
    _print_damage(console, reader)
    return 0


def print_stats(place: str) -> int:
    """Each cell as a row; returns the exit status."""
    reader = open_reader(place)
    cells: dict[str, list[ShardIndex]] = {}
    for shard in reader.shards():
        cells.setdefault(shard.cell_id, []).append(shard)
    table = _table("cell", shards="right", frames="right", MB="right", kB_a_frame="right", Hz="right", newest="left")
    for cell, shards in sorted(cells.items()):
        frames = len(reader.of_cell(cell))
        size = sum(shard.size_bytes for shard in shards)
        captured = np.sort(np.concatenate([shard.captured_at_ns for shard in shards]))
        table.add_row(
            cell,
            str(len(shards)),
            str(frames),
            _mb(size),
            f"{size / frames / 1e3:.1f}",
            _rate(captured),
            _time(int(captured[-1])),
        )
    stats = reader.stats()
    console = _console()
    console.print(table)
    console.print(
        f"{stats.frames} frames of {len(stats.cells)} cells, {_mb(stats.bytes)} MB at {reader.root}", soft_wrap=True
    )
    _print_damage(console, reader)
    return 0


def print_verification(place: str, *, decode: bool, quarantine: bool) -> int:
    """Every shard that is damaged, and a summary; returns 1 if any is."""
    store = stream_at(place)
    console = _console()
    shards = frames = damaged = 0
    for check in verify(store, decode=decode):
        shards, frames = shards + 1, frames + check.frames
        if not check.faults:
            continue
        damaged += 1
        for fault in check.faults:
            console.print(f"{store.where(check.name)}: {fault}", style="bold red", soft_wrap=True, markup=False)
        if quarantine:
            with retention_lease(store) as renew:
                sound = salvage(store, check.name, "; ".join(check.faults), renew)
            console.print(f"  moved aside; {sound} sound frames of it are in a shard of their own", style="dim")
    for name, reason in shards_aside(store).items():
        console.print(f"{store.where(name)} was moved aside: {reason}", soft_wrap=True, markup=False)
    if not shards:
        raise StorageError(f"the stream at {store.url} holds no frames")
    console.print(
        f"{frames} frames in {shards} shards are sound" + (f"; {damaged} shards are damaged" if damaged else "")
    )
    return 1 if damaged else 0


def print_pruning(place: str, policy: RetentionPolicy, labels: Path | None, *, dry_run: bool) -> int:
    """One pass of retention, and what it did; returns the exit status."""
    store = stream_at(place)
    named: frozenset[str] = frozenset()
    if "://" not in place:
        root = Path(place).absolute()
        named = named_frames(RunFolder(root if (root / "stream").is_dir() else root.parent))
    if labels is not None:
        named |= {label.frame for label in load_labels(labels).labels}
    report = Retention(store, policy).prune(named, dry_run=dry_run)
    console = _console()
    for shard, reason in report.set_aside.items():
        console.print(f"{shard}: {reason}; {'to be ' if dry_run else ''}moved aside", soft_wrap=True, markup=False)
    would = "would keep" if dry_run else "kept"
    console.print(
        f"{would} {report.frames_after} of {report.frames_before} frames, "
        f"{_mb(report.bytes_after)} of {_mb(report.bytes_before)} MB; of the past {report.labelled} labelled and "
        f"{report.reservoir} diverse frames; labels and recordings name {len(named)} frames",
        soft_wrap=True,
    )
    for cell in report.over_budget:
        console.print(f"{cell}: its labelled frames alone exceed the budget", style="bold")
    return 0


def _print_damage(console: Console, reader: StreamReader) -> None:
    for shard, reason in reader.damaged.items():
        console.print(f"{shard} is damaged: {reason}", style="bold red", soft_wrap=True, markup=False)
    for name, reason in shards_aside(reader.store).items():
        console.print(f"{reader.store.where(name)} was moved aside: {reason}", soft_wrap=True, markup=False)


def _facts(shard: ShardIndex) -> tuple[str, str]:
    models = np.unique(shard.model_versions)
    text = f"v{models[0]}" if len(models) == 1 else f"v{models[0]}-v{models[-1]}"
    return text, "kept of older shards" if is_packed(shard.name) else ""


def _times(shard: ShardIndex) -> tuple[str, str]:
    first, last = int(shard.captured_at_ns.min()), int(shard.captured_at_ns.max())
    return _time(first), f"{(last - first) / 1e9:.0f} s" if first else "–"


def _time(captured_at_ns: int) -> str:
    if not captured_at_ns:
        return "–"
    return datetime.fromtimestamp(captured_at_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _rate(captured_at_ns: np.ndarray) -> str:
    gaps_s = np.diff(captured_at_ns) / 1e9
    at_work = gaps_s[(gaps_s > 0) & (gaps_s < PAUSE_S)]
    return f"{1 / np.median(at_work):.1f}" if len(at_work) else "–"


def _mb(size: int) -> str:
    return f"{size / 1e6:,.2f}"


def _table(leading: str, **columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(leading, overflow="fold")
    for name, justify in columns.items():
        table.add_column(Text(name.replace("_", " ")), justify="right" if justify == "right" else "left")
    return table


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPE_COLUMNS)
