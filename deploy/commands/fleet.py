"""``s3k cells`` and ``s3k status``: which cells a run has, and how all of its parts are doing."""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from s3k_dist.errors import S3KError

if TYPE_CHECKING:
    from deploy.commands.options import Commands
    from deploy.fleet.register import FleetRegister

EVERY_S = 1.0


def add_fleet(commands: "Commands") -> None:
    """``cells``, ``status``."""
    cells = commands.add_parser("cells", help="add a cell to a run while it runs, list, drain or remove cells")
    verbs = cells.add_subparsers(title="verbs", metavar="VERB", required=True)
    add = verbs.add_parser("add", help="let a cell join: now, or as soon as a node offers its resource")
    add.add_argument("file", type=Path, help="YAML: cell, kind, resource; docs/fleet.md")
    add.set_defaults(command=_add)
    listing = verbs.add_parser("list", help="the cells of a run, and how they are doing")
    listing.set_defaults(command=_list)
    for name, summary in (
        ("drain", "let a cell end its episode and its process; `add` lets it run again"),
        ("remove", "drain a cell and forget it; what it recorded stays"),
    ):
        verb = verbs.add_parser(name, help=summary)
        verb.add_argument("cell", help="its name")
        verb.set_defaults(command=_wish, wish=name)
    ready = verbs.add_parser("ready", help="say to a cell that waits for it that its scene is set up")
    ready.add_argument("cell", help="its name")
    ready.set_defaults(command=_ready)
    for verb in verbs.choices.values():
        verb.add_argument("--run", type=Path, required=True, metavar="DIR", help="folder of the run")

    status = commands.add_parser("status", help="how every part of a run is doing; live with --watch")
    status.add_argument("run", type=Path, metavar="DIR", help="folder of the run")
    status.add_argument("--watch", action="store_true", help="draw it anew every second, until Ctrl-C")
    status.add_argument("--json", action="store_true", help="as the supervisor wrote it")
    status.set_defaults(command=_status)


def _add(options: argparse.Namespace) -> int:
    from deploy.fleet.cell_file import read_cell_file

    cell = read_cell_file(options.file)
    _register(options.run).add(cell)
    where = "any node" if cell.resource is None else f"a node that offers {cell.resource}"
    print(f"{cell.cell} joins {options.run} on {where}; `s3k status {options.run}` shows it")  # noqa: T201
    return 0


def _list(options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from deploy.fleet.status import read_status

    cells, waiting = _register(options.run).cells(), _register(options.run).waiting()
    try:
        parts = {part.name: part for part in read_status(options.run).parts}
    except S3KError:
        parts = {}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("cell", "kind", "resource", "should", "is", "last error"):
        table.add_column(heading)
    for name, (cell, wish) in cells.items():
        part = parts.get(name)
        state, error = ("not begun", "") if part is None else (part.state.value, part.last_error)
        if name in waiting:
            state = f"waits for its scene: s3k cells ready {name}"
        table.add_row(name, cell.kind, cell.resource or "any node", wish, state, error)
    Console().print(table if cells else f"{options.run} has no cells yet; `s3k cells add FILE --run DIR` adds one")
    return 0


def _wish(options: argparse.Namespace) -> int:
    from deploy.fleet.status import read_status

    register = _register(options.run)
    register.wish(options.cell, options.wish)
    try:
        status = read_status(options.run)
        runs = not status.over and not status.silent_s()
    except S3KError:
        runs = False
    if options.wish == "remove" and not runs:  # nobody is there who would wait for its episode
        register.forget(options.cell)
    print(f"{options.cell}: {options.wish}{'' if runs else '; the run does not run now'}")  # noqa: T201
    return 0


def _ready(options: argparse.Namespace) -> int:
    _register(options.run).ready(options.cell)
    return 0


def _status(options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.live import Live

    from deploy.fleet.status import drawn, read_status, worst

    status = read_status(options.run)
    if options.json:
        print(json.dumps(asdict(status), indent=1))  # noqa: T201
    elif options.watch:
        with Live(drawn(status), console=Console(), auto_refresh=False) as live:
            while True:
                time.sleep(EVERY_S)
                status = read_status(options.run)
                live.update(drawn(status), refresh=True)
                if status.over:
                    break
    else:
        Console().print(drawn(status))
    return 1 if status.silent_s() else worst(status.parts)


def _register(run: Path) -> "FleetRegister":
    from deploy.fleet.register import FleetRegister
    from deploy.run_folder import RunFolder

    if not run.is_dir():
        raise S3KError(f"{run} is not a run; `s3k run` makes one")
    return FleetRegister(RunFolder(run.absolute()).fleet)
