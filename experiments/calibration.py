"""How exact a calibration is, on rendered boards whose truth is known, and whether bad image sets are called bad.

python -m experiments.calibration              # runs what is not done, then writes docs/experiments/calibration.md
python -m experiments.calibration --case flat  # one case
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from deploy.calibration.print import PAPERS
from experiments.calibration_scene import draw_cameras, draw_poses, errors, facing, rendered
from experiments.machine import machine
from experiments.pages import table
from s3k_dist.atomic import write_atomic
from s3k_dist.calibration.detection import Sightings
from s3k_dist.calibration.images import find_all
from s3k_dist.calibration.pose import fit_points
from s3k_dist.calibration.quality import workspace
from s3k_dist.calibration.rendering import Sensor
from s3k_dist.calibration.solve import Solution, solve
from s3k_dist.calibration.verdict import judge
from s3k_dist.drift.views import directions, nearest_points, project
from s3k_dist.folders import make_folder
from s3k_dist.geometry.camera import Camera

PAGE = Path("docs/experiments/calibration.md")
SIZE_PX = 800
SETS = 40
SENSOR = Sensor(blur_px=0.7, noise=3.0)
TARGET = (0.5, 0.05, 0.2)  # mm, degrees, percent
LATE = ("0003", "0011", "0019")  # sets of which one image is taken when the board has moved
A3, A4 = PAPERS["a3"].board, PAPERS["a4"].board


@dataclass(frozen=True)
class Outcome:
    """One set of images, solved.

    Attributes:
        case: what it was.
        verdict: good, usable or bad.
        findings: of the verdict.
        images: that were used.
        left_out: set and camera of those that were not.
        late: set and camera of images that were taken when the board had moved.
        off: worst error over the cameras: mm, degrees, percent of the focal length; None if a camera has no pose.
        expected: standard deviations of the same, as the calibration itself expects them, worst camera.
        points_mm: RMS error of points in the workspace from exact pixels, and what was expected; None likewise.
        multiview_px: RMS that OpenCV's calibrateMultiview is left with on the same corners; None if not tried.
        seconds: of processor time, to find the corners and solve.
        machine: it ran on.
    """

    case: str
    verdict: str
    findings: list[str]
    images: int
    left_out: list[str]
    late: list[str]
    off: tuple[float, float, float] | None
    expected: tuple[float, float, float] | None
    points_mm: tuple[float, float] | None
    multiview_px: float | None
    seconds: float
    machine: str


GOOD = {
    "a3 board, seed 0": (A3, 0),
    "a3 board, seed 1": (A3, 1),
    "a3 board, seed 2": (A3, 2),
    "a4 board, seed 0": (A4, 0),
}
BAD = ("few", "flat", "corner", "alone")
MEANING = {
    "few": "6 sets",
    "flat": "20 sets of a board that always lies flat",
    "corner": "20 sets of a board that is always in the same place",
    "alone": "24 sets, of which one camera sees none together with another",
}


def measure(case: str) -> Outcome:
    """Render, find, solve, judge, compare with the truth."""
    board, seed = GOOD.get(case, (A3, 7))
    rng = np.random.default_rng(seed)
    cameras = draw_cameras(rng, SIZE_PX)
    late: list[tuple[str, str]] = []
    if case in GOOD:
        poses = draw_poses(rng, board, SETS)
        late = [(name, facing(poses[name], cameras)) for name in LATE]
        sets = rendered(cameras, poses, board, rng, sensor=SENSOR, moved=late)
    elif case == "few":
        sets = rendered(cameras, draw_poses(rng, board, 6), board, rng, sensor=SENSOR)
    elif case == "flat":
        sets = rendered(cameras, draw_poses(rng, board, 20, tilt_deg=3.0), board, rng, sensor=SENSOR)
    elif case == "corner":
        board = A4.scaled(0.7)
        there = draw_poses(rng, board, 20, reach_m=0.02, middle_m=(0.1, 0.1, 0.0))
        sets = rendered(cameras, there, board, rng, sensor=SENSOR)
    else:
        sets = rendered(
            cameras, draw_poses(rng, board, 24), board, rng, sensor=SENSOR,
            shown=lambda name, camera: (camera == "cam3") == (int(name) >= 16),
        )  # fmt: skip
    images = list(sets)
    begun = time.process_time()
    sightings = find_all(images, board)
    solution = solve(sightings)
    seconds = time.process_time() - begun
    verdict = judge(solution)
    placed = not solution.unplaced
    off = np.array(list(errors(solution.cameras, cameras).values())).max(0)
    qualities = verdict.cameras.values()
    expected = (
        max(each.centre_mm for each in qualities),
        max(each.turn_deg for each in qualities),
        100 * max(each.focal_error for each in qualities),
    )
    return Outcome(
        case,
        verdict.level.value,
        [str(finding) for finding in verdict.findings],
        len(solution.sightings.views),
        [f"{each.view.set_name}/{each.view.camera}" for each in solution.left_out],
        [f"{name}/{camera}" for name, camera in late],
        (float(off[0]), float(off[1]), float(off[2])) if placed else None,
        expected if placed else None,
        _points(solution, cameras, float(verdict.expected.median_mm)) if placed else None,
        multiview_rms_px(sightings) if case in GOOD else None,
        seconds,
        machine(),
    )


def multiview_rms_px(sightings: Sightings) -> float:
    """What OpenCV's joint solution leaves on the same corners, lenses first by its calibrateCamera."""
    board, names, sets = sightings.board, sightings.cameras, sightings.sets
    corners = board.corners_m.astype(np.float32)
    seen = np.zeros((len(names), len(sets)), np.uint8)
    pixels = [[np.full((len(corners), 2), -1, np.float32) for _ in sets] for _ in names]
    lenses, bends = [], []
    for i, name in enumerate(names):
        views = sightings.of_camera(name)
        for view in views:
            j = sets.index(view.set_name)
            seen[i, j] = 1
            pixels[i][j][view.ids] = view.pixels
        objects = [corners[view.ids] for view in views]
        found = [view.pixels.astype(np.float32) for view in views]
        _, lens, bend, *_ = cv2.calibrateCamera(objects, found, sightings.sizes_px[name], np.eye(3), np.zeros(5))
        lenses.append(lens)
        bends.append(bend.reshape(1, -1))
    guess = cv2.CALIB_USE_INTRINSIC_GUESS
    rms, *_ = cv2.calibrateMultiview(
        [corners] * len(sets), pixels, [sightings.sizes_px[name] for name in names], seen,
        np.full(len(names), cv2.CALIB_MODEL_PINHOLE, np.uint8), lenses, bends, [], [],
        np.full(len(names), guess, np.int32), guess,
    )  # fmt: skip
    return float(rms)


def _points(solution: Solution, truth: dict[str, Camera], expected_mm: float) -> tuple[float, float]:
    """Points of the workspace by exact pixels and the solved cameras (Eq. 2), after the best rigid motion."""
    low, high = workspace(solution)
    axes = [np.linspace(a, b, 5) for a, b in zip(low, high, strict=True)]
    there = np.stack(np.meshgrid(*axes), -1).reshape(-1, 3)
    # In the solution's world; the true one differs by a motion that the comparison takes out.
    first = next(iter(solution.cameras))
    to_true = solution.cameras[first]
    in_camera = there @ to_true.rotation.T + to_true.translation_m
    points = (in_camera - truth[first].translation_m) @ truth[first].rotation
    rays, weights = [], []
    for name, camera in solution.cameras.items():
        pixels, _ = project(points, truth[name])
        inside = np.asarray(((pixels > -0.5) & (pixels < SIZE_PX - 0.5)).all(-1))
        rays.append(directions(np.where(inside[:, None], pixels, SIZE_PX / 2), camera))
        weights.append(inside.astype(float))
    centres = np.stack([camera.centre_m for camera in solution.cameras.values()])
    found = nearest_points(np.stack(rays, 1), centres, np.stack(weights, 1))
    known = np.isfinite(found).all(-1)
    _, left_m = fit_points(found[known], points[known])
    return 1e3 * float(np.sqrt((left_m**2).mean())), expected_mm


def page(outcomes: dict[str, Outcome]) -> str:
    """Markdown."""
    good = [outcomes[case] for case in GOOD if case in outcomes]
    bad = [outcomes[case] for case in BAD if case in outcomes]
    rows = []
    for each in good:
        if each.off is None or each.expected is None or each.points_mm is None:
            continue
        rows.append(
            [
                each.case,
                f"{each.images} + {len(each.left_out)}",
                f"{each.off[0]:.2f} ({each.expected[0]:.2f})",
                f"{each.off[1]:.3f} ({each.expected[1]:.3f})",
                f"{each.off[2]:.3f} ({each.expected[2]:.3f})",
                f"{1e3 * each.points_mm[0]:.1f} ({1e3 * each.points_mm[1]:.1f})",
                each.verdict,
                f"{each.seconds:.0f}",
            ]
        )
    machines = "; ".join(sorted({each.machine for each in [*good, *bad]}))
    header = ["images", "used + left out", "place, mm", "direction, °", "focal length, %", "points, µm", "verdict", "s"]
    met = [each for each in good if each.off is not None and all(o <= t for o, t in zip(each.off, TARGET, strict=True))]
    a3 = [each for each in good if each.case.startswith("a3")]
    late = sum(len(each.late) for each in good)
    found = sum(name in each.left_out for each in good for name in each.late)
    right = sum(name not in each.late for each in good for name in each.left_out)
    multiview = [f"{each.multiview_px:.3g}" for each in good if each.multiview_px is not None]
    parts = [
        "# Calibration, against the truth",
        f"Made by `python -m experiments.calibration`; numbers are not edited. Machine: {machines}.",
        f"Four cameras of {SIZE_PX} px, 0.9 to 1.1 m from the middle of a table, 40 degrees wide, with distorted "
        f"lenses, see a rendered board in {SETS} sets: exact ray and plane, nine rays a pixel, blurred by "
        f"{SENSOR.blur_px:g} px, {SENSOR.noise:g} grey levels of noise. The board of `s3k calibrate board` on A3 (13 x "
        "9 squares of 30 mm), and on A4 (9 x 6 squares). Each cell: the worst camera's error, and in brackets the "
        "standard deviation that the calibration itself expects. Place and direction are relative to the first camera. "
        "Points: over the workspace, triangulated from exact pixels, after the best rigid motion, RMS. s: processor "
        "seconds to find the corners and solve.",
        table(header, rows),
        f"Wanted: {TARGET[0]:g} mm, {TARGET[1]:g} degrees, {TARGET[2]:g}%. Reached by {len(met)} of {len(good)}"
        f" ({sum(each in met for each in a3)} of {len(a3)} on A3).",
        "Why not good: "
        + " ".join(f"{each.case}: {each.findings[0]}" for each in good if each.findings)
        + " The verdict "
        "judges the spread of the images, too: what lies beyond the board's places is not known, whatever the truth.",
        f"In each of these, {len(LATE)} images were taken a moment after the others of their set, when the board had "
        f"moved by 4 mm and turned by a degree. Left out: {found} of {late} of them, and {right} others.",
        "## Image sets that are bad",
        table(
            ["images", "verdict", "the first two reasons"],
            [[MEANING[each.case], each.verdict, " ".join(each.findings[:2])] for each in bad],
        ),
        "## OpenCV's joint solution",
        "`cv2.calibrateMultiview` on the same corners, started from `cv2.calibrateCamera` of each camera, is left with "
        f"{', '.join(multiview)} px (RMS). It does not get over images that show a part of the board, and knows no "
        "wrong images. So the joint fit is the project's own (`s3k_dist/calibration/bundle.py`).",
    ]
    missing = [case for case in (*GOOD, *BAD) if case not in outcomes]
    if missing:
        parts.append(f"Not run: {'; '.join(missing)}.")
    return "\n\n".join(parts) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments.calibration")
    cases = (*GOOD, *BAD)
    parser.add_argument("--case", action="append", default=[], choices=cases, help="only this one; repeatable")
    parser.add_argument("--out", type=Path, default=Path("runs/experiments/calibration"), help="default: %(default)s")
    options = parser.parse_args(arguments)
    make_folder(options.out)
    make_folder(PAGE.parent)
    for case in options.case or cases:
        path = options.out / f"{case.replace(',', '').replace(' ', '-')}.json"
        if not path.exists():
            outcome = measure(case)
            write_atomic(path, json.dumps(asdict(outcome), indent=1).encode())
            print(f"{case}: {outcome.verdict}, {outcome.off}", flush=True)
    outcomes = [Outcome(**json.loads(path.read_text())) for path in sorted(options.out.glob("*.json"))]
    write_atomic(PAGE, page({outcome.case: outcome for outcome in outcomes}).encode())
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
