"""``s3k cameras``: find them, look through them, focus them."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.commands.options import add_credentials
from s3k_dist.errors import ConfigError

if TYPE_CHECKING:
    from deploy.commands.options import Commands
    from deploy.rig_file import RigFile

# Whoever sets cameras up wants to see what there is, be it one view or dim.
PREVIEW_TIMEOUT_S, PREVIEW_AGE_S = 1.0, 3.0


def add_cameras(commands: "Commands") -> None:
    """``cameras``."""
    cameras = commands.add_parser("cameras", help="cameras of a physical cell: list, preview, focus")
    verbs = cameras.add_subparsers(title="verbs", metavar="VERB", required=True)
    listing = verbs.add_parser("list", help="those that are connected; with a rig's file, exit 1 if one is missing")
    listing.add_argument("file", type=Path, nargs="?", help="YAML of a rig: which of its cameras is which")
    listing.add_argument("--emulated", type=int, metavar="N", help="with N emulated Basler cameras")
    listing.set_defaults(command=_list)
    for verb, text in (
        ("preview", "live picture of all views, in the browser"),
        ("focus", "the same with sharpness and histogram, to turn lenses by"),
    ):
        live = verbs.add_parser(verb, help=text)
        live.add_argument("file", type=Path, help="YAML of a rig; docs/cameras.md")
        live.add_argument("--address", default="127.0.0.1", help="of the page (default: %(default)s)")
        live.add_argument("--port", type=int, default=0, help="of the page (default: a free one)")
        add_credentials(live)
        live.add_argument("--save", type=Path, metavar="PNG", help="write one picture and end, without a page")
        live.set_defaults(command=_preview, focus=verb == "focus")


def _list(options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from actors.physical.basler import find_baslers
    from actors.physical.emulated import emulate
    from actors.physical.opencv_camera import find_opencv

    rig = _rig(options.file) if options.file is not None else None
    emulated = options.emulated if rig is None else rig.emulated
    if emulated is not None:
        emulate(emulated)
    found = [*find_baslers(), *find_opencv()]
    names = {} if rig is None else {camera.serial: name for name, camera in rig.cameras.items()}
    console = Console()
    if found:
        table = Table("name", "serial", "make", "model", "connection", "address", box=None, pad_edge=False)
        for camera in found:
            each = camera.serial, camera.make, camera.model, camera.connection, camera.address
            table.add_row(names.get(camera.serial, ""), *each)
        console.print(table)
    else:
        console.print("no cameras: is the cable in, and does `s3k doctor` find pylon?")
    missing = names.keys() - {camera.serial for camera in found}
    for serial in sorted(missing):
        console.print(f"missing: {names[serial]}, {serial}", style="bold red")
    return 1 if missing else 0


def _preview(options: argparse.Namespace) -> int:
    import signal
    import threading

    from deploy.cameras.mosaic import mosaic
    from deploy.cameras.preview import CamerasServer, Preview
    from deploy.rig_file import open_rig
    from s3k_dist.atomic import write_atomic
    from s3k_dist.images import Encoding, encode_image

    rig = _rig(options.file)
    longer = {"min_views": 1, "view_timeout_s": PREVIEW_TIMEOUT_S, "max_age_s": PREVIEW_AGE_S}
    rig = rig.model_copy(update={"limits": rig.limits.model_copy(update=longer)})
    with open_rig(rig) as opened:
        preview = Preview(opened, {name: camera.serial for name, camera in rig.cameras.items()}, focus=options.focus)
        if options.save is not None:
            preview.look()
            write_atomic(options.save, encode_image(mosaic(preview.tiles()), Encoding.PNG))
            print(f"written: {options.save}")  # noqa: T201
            return 0
        told = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: told.set())
        with preview, CamerasServer(preview, options.address, options.port, options.credentials) as server:
            print(f"{server.url}\nCtrl-C ends it", flush=True)  # noqa: T201
            told.wait()
    return 0


def _rig(file: Path) -> "RigFile":
    from deploy.rig_file import read_rig_file

    if not file.is_file():
        raise ConfigError(f"no rig file {file}; docs/cameras.md says what is in one")
    return read_rig_file(file)
