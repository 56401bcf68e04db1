"""The ``s3k`` command. Every subcommand imports what it needs when it runs: ``s3k --help`` answers at once."""

import argparse
import sys
from collections.abc import Callable, Sequence

from deploy.commands.access import add_access
from deploy.commands.calibrate import add_calibrate
from deploy.commands.cameras import add_cameras
from deploy.commands.certs import add_certs
from deploy.commands.datasets import add_exchange, add_simulate
from deploy.commands.demos import add_demos
from deploy.commands.fleet import add_fleet
from deploy.commands.health import add_health
from deploy.commands.labels import add_labels
from deploy.commands.parts import add_parts
from deploy.commands.robot import add_robot
from deploy.commands.runs import add_run, add_serve
from deploy.commands.stream import add_stream
from deploy.commands.tune import add_tune
from deploy.commands.web import add_web
from deploy.interrupt import INTERRUPTED
from s3k_dist.errors import S3KError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. An error on purpose is one line on stderr."""
    parser = parser_of_commands()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int] | None = getattr(options, "command", None)
    if command is None:
        parser.print_help()
        return 2
    try:
        return command(options)
    except S3KError as error:
        print(f"s3k: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def parser_of_commands() -> argparse.ArgumentParser:
    """Of every command there is."""
    parser = argparse.ArgumentParser(
        prog="s3k",
        description="Robots that see precisely: S3K keypoints, served to a DDPG learner that inserts a plug.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    # In the order of the help.
    for add in (
        *(add_run, add_fleet, add_demos, add_simulate, add_stream, add_labels, add_web, add_parts, add_tune),
        *(add_serve, add_exchange, add_cameras, add_calibrate, add_robot, add_certs, add_access, add_health),
    ):
        add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
