"""``s3k stream``: what is in a stream, one frame of it, whether it is sound, and less of it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.commands.options import Commands


def add_stream(commands: "Commands") -> None:
    """``stream ls|stat|show|verify|prune``."""
    parts = commands.add_parser("stream", help="list, show, verify and prune a stream of frames").add_subparsers(
        metavar="COMMAND", required=True
    )

    listing = parts.add_parser("ls", help="the shards, cell by cell")
    _add_place(listing)
    listing.add_argument("--cell", metavar="CELL", help="of this cell only")
    listing.set_defaults(command=_ls)

    stat = parts.add_parser("stat", help="frames, bytes, rate and time of each cell")
    _add_place(stat)
    stat.set_defaults(command=_stat)

    show = parts.add_parser("show", help="write a PNG of all views of a frame, with what is known of it")
    _add_place(show)
    show.add_argument("frame", metavar="FRAME", help="its name, cell0/00000017")
    show.add_argument("--out", type=Path, metavar="PNG", help="default: <cell>-<sequence>.png, here")
    show.set_defaults(command=_show)

    verify = parts.add_parser("verify", help="read everything, and name what is damaged; fails if anything is")
    _add_place(verify)
    verify.add_argument("--decode", action="store_true", help="decode the images, too, not only the checksums")
    verify.add_argument("--quarantine", action="store_true", help="move damaged shards aside, with the reason")
    verify.set_defaults(command=_verify)

    prune = parts.add_parser("prune", help="hold each cell to a budget; labelled and diverse past frames stay")
    _add_place(prune)
    prune.add_argument("--max-mb", type=float, metavar="MB", help="that a cell may take (10^6 bytes)")
    prune.add_argument("--max-age", type=float, metavar="S", help="seconds that a frame is fresh")
    prune.add_argument("--reservoir", type=int, default=1000, metavar="N", help="diverse past frames (%(default)s)")
    prune.add_argument("--keep-still", action="store_true", help="do not thin scenes in which nothing moves")
    prune.add_argument("--labels", type=Path, metavar="FILE", help="more labels, beside those of the run or data set")
    prune.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    prune.set_defaults(command=_prune)


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "stream", metavar="STREAM", help="folder or URL of a stream, or the folder of a run or data set"
    )


def _ls(options: argparse.Namespace) -> int:
    from deploy.stream_tables import print_shards

    return print_shards(options.stream, options.cell)


def _stat(options: argparse.Namespace) -> int:
    from deploy.stream_tables import print_stats

    return print_stats(options.stream)


def _show(options: argparse.Namespace) -> int:
    from deploy.stream_picture import write_picture

    out = options.out or Path(f"{options.frame.replace('/', '-')}.png")
    for line in write_picture(options.stream, options.frame, out):
        print(line)  # noqa: T201
    return 0


def _verify(options: argparse.Namespace) -> int:
    from deploy.stream_tables import print_verification

    return print_verification(options.stream, decode=options.decode, quarantine=options.quarantine)


def _prune(options: argparse.Namespace) -> int:
    from deploy.stream_tables import print_pruning
    from s3k_dist.errors import ConfigError
    from s3k_dist.stream.retention_plan import STILL_LEVELS, RetentionPolicy

    for name in ("max_mb", "max_age"):
        if (value := getattr(options, name)) is not None and not value > 0:
            raise ConfigError(f"--{name.replace('_', '-')} is {value:g}, expected more than 0")
    if options.reservoir < 0:
        raise ConfigError(f"--reservoir is {options.reservoir}, expected 0 or more")
    policy = RetentionPolicy(
        max_bytes=None if options.max_mb is None else int(options.max_mb * 1e6),
        max_age_s=options.max_age,
        reservoir_frames=options.reservoir,
        still_levels=None if options.keep_still else STILL_LEVELS,
    )
    return print_pruning(options.stream, policy, options.labels, dry_run=options.dry_run)
