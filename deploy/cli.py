"""The ``s3k`` command. Every subcommand imports what it needs when it runs: ``s3k --help`` answers at once."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deploy.commands import tune
from deploy.interrupt import INTERRUPTED, stop_on_signals
from s3k_dist.errors import ConfigError, S3KError

STEPS = 3000  # some five minutes on two cores, at 128 px


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code. An error on purpose is one line on stderr."""
    parser = _parser()
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="s3k",
        description="Robots that see precisely: S3K keypoints, served to a DDPG learner that inserts a plug.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    run = commands.add_parser("run", help="everything: record, learn to see, learn to act, evaluate, report")
    _add_config(run)
    run.add_argument("--resume", type=Path, metavar="DIR", help="go on with the run in DIR")
    run.set_defaults(command=_run)

    doctor = commands.add_parser("doctor", help="check this machine, and say what to do about what it lacks")
    doctor.set_defaults(command=_doctor)

    collect = commands.add_parser("collect", help="record demonstrations and exploration, and label a few frames")
    _add_config(collect)
    collect.set_defaults(command=_collect)

    simulating = commands.add_parser("simulate", help="make a data set of a simulated scene")
    simulating.add_argument("scene", metavar="SCENE", help="box, domain-shift, shoes or plush")
    simulating.add_argument("--scenes", type=int, default=1000, metavar="N", help="frames (default: %(default)s)")
    simulating.add_argument("--labels", type=int, default=100, metavar="N", help="to train on (default: %(default)s)")
    simulating.add_argument("--held-out", type=int, default=100, metavar="N", help="to judge by (default: %(default)s)")
    simulating.add_argument(
        "--label-mode", default="full", metavar="MODE", help="labels from the full timeline (default), or its start"
    )
    simulating.add_argument(
        "--click-noise", type=float, default=0.0, metavar="PX", help="labels are clicks, so far off; 0 for true points"
    )
    simulating.add_argument("--size", type=int, default=128, metavar="PX", help="of the images (default: %(default)s)")
    simulating.add_argument("--seed", type=int, default=0, help="the same seed gives the same data set, byte for byte")
    simulating.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="of the scene: mode=so3, shoes=held-out"
    )
    simulating.add_argument("--out", type=Path, required=True, metavar="DIR", help="the data set; new or empty")
    simulating.set_defaults(command=_simulate)

    train = commands.add_parser("train", help="train a part of a run").add_subparsers(metavar="PART", required=True)
    evaluate = commands.add_parser("evaluate", help="judge a part of a run").add_subparsers(
        metavar="PART", required=True
    )
    seeing = train.add_parser("keypoints", help="train the keypoint model of a run, or one on a data set; publish it")
    source = seeing.add_mutually_exclusive_group(required=True)
    source.add_argument("--run", type=Path, metavar="DIR", help="folder made by `s3k collect`")
    source.add_argument("--data", type=Path, metavar="DIR", help="a data set with labels; docs/data.md")
    seeing.add_argument("--out", type=Path, metavar="REGISTRY", help="with --data: where the weights are published")
    seeing.add_argument("--recipe", metavar="NAME", help="with --data: s3k (default), or paper, as published")
    seeing.add_argument("--steps", type=int, metavar="N", help=f"with --data: of the optimiser (default: {STEPS})")
    seeing.add_argument("--seed", type=int, help="with --data: of weights and batches (default: 0)")
    _add_overrides(seeing)
    seeing.set_defaults(command=_train_keypoints)

    embedding = train.add_parser("vae", help="train the baseline's beta-VAE on a data set's frames; publish it")
    embedding.add_argument("--data", type=Path, required=True, metavar="DIR", help="a data set, or the folder of a run")
    embedding.add_argument("--out", type=Path, required=True, metavar="REGISTRY", help="for weights and pictures")
    embedding.add_argument("--steps", type=int, metavar="N", help="of the optimiser; the same as --set steps=N")
    embedding.add_argument("--seed", type=int, default=0, help="of weights and batches (default: 0)")
    _add_overrides(embedding)
    embedding.set_defaults(command=_train_vae)

    for parent, part, text, command in (
        (train, "policy", "clone the demonstrations, then learn from own episodes", _train_policy),
        (evaluate, "policy", "play held-out episodes, judged by the simulator's truth", _evaluate_policy),
    ):
        stage = parent.add_parser(part, help=text)
        stage.add_argument("--run", type=Path, required=True, metavar="DIR", help="folder made by `s3k collect`")
        _add_overrides(stage)
        stage.set_defaults(command=command)

    judge = evaluate.add_parser("keypoints", help="accuracy of a run's promoted model, or of any model on a data set")
    judge.add_argument("--run", type=Path, metavar="DIR", help="print the accuracy on the run's held-out frames")
    judge.add_argument("--weights", metavar="REGISTRY[:VERSION]", help="the promoted version if none is named")
    judge.add_argument("--data", type=Path, metavar="DIR", help="a labelled data set to judge the weights by")
    judge.add_argument(
        "--out", type=Path, metavar="DIR", help="metrics.json and index.html (default: runs/evaluation-<time>)"
    )
    judge.set_defaults(command=_evaluate_keypoints)

    serve = commands.add_parser("serve", help="serve the promoted keypoint model of a run over gRPC")
    serve.add_argument("--run", type=Path, required=True, metavar="DIR", help="folder with a trained keypoint model")
    serve.add_argument("--address", default="127.0.0.1:50051", help="where to listen (default: %(default)s)")
    serve.add_argument("--encoder", type=Path, metavar="REGISTRY", help="answer with its embeddings, too")
    serve.add_argument("--metrics-port", type=int, default=None, help="Prometheus metrics over HTTP on this port")
    serve.set_defaults(command=_serve)

    importing = commands.add_parser("import", help="make a data set of plain files: images, cameras, labels")
    importing.add_argument(
        "folder", type=Path, metavar="FOLDER", help="exchange folder; docs/data.md says what is in it"
    )
    importing.add_argument("--out", type=Path, required=True, metavar="DIR", help="the data set; new or empty")
    importing.add_argument("--skip-bad", action="store_true", help="leave out malformed frames and labels")
    importing.set_defaults(command=_import)

    exporting = commands.add_parser("export", help="write a data set as plain files: images, cameras, labels")
    exporting.add_argument("dataset", type=Path, metavar="DIR", help="a data set or the folder of a run")
    exporting.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="exchange folder; new or empty")
    exporting.set_defaults(command=_export)
    tune.add(commands)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", default="laptop", help="laptop (default) or smoke")
    parser.add_argument("--seed", type=int, default=None, help="the same preset and seed give the same data sets")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="default: runs/<preset>-<time>")
    _add_overrides(parser)


def _add_overrides(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a setting: --set policy.env_steps=2000",
    )


def _run(options: argparse.Namespace) -> int:
    from deploy.config import load_config, read_config
    from deploy.doctor import preflight

    if options.resume is not None:
        if options.seed is not None or options.out is not None:
            raise S3KError("--resume goes on with the seed and the folder of that run; leave out --seed and --out")
        root: Path = options.resume
        config = read_config(root, options.set)
    else:
        config = load_config(options.preset, _overrides(options))
        root = options.out or _new_folder(config.preset)
        _refuse_used(root)
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

    config = load_config(options.preset, _overrides(options))
    root = options.out or _new_folder(config.preset)
    _refuse_used(root)
    preflight(root)
    stop_on_signals(f"what was learned is kept, s3k run --resume {root} goes on")
    from deploy.session import open_session
    from deploy.stages.record import record

    with open_session(config, root, f"s3k collect, {config.preset}, seed {config.seed}") as session:
        session.view.phase("record")
        record(session)
    print(f"recorded: {root}\nnext: s3k train keypoints --run {root}")  # noqa: T201
    return 0


def _simulate(options: argparse.Namespace) -> int:
    stop_on_signals("nothing is kept")
    from actors.sim.scenes.simulate import LabelPlan
    from deploy.simulate import print_simulation

    labels = LabelPlan(options.labels, options.held_out, options.label_mode, click_noise_px=options.click_noise)
    return print_simulation(
        options.scene, options.option, options.scenes, labels, options.out, size_px=options.size, seed=options.seed
    )


def _train_keypoints(options: argparse.Namespace) -> int:
    if options.data is not None:
        if options.out is None:
            raise ConfigError("`s3k train keypoints --data DIR` publishes into a registry: name its folder with --out")
        stop_on_signals("the same command goes on from the last checkpoint, a minute old at most")
        from deploy.train_keypoints import Training, train

        recipe, steps, seed = options.recipe or "s3k", options.steps, options.seed or 0
        return train(Training(options.data, recipe, STEPS if steps is None else steps, seed, options.set), options.out)
    for name in ("out", "recipe", "steps", "seed"):
        if getattr(options, name) is not None:
            raise ConfigError(f"--{name} goes with --data; a run has settings: --set keypoints.steps=2000, or seed=3")
    from deploy.stages.see import learn_to_see

    return _stage(options, "learn to see", learn_to_see, f"s3k train policy --run {options.run}")


def _train_vae(options: argparse.Namespace) -> int:
    stop_on_signals("the same command goes on from the last checkpoint, a minute old at most")
    from deploy.config import set_value, validated
    from deploy.train_vae import VaeTraining, train
    from learners.vae.config import VaeConfig

    tree: dict[str, Any] = {} if options.steps is None else {"steps": options.steps}
    for setting in options.set:
        set_value(tree, setting)
    return train(VaeTraining(options.data, validated(VaeConfig, tree, "the VAE"), options.seed), options.out)


def _train_policy(options: argparse.Namespace) -> int:
    from deploy.stages.act import learn_to_act

    return _stage(options, "learn to act", learn_to_act, f"s3k evaluate policy --run {options.run}")


def _evaluate_policy(options: argparse.Namespace) -> int:
    from deploy.stages.evaluate import evaluate_policy

    return _stage(options, "evaluate", evaluate_policy, "")


def _evaluate_keypoints(options: argparse.Namespace) -> int:
    of_dataset = (options.weights, options.data, options.out)
    if options.run is not None and of_dataset == (None, None, None):
        from deploy.evaluate_keypoints import print_evaluation

        return print_evaluation(options.run)
    if options.run is None and options.weights is not None and options.data is not None:
        from deploy.evaluate_keypoints import print_dataset_evaluation

        return print_dataset_evaluation(options.weights, options.data, options.out or _new_folder("evaluation"))
    raise ConfigError(
        "`s3k evaluate keypoints` takes either --run DIR, or --weights REGISTRY[:VERSION] and --data DIR [--out DIR]"
    )


def _serve(options: argparse.Namespace) -> int:
    from deploy.serve import serve

    return serve(options.run, options.address, options.metrics_port, options.encoder)


def _import(options: argparse.Namespace) -> int:
    from deploy.exchange import print_import

    return print_import(options.folder, options.out, skip_bad=options.skip_bad)


def _export(options: argparse.Namespace) -> int:
    from deploy.exchange import print_export

    return print_export(options.dataset, options.out)


def _stage(options: argparse.Namespace, phase: str, stage: Callable[..., None], following: str) -> int:
    from deploy.config import read_config
    from deploy.doctor import preflight

    config = read_config(options.run, options.set)
    preflight(options.run)
    stop_on_signals(f"what was learned is kept, the same command, or s3k run --resume {options.run}, goes on")
    from deploy.session import open_session

    with open_session(config, options.run, f"s3k {phase}, {config.preset}, seed {config.seed}") as session:
        session.view.phase(phase)
        stage(session)
    print(f"done: {options.run}" + (f"\nnext: {following}" if following else ""))  # noqa: T201
    return 0


def _overrides(options: argparse.Namespace) -> list[str]:
    return options.set if options.seed is None else [*options.set, f"seed={options.seed}"]


def _new_folder(prefix: str) -> Path:
    import time

    return Path("runs") / f"{prefix}-{time.strftime('%Y%m%d-%H%M%S')}"


def _refuse_used(root: Path) -> None:
    if root.is_dir() and any(root.iterdir()):
        raise S3KError(f"{root} is not empty; `s3k run --resume {root}` goes on with a run, --out takes a new folder")


if __name__ == "__main__":
    sys.exit(main())
