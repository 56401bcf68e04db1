"""``s3k calibrate``: a board to print, a guided capture, the cameras, their place in the robot's base, a check."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.commands.options import add_credentials
from s3k_dist.errors import CalibrationError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from deploy.commands.options import Commands
    from s3k_dist.calibration.board import Board
    from s3k_dist.calibration.pose import Pose

IDLE_S = 120.0
READY_S = 5.0


def add_calibrate(commands: "Commands") -> None:
    """``calibrate board|capture|solve|base|check``."""
    parts = commands.add_parser(
        "calibrate", help="cameras: print a board, capture it, solve, register with the robot, check"
    ).add_subparsers(title="steps", metavar="STEP", required=True)

    board = parts.add_parser("board", help="a ChArUco board as a PDF at true size, and its file")
    board.add_argument("--paper", default="a4", metavar="PAPER", help="a4 (default), a3 or letter")
    board.add_argument("--out", type=Path, default=Path("board.pdf"), metavar="PDF", help="default: %(default)s")
    board.set_defaults(command=_board)

    capture = parts.add_parser("capture", help="take image sets, told where the board is still missing")
    capture.add_argument("folder", type=Path, metavar="FOLDER", help="where the sets go; sets that are there count")
    source = capture.add_mutually_exclusive_group(required=True)
    source.add_argument("--rig", type=Path, metavar="YAML", help="take the images of this rig's cameras")
    source.add_argument("--watch", type=Path, metavar="DIR", help="take <set>/<camera>.png as they appear here")
    capture.add_argument("--cameras", metavar="A,B", help="names in a watched folder (default: those of the first set)")
    add_credentials(capture)
    capture.add_argument("--robot", metavar="ADDRESS", help="store the tool's pose with each set, for `base`")
    capture.add_argument("--idle", type=float, default=IDLE_S, metavar="S", help="end when no set came (%(default)s)")
    _add_board(capture, required=True)
    capture.set_defaults(command=_capture)

    solve = parts.add_parser("solve", help="all cameras from the sets of a folder; fails if the verdict is bad")
    solve.add_argument("folder", type=Path, metavar="FOLDER", help="<set>/<camera>.png")
    _add_board(solve, required=True)
    solve.add_argument("--out", type=Path, default=Path("calibration.json"), metavar="FILE", help="%(default)s")
    solve.add_argument(
        "--origin", metavar="SET", help="the board lies at the world's origin there (default: the first)"
    )
    solve.add_argument(
        "--workspace", type=float, nargs=6, metavar="M", help="x y z of two corners (default: where the boards were)"
    )
    solve.add_argument("--rig", type=Path, metavar="YAML", help="keep its cameras' serial numbers in the file")
    solve.add_argument("--serial", action="append", default=[], metavar="CAMERA=SERIAL", help="likewise, one by one")
    solve.add_argument("--report", type=Path, metavar="HTML", help="default: beside the file")
    solve.set_defaults(command=_solve)

    base = parts.add_parser("base", help="the cameras in the robot's base, by a board on the gripper or by touching")
    base.add_argument("calibration", type=Path, metavar="CALIBRATION")
    base.add_argument("folder", type=Path, metavar="FOLDER", help="sets with pose.json, or those that were touched")
    base.add_argument("--touched", type=Path, metavar="JSON", help="points that the tool touched; docs/calibration.md")
    base.add_argument("--out", type=Path, required=True, metavar="FILE")
    _add_board(base)
    base.set_defaults(command=_base)

    check = parts.add_parser("check", help="does a calibration still hold; fails if it does not")
    check.add_argument("calibration", type=Path, metavar="CALIBRATION")
    check.add_argument("folder", type=Path, metavar="FOLDER", help="fresh sets of the board")
    _add_board(check)
    check.set_defaults(command=_check)


def _add_board(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    parser.add_argument(
        "--board",
        type=Path,
        required=required,
        metavar="JSON",
        help="the board's file" + ("" if required else " (default: the calibration's)"),
    )
    parser.add_argument(
        "--ruler", type=float, nargs=2, metavar=("PRINTED", "MEASURED"), help="mm of the printed line, if they differ"
    )


def _board(options: argparse.Namespace) -> int:
    from deploy.calibration.print import PAPERS, write_pdf

    if options.paper not in PAPERS:
        raise ConfigError(f"unknown paper {options.paper!r}; there are {', '.join(PAPERS)}")
    paper = PAPERS[options.paper]
    write_pdf(options.out, paper)
    file = options.out.with_suffix(".json")
    paper.board.write(file)
    across, down = paper.squares
    print(f"{options.out}: {across} x {down} squares of {paper.square_mm:g} mm on {options.paper}; {file} describes it")  # noqa: T201
    print(f"Print at 100%, measure the line: {paper.ruler_mm:g} mm. Glue it to something flat and stiff.")  # noqa: T201
    return 0


def _capture(options: argparse.Namespace) -> int:
    from contextlib import ExitStack

    from deploy.calibration.capture import FolderSource, ImageSource, LiveSource, capture, first_cameras
    from s3k_dist.calibration.guide import Guide

    board = _the_board(options, None)
    with ExitStack() as stack:
        source: ImageSource
        if options.rig is not None:
            from deploy.calibration.rig import rig_images
            from deploy.rig_file import open_rig, read_rig_file

            rig = stack.enter_context(open_rig(read_rig_file(options.rig)))
            cameras, source = rig.names, LiveSource(rig_images(rig))
        else:
            cameras = (
                tuple(options.cameras.split(",")) if options.cameras else first_cameras(options.watch, options.idle)
            )
            source = FolderSource(options.watch, cameras)
        enough = capture(
            source,
            Guide(board, cameras),
            options.folder,
            lambda line: print(line, flush=True),  # noqa: T201
            idle_s=options.idle,
            tool=_tool(options.robot, options.credentials) if options.robot else None,
        )
    return 0 if enough else 1


def _solve(options: argparse.Namespace) -> int:
    import numpy as np

    from deploy.calibration.page import write_page
    from s3k_dist.calibration.file import Calibration
    from s3k_dist.calibration.images import find_all, read_sets
    from s3k_dist.calibration.solve import solve
    from s3k_dist.calibration.verdict import Level, judge

    serials = _serials(options.rig) | _pairs(options.serial)
    box = None
    if options.workspace:
        corners = np.array(options.workspace).reshape(2, 3)
        box = corners.min(0), corners.max(0)
    solution = solve(find_all(read_sets(options.folder), _the_board(options, None)), options.origin)
    if unknown := sorted(set(serials) - set(solution.sightings.cameras)):
        raise ConfigError(f"--serial {unknown[0]}: no such camera; there are {', '.join(solution.sightings.cameras)}")
    verdict = judge(solution, box)
    found = None if verdict.level is Level.BAD else Calibration.of(solution, verdict, serials)
    if found is not None:
        found.write(options.out)
    report = options.report or options.out.with_suffix(".html")
    write_page(report, solution, verdict, found, options.folder)
    for line in _summary(verdict.level.value, [str(finding) for finding in verdict.findings]):
        print(line)  # noqa: T201
    for name, quality in verdict.cameras.items():
        print(f"{name}: {quality.images} images, {quality.residual_px:.2f} px")  # noqa: T201
    print(f"{report} has the whole report")  # noqa: T201
    if found is None:
        return 1
    print(f"{options.out}: {found.version}")  # noqa: T201
    return 0


def _base(options: argparse.Namespace) -> int:
    from deploy.calibration.base import register
    from s3k_dist.calibration.file import read_calibration
    from s3k_dist.calibration.verdict import Level

    calibration = read_calibration(options.calibration)
    found, result = register(calibration, options.folder, _the_board(options, calibration.board), options.touched)
    for line in _summary(found.level.value, [str(finding) for finding in found.findings]):
        print(line)  # noqa: T201
    for name, off_mm in found.left_out.items():
        print(f"{name}: left out, robot and cameras disagree by {off_mm:.1f} mm")  # noqa: T201
    count = f"{len(found.residual_mm)} poses or points"
    print(f"{count}, {found.rms_mm:.2f} mm are left; expect {found.expected_mm:.2f} mm")  # noqa: T201
    if found.level is Level.BAD:
        return 1
    result.write(options.out)
    print(f"{options.out}: {result.version}, in the robot's base")  # noqa: T201
    return 0


def _check(options: argparse.Namespace) -> int:
    from s3k_dist.calibration.check import check
    from s3k_dist.calibration.file import read_calibration
    from s3k_dist.calibration.images import find_all, read_sets

    calibration = read_calibration(options.calibration)
    sightings = find_all(read_sets(options.folder), _the_board(options, calibration.board))
    found = check(calibration.as_cameras(), sightings, calibration.noise_px)
    for name, residual in found.residual_px.items():
        print(f"{name}: {residual:.2f} px (at most {found.limit_px:.2f})")  # noqa: T201
    print(f"scale: {found.scale - 1:+.3%}")  # noqa: T201
    print(f"{calibration.version}: {found.text}")  # noqa: T201
    return 0 if found.holds else 1


def _serials(rig: Path | None) -> dict[str, str]:
    if rig is None:
        return {}
    from deploy.rig_file import read_rig_file

    return {name: camera.serial for name, camera in read_rig_file(rig).cameras.items()}


def _summary(level: str, findings: list[str]) -> list[str]:
    return [f"The calibration is {level}.", *(f"- {finding}" for finding in findings)]


def _the_board(options: argparse.Namespace, default: "Board | None") -> "Board":
    from s3k_dist.calibration.board import read_board

    board = default if options.board is None else read_board(options.board)
    if board is None:
        raise CalibrationError("which board? --board takes the file that `s3k calibrate board` wrote")
    if options.ruler is None:
        return board
    printed, measured = options.ruler
    if not 0.9 < measured / printed < 1.1:
        raise ConfigError(f"--ruler {printed:g} {measured:g}: expected two lengths within a tenth, in mm")
    return board.scaled(measured / printed)


def _tool(address: str, credentials: Path | None) -> "Callable[[], Pose]":
    from actors.robots.client import RobotClient
    from s3k_dist.access.reach import read_credentials
    from s3k_dist.calibration.pose import Pose

    robot = RobotClient(address, credentials=read_credentials(credentials))
    robot.wait_ready(READY_S)

    def tool() -> Pose:
        state = robot.state()
        return Pose.of_vector(state.rotation_rad, state.position_m)

    return tool


def _pairs(texts: list[str]) -> dict[str, str]:
    for text in texts:
        if not all(text.partition("=")):
            raise ConfigError(f"--serial takes CAMERA=SERIAL, got {text!r}")
    return {text.partition("=")[0]: text.partition("=")[2] for text in texts}
