"""``s3k demos``: demonstrations recorded, listed, checked."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.commands.options import add_credentials, add_overrides, refuse_used
from deploy.interrupt import stop_on_signals
from s3k_dist.errors import ConfigError

if TYPE_CHECKING:
    from deploy.commands.options import Commands

WHERE = "a run, its recordings, or Parquet: a file or a folder of files"


def add_demos(commands: "Commands") -> None:
    """``demos record``, ``demos list``, ``demos check``."""
    demos = commands.add_parser("demos", help="demonstrations: record, list, check").add_subparsers(
        metavar="ACTION", required=True
    )
    recording = demos.add_parser("record", help="record demonstrations by the scripted expert, or drive yourself")
    folder = recording.add_mutually_exclusive_group(required=True)
    folder.add_argument("--run", type=Path, metavar="DIR", help="a run, to add to")
    folder.add_argument("--out", type=Path, metavar="DIR", help="a new run; s3k run --resume DIR goes on from there")
    recording.add_argument("--by", choices=("expert", "human"), default="expert", help="who drives (default: expert)")
    recording.add_argument(
        "--episodes", type=_count, metavar="N", help="to record, or to keep (default: expert 10, human until Finish)"
    )
    recording.add_argument("--seed", type=_natural, metavar="N", help="of the first start (default: a new one)")
    recording.add_argument("--cell", default="cell0", metavar="ID", help="of the run (default: %(default)s)")
    recording.add_argument("--preset", help="with --out: laptop (default) or smoke")
    recording.add_argument("--address", default="127.0.0.1", help="of the page to drive from (default: %(default)s)")
    recording.add_argument("--port", type=_natural, default=0, help="of that page (default: a free one)")
    add_credentials(recording)
    add_overrides(recording)
    recording.set_defaults(command=_record)

    listing = demos.add_parser("list", help="show episodes: kind, steps, return, success")
    listing.add_argument("path", type=Path, metavar="PATH", help=WHERE)
    listing.set_defaults(command=_list)

    checking = demos.add_parser("check", help="name failures, impossible numbers and gaps; exit 1 if there are any")
    checking.add_argument("path", type=Path, metavar="PATH", help=WHERE)
    checking.set_defaults(command=_check)


def _record(options: argparse.Namespace) -> int:
    from deploy.config import load_config, read_config
    from deploy.doctor import preflight

    if options.run is not None:
        if options.preset is not None or options.set:
            raise ConfigError("--run records with the settings of that run; --preset and --set go with --out")
        root, config = options.run, read_config(options.run)
    else:
        root, config = options.out, load_config(options.preset or "laptop", options.set)
        refuse_used(root)
    preflight(root)
    stop_on_signals("the episodes so far are kept")
    from deploy.demos.record import EXPERT_EPISODES, PageAddress, record_expert, record_person

    if options.by == "human":
        page = PageAddress(options.address, options.port, options.credentials)
        done = record_person(config, root, options.cell, options.episodes, options.seed, page)
    else:
        done = record_expert(config, root, options.cell, options.episodes or EXPERT_EPISODES, options.seed)
    print(f"recorded: {done} demonstrations in {root}\nnext: s3k demos check {root}, s3k run --resume {root}")  # noqa: T201
    return 0


def _list(options: argparse.Namespace) -> int:
    from deploy.demos.table import print_list

    return print_list(options.path)


def _check(options: argparse.Namespace) -> int:
    from deploy.demos.table import print_check

    return print_check(options.path)


def _count(text: str) -> int:
    if (value := int(text)) < 1:
        raise ValueError
    return value


def _natural(text: str) -> int:
    if (value := int(text)) < 0:
        raise ValueError
    return value
