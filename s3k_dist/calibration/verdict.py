"""Whether a calibration is good enough, and in plain words what to do where it is not."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np

from s3k_dist.calibration.quality import (
    REGION_CORNERS,
    REGIONS,
    CameraQuality,
    ErrorMap,
    camera_quality,
    error_map,
    workspace,
)
from s3k_dist.calibration.solve import Solution

ROWS = ("upper", "upper middle", "lower middle", "lower")
COLUMNS = ("left", "middle left", "middle right", "right")
NAMED = 3  # regions in a sentence


class Level(Enum):
    """What a calibration is worth."""

    GOOD = "good"
    USABLE = "usable"
    BAD = "bad"


@dataclass(frozen=True)
class Limit:
    """One figure of the verdict, and the two values that divide good, usable and bad.

    Attributes:
        usable: beyond it the calibration is usable only.
        bad: beyond it, bad.
        least: whether more is better.
    """

    usable: float
    bad: float
    least: bool = True

    def level(self, value: float) -> Level:
        """Where a value lies; what is not a number is bad."""
        if not (value >= self.bad if self.least else value <= self.bad):
            return Level.BAD
        return Level.GOOD if (value >= self.usable if self.least else value <= self.usable) else Level.USABLE


# Measured on rendered boards (docs/experiments/calibration.md): sets within these are within 0.5 mm and 0.05 degrees.
IMAGES = Limit(15, 8)
COVERED = Limit(0.8, 0.6)
SPREAD_DEG = Limit(8.0, 4.0)
DEPTH = Limit(1.15, 1.0)  # farthest board to nearest
SHARED = Limit(8, 4)
# Standard deviations. Of a length in space, 1.6 times it holds for 19 in 20: good promises 0.2%, 0.5 mm, 0.05 degrees.
FOCAL = Limit(0.001, 0.002, least=False)
CENTRE_MM = Limit(0.3, 1.0, least=False)
TURN_DEG = Limit(0.03, 0.1, least=False)
RESIDUAL_PX = Limit(0.5, 1.0, least=False)
LEFT_OUT = Limit(0.1, 0.3, least=False)
MAP_MM = Limit(0.5, 1.0, least=False)


@dataclass(frozen=True)
class Finding:
    """Something that keeps a calibration from being good.

    Attributes:
        level: how much it matters.
        about: a camera, or ``all cameras``.
        fault: what is wrong.
        advice: what to do.
    """

    level: Level
    about: str
    fault: str
    advice: str

    def __str__(self) -> str:
        return f"{self.about}: {self.fault}. {self.advice}."


@dataclass(frozen=True, eq=False)
class Verdict:
    """The judgement of a solution.

    Attributes:
        level: the worst of the findings.
        findings: the worst first; none if all is good.
        cameras: quality of each placed camera.
        expected: error in the workspace.
    """

    level: Level
    findings: tuple[Finding, ...]
    cameras: Mapping[str, CameraQuality]
    expected: ErrorMap


def judge(solution: Solution, box_m: tuple[np.ndarray, np.ndarray] | None = None) -> Verdict:
    """The verdict.

    Args:
        solution: what was found.
        box_m: two corners of the workspace; default: about where the boards were.
    """
    cameras = {name: camera_quality(solution, name) for name in solution.cameras}
    expected = error_map(solution, *(box_m or workspace(solution)))
    findings = _unplaced(solution)
    for name, quality in cameras.items():
        findings += _of_camera(name, quality, len(cameras))
    findings += _of_all(solution, expected)
    order = {Level.BAD: 0, Level.USABLE: 1, Level.GOOD: 2}
    findings.sort(key=lambda finding: order[finding.level])
    return Verdict(findings[0].level if findings else Level.GOOD, tuple(findings), cameras, expected)


def _unplaced(solution: Solution) -> list[Finding]:
    placed = ", ".join(solution.cameras)
    seen = {name: solution.sightings.of_camera(name) for name in solution.unplaced}
    findings = [
        Finding(
            Level.BAD,
            name,
            f"it has no pose: it shares too few sets with {placed}",
            f"Take {SHARED.usable:.0f} sets or more in which {name} and another camera see the board at once",
        )
        for name in seen
    ]
    if len(solution.cameras) < 2 and not findings:
        findings.append(
            Finding(Level.BAD, "all cameras", "there is one camera only", "A point in space takes two cameras")
        )
    return findings


def _of_camera(name: str, quality: CameraQuality, cameras: int) -> list[Finding]:
    nearest, farthest = (quality.distance_m.min(), quality.distance_m.max()) if quality.images else (1.0, 1.0)
    tied = max(quality.shared.values(), default=0)
    checks = [
        (IMAGES, quality.images, f"{quality.images} images show the board", "Take more: 40 sets are plenty"),
        (
            COVERED,
            quality.covered,
            f"the board was seen in {quality.covered:.0%} of the image, not in its {_missing(quality)}",
            "Show it there, out to the edge: what lies beyond is extrapolated",
        ),
        (
            SPREAD_DEG,
            quality.spread_deg,
            f"the board's tilt varied by {quality.spread_deg:.0f} degrees only (about the axis about which it varied "
            "least)",
            "Lean it by 30 to 45 degrees, left, right, forward and back: boards that are all parallel do not tell the "
            "focal length from the distance",
        ),
        (
            DEPTH,
            farthest / nearest,
            f"the board was always {100 * nearest:.0f} to {100 * farthest:.0f} cm away",
            "Show it nearer and farther, too: over the height of the workspace",
        ),
        (
            FOCAL,
            quality.focal_error,
            f"the focal length is known to {quality.focal_error:.2%} only",
            "More images of a tilted board that fills the image",
        ),
        (
            CENTRE_MM,
            quality.centre_mm,
            f"its place relative to the other cameras is known to {quality.centre_mm:.2f} mm",
            "More sets that it shares with them, a larger board",
        ),
        (
            TURN_DEG,
            quality.turn_deg,
            f"its direction relative to the other cameras is known to {quality.turn_deg:.3f} degrees",
            "More sets that it shares with them, a larger board, the board out to the edges of its image",
        ),
        (
            RESIDUAL_PX,
            quality.residual_px,
            f"corners lie {quality.residual_px:.2f} px from where they should (RMS)",
            "Check that the board is flat and stiff, the lens focused and locked, the light bright enough for short "
            "exposures, and the squares as large as the board's file says",
        ),
    ]
    if cameras > 1:
        checks.append(
            (
                SHARED,
                tied,
                f"it shares {tied} sets with another camera",
                "Hold the board where two cameras see it at once",
            )
        )
    return [
        Finding(level, name, fault, advice)
        for limit, value, fault, advice in checks
        if (level := limit.level(value)) is not Level.GOOD
    ]


def _of_all(solution: Solution, expected: ErrorMap) -> list[Finding]:
    total = len(solution.sightings.views) + len(solution.left_out)
    share = len(solution.left_out) / max(total, 1)
    unseen = float((expected.views < 2).mean())
    checks = [
        (
            LEFT_OUT,
            share,
            f"{len(solution.left_out)} of {total} images contradict the others",
            "Hold the board still, or rest it on something, while images are taken; trigger the cameras together",
        ),
        (
            MAP_MM,
            expected.median_mm,
            f"in the workspace the calibration alone makes points err by {expected.median_mm:.2g} mm (median)",
            "More sets, a larger board, and whatever is said above",
        ),
    ]
    findings = [
        Finding(level, "all cameras", fault, advice)
        for limit, value, fault, advice in checks
        if (level := limit.level(value)) is not Level.GOOD
    ]
    if unseen > 0.5:
        findings.append(
            Finding(
                Level.USABLE,
                "all cameras",
                f"{unseen:.0%} of the workspace is not seen by two cameras",
                "Turn the cameras so that they look at the same place",
            )
        )
    return findings


def region_name(row: int, column: int) -> str:
    """Of a region of an image."""
    return f"{ROWS[row]} {COLUMNS[column]}"


def _missing(quality: CameraQuality) -> str:
    empty = [
        region_name(row, column)
        for row in range(REGIONS)
        for column in range(REGIONS)
        if quality.region_corners[row, column] < REGION_CORNERS
    ]
    more = f" and {len(empty) - NAMED} more" if len(empty) > NAMED else ""
    return ", ".join(empty[:NAMED]) + more
