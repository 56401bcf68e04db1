"""``s3k simulate``, ``import``, ``export``: data sets made, taken in and given away."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.interrupt import stop_on_signals

if TYPE_CHECKING:
    from deploy.commands.options import Commands


def add_simulate(commands: "Commands") -> None:
    """``simulate``."""
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


def add_exchange(commands: "Commands") -> None:
    """``import``, ``export``."""
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


def _simulate(options: argparse.Namespace) -> int:
    stop_on_signals("nothing is kept")
    from actors.sim.scenes.simulate import LabelPlan
    from deploy.simulate import print_simulation

    labels = LabelPlan(options.labels, options.held_out, options.label_mode, click_noise_px=options.click_noise)
    return print_simulation(
        options.scene, options.option, options.scenes, labels, options.out, size_px=options.size, seed=options.seed
    )


def _import(options: argparse.Namespace) -> int:
    from deploy.exchange import print_import

    return print_import(options.folder, options.out, skip_bad=options.skip_bad)


def _export(options: argparse.Namespace) -> int:
    from deploy.exchange import print_export

    return print_export(options.dataset, options.out)
