"""``s3k labels``: what to label next, labels that still scenes hand on, and labels of other tools."""

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
    """``labels suggest``, ``propagate``, ``export`` and ``import``."""
    labels = commands.add_parser(
        "labels", help="what to label next; labels of still scenes, and of other tools"
    ).add_subparsers(metavar="ACTION", required=True)
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
    exporting = labels.add_parser("export", help="clicks and images, as other tools keep them")
    _add_exchange(exporting)
    exporting.add_argument("--out", type=Path, required=True, metavar="DIR", help="must not exist, or be empty")
    exporting.set_defaults(command=_export)
    importing = labels.add_parser("import", help="clicks of other tools on frames of this data set")
    _add_exchange(importing)
    importing.add_argument(
        "--from", dest="source", type=Path, required=True, metavar="PATH", help="a folder, or a file"
    )
    importing.add_argument("--replace", action="store_true", help="the clicks of frames that are labelled otherwise")
    importing.set_defaults(command=_import)


def _add_exchange(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--run", type=Path, metavar="DIR", help="a run: its stream and its labels")
    where.add_argument("--data", type=Path, metavar="DIR", help="a data set")
    parser.add_argument(
        "--format", choices=("coco", "dlc", "lightning-pose"), required=True, help="COCO keypoints, DeepLabCut, ..."
    )


def _export(options: argparse.Namespace) -> int:
    from deploy.label_formats import export_labels

    return export_labels(options.run or options.data, options.format, options.out)


def _import(options: argparse.Namespace) -> int:
    from deploy.label_formats import import_labels

    return import_labels(options.run or options.data, options.format, options.source, replace=options.replace)


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
