"""``s3k run``, ``doctor``, ``collect``, ``serve``: a run, what it needs, how it begins, what it serves."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.commands.options import add_cells, add_config, add_credentials, new_folder, overrides, refuse_used
from deploy.interrupt import stop_on_signals
from s3k_dist.errors import S3KError

if TYPE_CHECKING:
    from deploy.commands.options import Commands


def add_run(commands: "Commands") -> None:
    """``run``, ``doctor``, ``collect``."""
    run = commands.add_parser("run", help="everything: record, learn to see, learn to act, evaluate, report")
    add_config(run)
    add_cells(run)
    run.add_argument("--resume", type=Path, metavar="DIR", help="go on with the run in DIR")
    run.set_defaults(command=_run)

    doctor = commands.add_parser("doctor", help="check this machine, and say what to do about what it lacks")
    doctor.set_defaults(command=_doctor)

    collect = commands.add_parser("collect", help="record demonstrations and exploration, and label a few frames")
    add_config(collect)
    add_cells(collect)
    collect.set_defaults(command=_collect)


def add_serve(commands: "Commands") -> None:
    """``serve``."""
    serve = commands.add_parser("serve", help="serve the promoted keypoint model of a run over gRPC")
    serve.add_argument("--run", type=Path, required=True, metavar="DIR", help="folder with a trained keypoint model")
    serve.add_argument("--address", default="127.0.0.1:50051", help="where to listen (default: %(default)s)")
    serve.add_argument("--encoder", type=Path, metavar="REGISTRY", help="answer with its embeddings, too")
    serve.add_argument("--metrics-port", type=int, default=None, help="Prometheus metrics over HTTP on this port")
    add_credentials(serve)
    serve.set_defaults(command=_serve)


def _run(options: argparse.Namespace) -> int:
    from deploy.config import load_config, read_config
    from deploy.doctor import preflight

    if options.resume is not None:
        if options.seed is not None or options.out is not None or options.cells:
            raise S3KError(
                "--resume goes on with the seed, folder and cells of that run; leave out --seed and --out, and --cells"
            )
        root: Path = options.resume
        config = read_config(root, options.set)
    else:
        config = load_config(options.preset, overrides(options), options.cells)
        root = options.out or new_folder(config.preset)
        refuse_used(root)
    preflight(root)
    stop_on_signals(f"what was learned is kept, s3k run --resume {root} goes on")
    from deploy.run import run

    report = run(config, root)
    print(f"\nreport: {report}\nsummary: {root / 'summary.json'}")  # noqa: T201
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from deploy.doctor import run_doctor

    return run_doctor()


def _collect(options: argparse.Namespace) -> int:
    from deploy.config import load_config
    from deploy.doctor import preflight

    config = load_config(options.preset, overrides(options), options.cells)
    root = options.out or new_folder(config.preset)
    refuse_used(root)
    preflight(root)
    stop_on_signals(f"what was learned is kept, s3k run --resume {root} goes on")
    from deploy.session import open_session
    from deploy.stages.record import record

    with open_session(config, root, f"s3k collect, {config.preset}, seed {config.seed}") as session:
        session.view.phase("record")
        record(session)
    print(f"recorded: {root}\nnext: s3k train keypoints --run {root}")  # noqa: T201
    return 0


def _serve(options: argparse.Namespace) -> int:
    from deploy.serve import serve

    return serve(options.run, options.address, options.metrics_port, options.encoder, options.credentials)
