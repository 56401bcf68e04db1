"""``s3k labels``: what to label next, and labels that still scenes hand on."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3k_dist.errors import ConfigError

if TYPE_CHECKING:
    from deploy.commands.options import Commands

SUGGESTED = 20
HANDED_ON = 200
CANDIDATES = 2000  # half a minute of looking, at 128 px on two cores


def add_labels(commands: "Commands") -> None:
    """``labels suggest`` and ``labels propagate``."""
    labels = commands.add_parser("labels", help="what to label next; labels of still scenes").add_subparsers(
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
    propagating = labels.add_parser(
        "propagate", help="hand each label on to the frames around it, for as long as the scene stands still"
    )
    where = propagating.add_mutually_exclusive_group(required=True)
    where.add_argument("--run", type=Path, metavar="DIR", help="a run: its stream and its labels")
    where.add_argument("--data", type=Path, metavar="DIR", help="a data set")
    propagating.add_argument(
        "--at-most", type=_count, default=HANDED_ON, metavar="N", help="frames for each label (default: %(default)s)"
    )
    propagating.add_argument(
        "--tolerance",
        type=float,
        metavar="PX",
        help="what is found farther from its old place has moved; pixels at 128 px (default: 0.5)",
    )
    propagating.add_argument(
        "--gap", type=float, metavar="S", help="frames farther apart are of different arrangements (default: 10)"
    )
    propagating.add_argument("--dry-run", action="store_true", help="say what would be done, and write nothing")
    propagating.set_defaults(command=_propagate)


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


def _propagate(options: argparse.Namespace) -> int:
    from deploy.propagate_labels import propagate_labels
    from deploy.settings import validated
    from s3k_dist.labels.still_scenes import StillScenesConfig

    said = {"at_most": options.at_most, "gap_s": options.gap, "stillness": {"tolerance_px": options.tolerance}}
    config = validated(StillScenesConfig, _without_none(said), "labels propagate")
    return propagate_labels(options.run or options.data, config, dry_run=options.dry_run)


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_none(value) if isinstance(value, dict) else value
        for name, value in values.items() if value is not None
    }  # fmt: skip


def _count(text: str) -> int:
    if (value := int(text)) < 1:
        raise ValueError
    return value
