"""``s3k train`` and ``s3k evaluate``: the parts of a run, one by one, and models on data sets."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.commands.options import add_overrides, new_folder
from deploy.interrupt import stop_on_signals
from s3k_dist.errors import ConfigError

if TYPE_CHECKING:
    from deploy.commands.options import Commands
    from deploy.config import RunConfig

STEPS = 3000  # some five minutes on two cores, at 128 px


def add_parts(commands: "Commands") -> None:
    """``train`` and ``evaluate``, each with its parts."""
    train = commands.add_parser("train", help="train a part of a run").add_subparsers(metavar="PART", required=True)
    evaluate = commands.add_parser("evaluate", help="judge a part of a run").add_subparsers(
        metavar="PART", required=True
    )
    _add_keypoints(train)
    _add_vae(train)
    for parent, part, text, command in (
        (train, "policy", "clone the demonstrations, then learn from own episodes", _train_policy),
        (evaluate, "policy", "play held-out episodes, judged by the simulator's truth", _evaluate_policy),
    ):
        stage = parent.add_parser(part, help=text)
        stage.add_argument("--run", type=Path, required=True, metavar="DIR", help="folder made by `s3k collect`")
        add_overrides(stage)
        stage.set_defaults(command=command)

    judge = evaluate.add_parser("keypoints", help="accuracy of a run's promoted model, or of any model on a data set")
    judge.add_argument("--run", type=Path, metavar="DIR", help="print the accuracy on the run's held-out frames")
    judge.add_argument("--weights", metavar="REGISTRY[:VERSION]", help="the promoted version if none is named")
    judge.add_argument("--data", type=Path, metavar="DIR", help="a labelled data set to judge the weights by")
    judge.add_argument(
        "--out", type=Path, metavar="DIR", help="metrics.json and index.html (default: runs/evaluation-<time>)"
    )
    judge.set_defaults(command=_evaluate_keypoints)


def _add_keypoints(train: "Commands") -> None:
    seeing = train.add_parser("keypoints", help="train the keypoint model of a run, or one on a data set; publish it")
    source = seeing.add_mutually_exclusive_group(required=True)
    source.add_argument("--run", type=Path, metavar="DIR", help="folder made by `s3k collect`")
    source.add_argument("--data", type=Path, metavar="DIR", help="a data set with labels; docs/data.md")
    seeing.add_argument("--out", type=Path, metavar="REGISTRY", help="with --data: where the weights are published")
    seeing.add_argument("--recipe", metavar="NAME", help="with --data: s3k (default), or paper, as published")
    seeing.add_argument("--steps", type=int, metavar="N", help=f"with --data: of the optimiser (default: {STEPS})")
    seeing.add_argument("--seed", type=int, help="with --data: of weights and batches (default: 0)")
    seeing.add_argument("--workers", type=int, metavar="N", help="with --data: processes of Ray Train (default: none)")
    add_overrides(seeing)
    seeing.set_defaults(command=_train_keypoints)


def _add_vae(train: "Commands") -> None:
    embedding = train.add_parser("vae", help="train the baseline's beta-VAE on a data set's frames; publish it")
    embedding.add_argument("--data", type=Path, required=True, metavar="DIR", help="a data set, or the folder of a run")
    embedding.add_argument("--out", type=Path, required=True, metavar="REGISTRY", help="for weights and pictures")
    embedding.add_argument("--steps", type=int, metavar="N", help="of the optimiser; the same as --set steps=N")
    embedding.add_argument("--seed", type=int, default=0, help="of weights and batches (default: 0)")
    add_overrides(embedding)
    embedding.set_defaults(command=_train_vae)


def _train_keypoints(options: argparse.Namespace) -> int:
    if options.data is not None:
        if options.out is None:
            raise ConfigError("`s3k train keypoints --data DIR` publishes into a registry: name its folder with --out")
        stop_on_signals("the same command goes on from the last checkpoint")
        from deploy.train_keypoints import Training, train

        recipe, steps, seed = options.recipe or "s3k", options.steps, options.seed or 0
        training = Training(options.data, recipe, STEPS if steps is None else steps, seed, options.set)
        if options.workers is None or options.workers == 1:
            return train(training, options.out)
        if options.workers < 1:
            raise ConfigError(f"expected 1 worker or more; got {options.workers}")
        from deploy.train_distributed import train_on_workers

        return train_on_workers(training, options.out, options.workers)
    for name in ("out", "recipe", "steps", "seed", "workers"):
        if getattr(options, name) is not None:
            raise ConfigError(f"--{name} goes with --data; a run has settings: --set keypoints.steps=2000, or seed=3")
    config = _config(options)
    from deploy.stages.see import learn_to_see

    return _stage(options, config, "learn to see", learn_to_see, f"s3k train policy --run {options.run}")


def _train_vae(options: argparse.Namespace) -> int:
    stop_on_signals("the same command goes on from the last checkpoint, a minute old at most")
    from deploy.settings import set_value, validated
    from deploy.train_vae import VaeTraining, train
    from learners.vae.config import VaeConfig

    tree: dict[str, Any] = {} if options.steps is None else {"steps": options.steps}
    for setting in options.set:
        set_value(tree, setting)
    return train(VaeTraining(options.data, validated(VaeConfig, tree, "the VAE"), options.seed), options.out)


def _train_policy(options: argparse.Namespace) -> int:
    config = _config(options)
    from deploy.stages.act import learn_to_act

    return _stage(options, config, "learn to act", learn_to_act, f"s3k evaluate policy --run {options.run}")


def _evaluate_policy(options: argparse.Namespace) -> int:
    config = _config(options)
    from deploy.stages.evaluate import evaluate_policy

    return _stage(options, config, "evaluate", evaluate_policy, "")


def _evaluate_keypoints(options: argparse.Namespace) -> int:
    of_dataset = (options.weights, options.data, options.out)
    if options.run is not None and of_dataset == (None, None, None):
        from deploy.evaluate_keypoints import print_evaluation

        return print_evaluation(options.run)
    if options.run is None and options.weights is not None and options.data is not None:
        from deploy.evaluate_keypoints import print_dataset_evaluation

        return print_dataset_evaluation(options.weights, options.data, options.out or new_folder("evaluation"))
    raise ConfigError(
        "`s3k evaluate keypoints` takes either --run DIR, or --weights REGISTRY[:VERSION] and --data DIR [--out DIR]"
    )


def _config(options: argparse.Namespace) -> "RunConfig":
    """Of the run. Stages are imported after this, with ray and torch: a wrong folder or setting is told at once."""
    from deploy.config import read_config

    return read_config(options.run, options.set)


def _stage(
    options: argparse.Namespace, config: "RunConfig", phase: str, stage: Callable[..., None], following: str
) -> int:
    from deploy.doctor import preflight

    preflight(options.run)
    stop_on_signals(f"what was learned is kept, the same command, or s3k run --resume {options.run}, goes on")
    from deploy.session import open_session

    with open_session(config, options.run, f"s3k {phase}, {config.preset}, seed {config.seed}") as session:
        session.view.phase(phase)
        stage(session)
    print(f"done: {options.run}" + (f"\nnext: {following}" if following else ""))  # noqa: T201
    return 0
