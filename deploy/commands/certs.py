"""``s3k certs``: a private authority, and certificates for the parts of an installation."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.commands.options import Commands

AUTHORITY = Path("~/.s3k/authority")
DAYS = 90.0  # as `s3k_dist.access.authority` has it


def add_certs(commands: "Commands") -> None:
    """``certs``."""
    certs = commands.add_parser("certs", help="certificates of cells, robots, services and operators: issue, revoke")
    verbs = certs.add_subparsers(title="verbs", metavar="VERB", required=True)
    init = verbs.add_parser("init", help="make a private authority; its key stays with the administrator")
    init.set_defaults(command=_init)
    issue = verbs.add_parser("issue", help="a folder of credentials for one part")
    issue.add_argument("identity", help="PART/NAME: cell/bench3, robot/bench3, service/gpu1, operator/anna, monitor/m")
    issue.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    issue.add_argument(
        "--host", action="append", default=[], metavar="NAME", help="by which browsers know it; may be repeated"
    )
    issue.set_defaults(command=_issue)
    renew = verbs.add_parser("renew", help="the same certificate for longer; what serves takes it up by itself")
    renew.add_argument("folder", type=Path, metavar="DIR", help="of the credentials; its cert.pem is enough")
    renew.set_defaults(command=_renew)
    for verb in (issue, renew):
        verb.add_argument("--days", type=float, default=DAYS, metavar="N", help="until it expires (default: 90)")
    revoke = verbs.add_parser("revoke", help="take certificates back, in crl.pem, which every server gets a copy of")
    revoke.add_argument("which", help="PART/NAME, or a serial number")
    revoke.set_defaults(command=_revoke)
    listing = verbs.add_parser("list", help="what was issued, until when, and what was revoked")
    listing.set_defaults(command=_list)
    for verb in verbs.choices.values():
        verb.add_argument(
            "--authority", type=Path, default=AUTHORITY, metavar="DIR", help="of the authority (default: %(default)s)"
        )


def _init(options: argparse.Namespace) -> int:
    from s3k_dist.access.authority import Authority

    folder = options.authority.expanduser()
    Authority.make(folder)
    print(f"an authority in {folder}; whoever has its ca.key can issue anything: keep it off the cluster")  # noqa: T201
    return 0


def _issue(options: argparse.Namespace) -> int:
    from s3k_dist.access.authority import Authority
    from s3k_dist.access.identity import Identity

    identity = Identity.of(options.identity)
    Authority(options.authority.expanduser()).issue(identity, options.out, options.days, tuple(options.host))
    print(f"{identity}, for {options.days:g} days: {options.out}")  # noqa: T201
    return 0


def _renew(options: argparse.Namespace) -> int:
    from s3k_dist.access.authority import Authority

    identity = Authority(options.authority.expanduser()).renew(options.folder, options.days)
    print(f"{identity}, for {options.days:g} days more: {options.folder}")  # noqa: T201
    return 0


def _revoke(options: argparse.Namespace) -> int:
    from s3k_dist.access.authority import Authority

    folder = options.authority.expanduser()
    for identity in Authority(folder).revoke(options.which):
        print(f"{identity} is revoked; copy {folder / 'crl.pem'} into the credentials of every server")  # noqa: T201
    return 0


def _list(options: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from rich.console import Console
    from rich.table import Table

    from s3k_dist.access.authority import Authority
    from s3k_dist.access.certificate import identity_of

    authority = Authority(options.authority.expanduser())
    revoked, now = authority.revoked(), datetime.now(UTC)
    table = Table("part", "from", "until", "state", "serial")
    for column in table.columns:
        column.overflow = "fold"  # a serial number that is cut revokes nothing
    for issued in authority.issued():
        over = issued.not_valid_after_utc <= now
        state = "revoked" if issued.serial_number in revoked else "expired" if over else "valid"
        table.add_row(
            str(identity_of(issued)),
            f"{issued.not_valid_before_utc:%Y-%m-%d}",
            f"{issued.not_valid_after_utc:%Y-%m-%d %H:%M}",
            state,
            f"{issued.serial_number:x}",
        )
    Console().print(table)
    return 0
