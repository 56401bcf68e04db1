"""``s3k tokens`` and ``s3k audit``: who may use the pages, and what was done."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.commands.options import Commands

TOKENS = Path("~/.s3k/tokens.json")
AUDIT = Path("~/.s3k/audit.jsonl")


def add_access(commands: "Commands") -> None:
    """``tokens``, ``audit``."""
    tokens = commands.add_parser("tokens", help="who may use the pages: add, list or remove tokens with a role")
    verbs = tokens.add_subparsers(title="verbs", metavar="VERB", required=True)
    add = verbs.add_parser("add", help="a new token; its secret is printed once")
    add.add_argument("name", help="of who holds it, as in the audit log: lower-case letters, digits, '.', '_', '-'")
    add.add_argument("--role", required=True, help="viewer, labeller or operator")
    add.add_argument("--days", type=float, metavar="N", help="after which it expires (default: never)")
    add.set_defaults(command=_add)
    listing = verbs.add_parser("list", help="names, roles and times; secrets are kept nowhere")
    listing.set_defaults(command=_list)
    remove = verbs.add_parser("remove", help="take tokens back, at once")
    remove.add_argument("name", help="of who holds them, or the mark of one of them")
    remove.set_defaults(command=_remove)
    for verb in verbs.choices.values():
        verb.add_argument("--file", type=Path, default=TOKENS, metavar="FILE", help="default: %(default)s")

    audit = commands.add_parser("audit", help="what was done to robots and models, by whom")
    audit.add_argument("--file", type=Path, default=AUDIT, metavar="FILE", help="default: %(default)s")
    audit.add_argument("--who", metavar="NAME", help="only theirs")
    audit.add_argument("--action", metavar="TEXT", help="only actions that begin so: robot, model.promote")
    audit.add_argument("--hours", type=float, metavar="N", help="only the last N hours")
    audit.add_argument("--json", action="store_true", help="the lines as they are")
    audit.set_defaults(command=_audit)


def _add(options: argparse.Namespace) -> int:
    from s3k_dist.access.tokens import Role, Tokens

    secret = Tokens(options.file.expanduser()).add(options.name, Role.of(options.role), options.days)
    print(secret)  # noqa: T201
    return 0


def _list(options: argparse.Namespace) -> int:
    import time
    from datetime import UTC, datetime

    from rich.console import Console
    from rich.table import Table

    from s3k_dist.access.tokens import Tokens

    table = Table("name", "role", "mark", "made", "until")
    for token in Tokens.load(options.file.expanduser()).list():
        made, until = (
            "never" if at_s is None else datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M")
            for at_s in (token.made_at_s, token.expires_at_s)
        )
        table.add_row(token.name, token.role, token.mark, made, f"{until}, over" * token.expired(time.time()) or until)
    Console().print(table)
    return 0


def _remove(options: argparse.Namespace) -> int:
    from s3k_dist.access.tokens import Tokens

    for token in Tokens(options.file.expanduser()).remove(options.name):
        print(f"{token.role} {token.name} ({token.mark}) may do nothing any more")  # noqa: T201
    return 0


def _audit(options: argparse.Namespace) -> int:
    import time

    from s3k_dist.access.audit import read_audit

    since_s = 0.0 if options.hours is None else time.time() - 3600.0 * options.hours
    for entry in read_audit(options.file.expanduser()):
        wanted = options.who in (None, entry.who) and entry.action.startswith(options.action or "")
        if not wanted or entry.at_s < since_s:
            continue
        if options.json:
            said = {"at_s": entry.at_s, "who": entry.who, "action": entry.action, "facts": entry.facts}
            print(json.dumps(said))  # noqa: T201
            continue
        # As JSON: whatever a peer put into a name or a reason, a terminal is told nothing by it.
        facts = "  ".join(f"{_plain(name)}={json.dumps(value)}" for name, value in entry.facts.items())
        print(f"{entry.time}  {_plain(entry.who)}  {_plain(entry.action)}  {facts}")  # noqa: T201
    return 0


def _plain(text: str) -> str:
    return json.dumps(text)[1:-1]
