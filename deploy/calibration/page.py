"""The report of a calibration: one page that holds everything and works offline, the verdict first."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from deploy.calibration.figures import camera_svg, error_svg, leaning_svg
from deploy.report.facts import Headline
from deploy.report.palette import DARK, LIGHT, style_sheet_variables
from s3k_dist.atomic import write_atomic
from s3k_dist.calibration.file import Calibration
from s3k_dist.calibration.images import SUFFIX
from s3k_dist.calibration.solve import LeftOut, Solution
from s3k_dist.calibration.verdict import Level, Verdict

PICTURES = 8  # of images that were left out; the rest are named only
PICTURE_PX = 420
TITLES = {Level.GOOD: "A good calibration", Level.USABLE: "A usable calibration", Level.BAD: "A bad calibration"}
LEADS = {
    Level.GOOD: "Nothing is missing. Expect the cameras within 0.5 mm and 0.05 degrees of each other.",
    Level.USABLE: "It works. What is below would make it better.",
    Level.BAD: "It makes no calibration file. Below is what to do; the images that are there need not be taken again.",
}


@dataclass(frozen=True)
class CameraPart:
    """One camera on the page: its figures, and its row of the table."""

    name: str
    regions_svg: str
    leaning_svg: str
    images: int
    residual_px: float
    covered: float
    spread_deg: float
    focal_error: float
    centre_mm: float
    turn_deg: float
    nearest_m: float
    farthest_m: float


@dataclass(frozen=True)
class LeftOutPart:
    """An image that was not used: where it is, why, and its picture if there is room."""

    place: str
    residual_px: float
    reason: str
    picture: str


def write_page(path: Path, solution: Solution, verdict: Verdict, calibration: Calibration | None, folder: Path) -> None:
    """Write the report.

    Args:
        path: of the page.
        solution: what was found.
        verdict: of it.
        calibration: the file that was written; None if none was.
        folder: of the image sets, for pictures of those left out.

    Raises:
        StorageError: it cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("deploy"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    board = solution.sightings.board
    text = environment.get_template("calibration.html").render(
        title=TITLES[verdict.level],
        lead=LEADS[verdict.level],
        level=verdict.level.value,
        version="no file" if calibration is None else calibration.version,
        made_at="" if calibration is None else calibration.made_at[:16].replace("T", " "),
        board=f"{board.squares_across} × {board.squares_down} squares of {1e3 * board.square_m:.2f} mm",
        folder=str(folder),
        origin=solution.origin,
        reference=next(iter(solution.cameras)),
        sets=len(solution.boards),
        findings=verdict.findings,
        headlines=_headlines(solution, verdict),
        cameras=[_camera(solution, verdict, name) for name in sorted(solution.cameras)],
        unplaced=solution.unplaced,
        error_svg=error_svg(solution, verdict.expected) if np.isfinite(verdict.expected.median_mm) else "",
        expected=verdict.expected,
        left_out=_left_out(solution.left_out, folder),
        noise_px=solution.noise_px,
        light=style_sheet_variables(LIGHT),
        dark=style_sheet_variables(DARK),
    )
    write_atomic(path, text.encode())


def _headlines(solution: Solution, verdict: Verdict) -> list[Headline]:
    total = verdict.expected.total_mm[np.isfinite(verdict.expected.total_mm)]
    used, left_out = len(solution.sightings.views), len(solution.left_out)
    found = []
    if len(total):
        detection_px = verdict.expected.detection_px
        found.append(
            Headline(
                f"{np.median(total):.2f}",
                "mm",
                f"expected error of a keypoint found to {detection_px:g} px, middle of the workspace's points; the "
                f"calibration's own part is {verdict.expected.median_mm:.2g} mm",
            )
        )
    worst = max(verdict.cameras, key=lambda name: verdict.cameras[name].residual_px)
    found.append(
        Headline(f"{verdict.cameras[worst].residual_px:.2f}", "px", f"left of the corners of {worst}, the worst (RMS)")
    )
    focal = max(quality.focal_error for quality in verdict.cameras.values())
    found.append(Headline(f"{100 * focal:.2g}", "%", "expected error of the focal length, the worst camera"))
    found.append(Headline(str(used), "", f"images were used, {left_out} contradicted the others"))
    return found


def _camera(solution: Solution, verdict: Verdict, name: str) -> CameraPart:
    quality = verdict.cameras[name]
    return CameraPart(
        name=name,
        regions_svg=camera_svg(solution, name, quality),
        leaning_svg=leaning_svg(name, quality),
        images=quality.images,
        residual_px=quality.residual_px,
        covered=quality.covered,
        spread_deg=quality.spread_deg,
        focal_error=quality.focal_error,
        centre_mm=quality.centre_mm,
        turn_deg=quality.turn_deg,
        nearest_m=float(quality.distance_m.min()),
        farthest_m=float(quality.distance_m.max()),
    )


def _left_out(left_out: Sequence[LeftOut], folder: Path) -> list[LeftOutPart]:
    worst_first = sorted(left_out, key=lambda each: -each.residual_px)
    return [
        LeftOutPart(
            f"{each.view.set_name}/{each.view.camera}",
            each.residual_px,
            each.reason,
            _picture(each, folder) if number < PICTURES else "",
        )
        for number, each in enumerate(worst_first)
    ]


def _picture(each: LeftOut, folder: Path) -> str:
    """The image with its corners, as a data URL; empty if it is not there any more."""
    image = cv2.imread(str(folder / each.view.set_name / f"{each.view.camera}{SUFFIX}"))
    if image is None:
        return ""
    scale = PICTURE_PX / image.shape[1]
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for u, v in (each.view.pixels + 0.5) * scale - 0.5:
        cv2.circle(small, (round(u), round(v)), 3, (12, 87, 194), 1, cv2.LINE_AA)
    done, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}" if done else ""
