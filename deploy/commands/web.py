"""``s3k web``: the pages on which people label, watch a run, and decide."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.commands.access import AUDIT
from deploy.commands.options import add_credentials
from s3k_dist.errors import S3KError

if TYPE_CHECKING:
    from deploy.commands.options import Commands

ADDRESS = "127.0.0.1:8470"


def add_web(commands: "Commands") -> None:
    """``web``."""
    web = commands.add_parser("web", help="pages in the browser: label keypoints, watch a run, promote models")
    where = web.add_mutually_exclusive_group(required=True)
    where.add_argument("--run", type=Path, metavar="DIR", help="a run: its stream, its labels, its promoted model")
    where.add_argument("--data", type=Path, metavar="DIR", help="a data set")
    web.add_argument("--runs", type=Path, metavar="DIR", help="runs to list and compare (default: those beside --run)")
    web.add_argument("--address", default=ADDRESS, metavar="HOST:PORT", help="where to listen (default: %(default)s)")
    web.add_argument("--tokens", type=Path, metavar="FILE", help="who may come in; needed beyond this machine")
    add_credentials(web)
    web.add_argument(
        "--robot-credentials", type=Path, metavar="DIR", help="an operator's certificate, to stop robots elsewhere"
    )
    web.add_argument("--behind-proxy", metavar="IP", help="of a proxy that has TLS, and says who the client is")
    web.add_argument(
        "--name", action="append", default=[], metavar="HOST", help="by which browsers ask for this server, too"
    )
    web.add_argument("--audit", type=Path, default=AUDIT, metavar="FILE", help="takes refusals (default: %(default)s)")
    web.set_defaults(command=_web)


def _web(options: argparse.Namespace) -> int:
    from deploy.run_folder import RunFolder
    from deploy.web.run_pages import RunPages
    from deploy.web.serve import WebSettings, serve_web

    run = None
    if options.run is not None:
        folder = options.run.absolute()
        run = RunPages(RunFolder(folder), options.runs or folder.parent, options.robot_credentials)
    elif options.runs is not None:
        raise S3KError("--runs goes with --run: a data set has no runs beside it")
    return serve_web(
        WebSettings(
            root=options.run or options.data,
            address=options.address,
            tokens=options.tokens,
            credentials=options.credentials,
            proxy=options.behind_proxy,
            names=tuple(options.name),
            audit=options.audit.expanduser(),
            run=run,
        )
    )
