"""Arguments that several commands take, and the folders they name."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from s3k_dist.errors import S3KError

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_config(parser: argparse.ArgumentParser) -> None:
    """A configuration from a preset, for a folder that is new."""
    parser.add_argument("--preset", default="laptop", help="laptop (default) or smoke")
    parser.add_argument("--seed", type=int, default=None, help="the same preset and seed give the same data sets")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="default: runs/<preset>-<time>")
    add_overrides(parser)


def add_cells(parser: argparse.ArgumentParser) -> None:
    """``--cells``."""
    parser.add_argument(
        "--cells",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="cell files, in place of the simulated cells; docs/fleet.md",
    )


def add_credentials(parser: argparse.ArgumentParser) -> None:
    """``--credentials``."""
    parser.add_argument(
        "--credentials",
        type=Path,
        metavar="DIR",
        help="folder of ca.pem, cert.pem and key.pem; needed beyond this machine (docs/security.md)",
    )


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """``--set``."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a setting: --set policy.env_steps=2000",
    )


def overrides(options: argparse.Namespace) -> list[str]:
    """Of ``add_config``: the settings, ``--seed`` among them."""
    return options.set if options.seed is None else [*options.set, f"seed={options.seed}"]


def new_folder(prefix: str) -> Path:
    """A name for a folder that says when it was made."""
    import time

    return Path("runs") / f"{prefix}-{time.strftime('%Y%m%d-%H%M%S')}"


def refuse_used(root: Path) -> None:
    """Raises S3KError: there is something in ``root``."""
    if root.is_dir() and any(root.iterdir()):
        raise S3KError(f"{root} is not empty; `s3k run --resume {root}` goes on with a run, --out takes a new folder")
