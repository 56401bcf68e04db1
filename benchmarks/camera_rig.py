"""What a set of four views costs beside the slowest single camera: by turns, on Basler's emulated cameras.

python -m benchmarks.camera_rig --write     # some seconds, then docs/benchmarks/camera_rig.md

Single cameras are driven without the rig: ready, trigger, grab.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from actors.physical.basler import BaslerCamera
from actors.physical.calibrated import CalibratedRig
from actors.physical.emulated import ImageFeed, emulate
from actors.physical.rig import CameraRig
from actors.physical.settings import CameraSettings, RigLimits, Roi
from experiments.machine import machine
from experiments.pages import table
from s3k_dist.atomic import write_atomic
from s3k_dist.folders import make_folder
from s3k_dist.geometry.camera import NO_DISTORTION, Camera

PAGE = Path("docs/benchmarks/camera_rig.md")
GOAL = 1.3
PATIENCE_S = 5.0
EXPOSURE_US = 1000.0


def main(arguments: list[str]) -> None:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.camera_rig", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="of everything, by turns (%(default)s)")
    parser.add_argument("--views", type=int, default=4, help="of the set (%(default)s)")
    parser.add_argument("--size", type=int, default=400, metavar="PX", help="of the views (%(default)s)")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE}")
    options = parser.parse_args(arguments)
    text = page(measure(options.rounds, options.views, options.size), options.views, options.size)
    print(text)
    if options.write:
        make_folder(PAGE.parent)
        write_atomic(PAGE, text.encode())
        print(f"written: {PAGE}")


def measure(rounds: int, views: int, size_px: int) -> dict[str, list[float]]:
    """Seconds of each round: of ``set``, and of ``single 0`` and on, each camera alone."""
    serials = emulate(2 * views)
    settings = CameraSettings(pixel_format="RGB8", roi=Roi(width=size_px, height=size_px), exposure_us=EXPOSURE_US)
    limits = RigLimits(
        min_views=views, view_timeout_s=PATIENCE_S, max_age_s=PATIENCE_S, pair_within_s=PATIENCE_S, frozen_frames=0
    )
    with ExitStack() as stack:
        feed = stack.enter_context(ImageFeed(serials))
        rng = np.random.default_rng(0)
        for serial in serials:
            feed.show(serial, rng.integers(0, 256, (size_px, size_px, 3), dtype=np.uint8))
        names = [f"cam{index}" for index in range(views)]
        opening = {name: _opening(serial, settings, feed) for name, serial in zip(names, serials[:views], strict=True)}
        rig = stack.enter_context(CameraRig(opening, limits))
        cell = CalibratedRig(rig, "cell0", [_pinhole(name, size_px) for name in names])
        work: dict[str, Callable[[], object]] = {"set": lambda: cell.take(PATIENCE_S)}
        for index, serial in enumerate(serials[views:]):
            camera = _opening(serial, settings, feed)()
            stack.callback(camera.close)
            camera.arm()
            work[f"single {index}"] = _single(camera)
        return _by_turns(work, rounds)


def page(seconds: Mapping[str, list[float]], views: int, size_px: int) -> str:
    """What was measured, as Markdown."""
    singles = [times for name, times in seconds.items() if name != "set"]
    slowest = [max(times) for times in zip(*singles, strict=True)]
    ratio = statistics.median(whole / single for whole, single in zip(seconds["set"], slowest, strict=True))
    rows = [_row(f"{views} views, as one frame", seconds["set"]), _row("slowest single camera of a round", slowest)]
    rows += [_row(f"camera {index} alone", times) for index, times in enumerate(singles)]
    verdict = "within" if ratio <= GOAL else "beyond"
    return (
        "# A set of views against a single camera\n\n"
        f"Made by `python -m benchmarks.camera_rig --write`; numbers are not edited. Machine: {machine()}. From "
        f"trigger to decoded `MultiViewFrame` of {views} views of {size_px} px, and each camera alone from trigger to "
        f"image, by turns, {len(slowest)} rounds on Basler's emulated cameras, which read each image from a file in "
        "memory.\n\n"
        f"{table(['', 'median, ms', 'p95, ms'], rows)}\n\n"
        f"A set costs **{ratio:.2f}** times the slowest single camera of its round (median of the rounds' own ratios), "
        f"{verdict} the {GOAL} aimed at.\n"
    )


def _by_turns(work: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds + 1):
        for name, do in work.items():
            began_s = time.perf_counter()
            do()
            if number:  # the first warms up
                seconds[name].append(time.perf_counter() - began_s)
    return seconds


def _opening(serial: str, settings: CameraSettings, feed: ImageFeed) -> Callable[[], BaslerCamera]:
    return lambda: BaslerCamera(serial, settings, images=feed.folder(serial))


def _single(camera: BaslerCamera) -> Callable[[], Any]:
    def shoot() -> Any:
        camera.ready(PATIENCE_S)
        camera.trigger()
        return camera.grab(PATIENCE_S)

    return shoot


def _pinhole(name: str, size_px: int) -> Camera:
    middle = (size_px - 1) / 2
    intrinsics = np.array([[size_px, 0, middle], [0, size_px, middle], [0, 0, 1]], dtype=np.float64)
    return Camera(name, size_px, size_px, intrinsics, NO_DISTORTION, np.eye(3), np.zeros(3))


def _row(name: str, seconds: list[float]) -> list[str]:
    ordered = sorted(seconds)
    return [name, f"{1e3 * statistics.median(ordered):.1f}", f"{1e3 * ordered[int(0.95 * (len(ordered) - 1))]:.1f}"]


if __name__ == "__main__":
    main(sys.argv[1:])
