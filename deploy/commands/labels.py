"""``s3k labels``: what to label next."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from s3k_dist.errors import ConfigError

if TYPE_CHECKING:
    from deploy.commands.options import Commands

SUGGESTED = 20
CANDIDATES = 2000  # half a minute of looking, at 128 px on two cores


def add_labels(commands: "Commands") -> None:
    """``labels suggest``."""
    labels = commands.add_parser("labels", help="the frames worth labelling next").add_subparsers(
        metavar="ACTION", required=True
    )
    suggesting = labels.add_parser("suggest", help="frames that a model is unsure of, and that are unlike one another")
    source = suggesting.add_mutually_exclusive_group(required=True)
    source.add_argument("--run", type=Path, metavar="DIR", help="a run: its stream, its labels, its promoted model")
    source.add_argument("--data", type=Path, metavar="DIR", help="a data set; name a model with --weights")
    suggesting.add_argument("--weights", metavar="REGISTRY[:VERSION]", help="the promoted version if none is named")
    suggesting.add_argument(
        "--count", type=_count, default=SUGGESTED, metavar="N", help="frames to suggest (default: %(default)s)"
    )
    suggesting.add_argument(
        "--candidates",
        type=_count,
        default=CANDIDATES,
        metavar="N",
        help="frames to look at, evenly over the stream (default: %(default)s)",
    )
    suggesting.add_argument("--json", action="store_true", help="print JSON in place of a table")
    suggesting.add_argument("--pictures", type=Path, metavar="PNG", help="draw the frames, every view, into this file")
    suggesting.set_defaults(command=_suggest)


def _suggest(options: argparse.Namespace) -> int:
    if options.data is not None and options.weights is None:
        raise ConfigError("--data needs a model to look with: name one with --weights REGISTRY[:VERSION]")
    from deploy.run_folder import RunFolder
    from deploy.suggest_labels import print_suggestions

    root: Path = options.run if options.run is not None else options.data
    weights = options.weights
    if weights is None:
        folder = RunFolder(root)
        folder.require_model()
        weights = str(folder.models)
    return print_suggestions(
        root, weights, options.count, options.candidates, as_json=options.json, pictures=options.pictures
    )


def _count(text: str) -> int:
    if (value := int(text)) < 1:
        raise ValueError
    return value
