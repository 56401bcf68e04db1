"""A calibration against fresh images of the board: does it still hold, and if not, which camera is elsewhere.

If one camera has moved, the others agree among themselves once it is left out, and no other camera's leaving helps.
Where it is now is fitted to the boards as the others place them (`drift/pose_fit.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from s3k_dist.calibration.boards import place_boards, require_known
from s3k_dist.calibration.bundle import Bundle
from s3k_dist.calibration.detection import Sightings
from s3k_dist.drift.moved_camera import MovedCamera
from s3k_dist.drift.pose_fit import BLOCKS, fit_pose, moved, simplest_motion
from s3k_dist.drift.views import directions, nearest_points
from s3k_dist.errors import CalibrationError
from s3k_dist.geometry.camera import Camera

LIMIT_PX = 0.5  # of a camera's residual; more is no noise of corners, and half a millimetre at a metre
LIMIT_NOISES = 5.0  # or so many times the noise of the calibration's own corners
LIMIT_SCALE = 0.003
CLEARLY = 0.5  # of what is left with the next best camera taken out
MIN_CORNERS = 12  # in which others' boards place a camera


@dataclass(frozen=True, eq=False)
class Check:
    """What fresh images say.

    Attributes:
        holds: whether the calibration is still right.
        text: that, in a sentence.
        residual_px: of each camera's corners, all cameras together, RMS.
        limit_px: what it may be.
        scale: length of the board by the cameras, over its true length; NaN if no corner was seen by two.
        moved: the camera that moved, if one did.
    """

    holds: bool
    text: str
    residual_px: Mapping[str, float]
    limit_px: float
    scale: float
    moved: MovedCamera | None


def check(cameras: Sequence[Camera], sightings: Sightings, noise_px: float) -> Check:
    """Whether cameras are where, and as, they were calibrated.

    Args:
        cameras: as calibrated.
        sightings: of the board, fresh.
        noise_px: of the corners in the calibration.

    Raises:
        CalibrationError: no image shows the board, no two cameras see it at once, or a camera is unknown.
    """
    require_known(sightings, cameras)
    seeing = {camera.name: camera for camera in cameras if sightings.of_camera(camera.name)}
    shared = [name for name in sightings.sets if len(sightings.of_set(name)) > 1]
    if not shared:
        raise CalibrationError("no set shows the board to two cameras at once; place it where several see it")
    used = sightings.only([view for view in sightings.views if view.set_name in shared])
    limit = max(LIMIT_PX, LIMIT_NOISES * noise_px)
    together = place_boards(used, seeing)
    residual = {name: rms_px(used, together, [name]) for name in seeing if used.of_camera(name)}
    scale = measured_scale(used, seeing)
    found: MovedCamera | None = None
    holds = max(residual.values()) <= limit
    if abs(scale - 1) > LIMIT_SCALE and _agree_on_size(used, seeing, scale, limit):
        size = "larger" if scale > 1 else "smaller"
        text = (
            f"by the cameras the board is {abs(scale - 1):.2%} {size} than its file says: is it the file of this print?"
        )
        holds = False
    elif holds:
        text = f"it holds: {max(residual.values()):.2f} px at most"
    else:
        name, text = _suspect(used, seeing, limit)
        if name is not None:
            found = _where_now(used, seeing, name)
            text = _said(name, found, limit)
    return Check(holds, text, residual, limit, scale, found)


def rms_px(sightings: Sightings, bundle: Bundle, names: Sequence[str]) -> float:
    """Of some cameras' corners."""
    off = [bundle.residuals_px(sightings, view) for name in names for view in sightings.of_camera(name)
           if view.set_name in bundle.boards]  # fmt: skip
    return float(np.sqrt((np.concatenate(off) ** 2).sum(-1).mean())) if off else 0.0


def measured_scale(sightings: Sightings, cameras: Mapping[str, Camera]) -> float:
    """Size of the board by triangulated corners (Eq. 2), over its true size; NaN if no set has three of them."""
    squares = np.zeros(2)
    corners = sightings.board.corners_m
    for set_name in sightings.sets:
        views = sightings.of_set(set_name)
        if len(views) < 2:
            continue
        rays, weights = np.ones((len(corners), len(views), 3)), np.zeros((len(corners), len(views)))
        for i, view in enumerate(views):
            rays[view.ids, i] = directions(view.pixels, cameras[view.camera])
            weights[view.ids, i] = 1
        points = nearest_points(rays, np.stack([cameras[view.camera].centre_m for view in views]), weights)
        known = np.isfinite(points).all(-1)
        if known.sum() >= 3:
            for i, each in enumerate((points[known], corners[known])):
                squares[i] += ((each - each.mean(0)) ** 2).sum()
    return float(np.sqrt(squares[0] / squares[1])) if squares[1] else float("nan")


def _agree_on_size(used: Sightings, cameras: Mapping[str, Camera], scale: float, limit: float) -> bool:
    sized = Sightings(used.board.scaled(scale), used.sizes_px, used.views, used.sets)
    return rms_px(sized, place_boards(sized, cameras), list(cameras)) <= limit


def _said(name: str, found: MovedCamera | None, limit: float) -> str:
    if found is None:
        return f"{name} contradicts the others, which place too few corners for it to tell how it moved"
    if found.residual_now_px > limit:
        return f"{found}. That does not explain it: its lens may have been turned; calibrate anew"
    return str(found)


def _suspect(used: Sightings, cameras: Mapping[str, Camera], limit: float) -> tuple[str | None, str]:
    """The camera without which the others agree, or why none is named."""
    if len(cameras) < 3:
        return None, f"{' and '.join(cameras)} contradict each other; it takes three cameras to tell which one moved"
    left = {}
    for name in cameras:
        others = {each: camera for each, camera in cameras.items() if each != name}
        without = used.only([view for view in used.views if view.camera != name])
        left[name] = rms_px(without, place_boards(without, others), list(others))
    best, second = sorted(left, key=lambda name: left[name])[:2]
    if left[best] > limit:
        return None, (
            f"more than one camera contradicts the others ({left[best]:.1f} px are left without {best}): calibrate anew"
        )
    if left[best] > CLEARLY * left[second]:
        return None, f"{best} or {second} has moved; more sets, seen by all cameras, would tell which"
    return best, ""


def _where_now(used: Sightings, cameras: Mapping[str, Camera], name: str) -> MovedCamera | None:
    others = {each: camera for each, camera in cameras.items() if each != name}
    placed = place_boards(used.only([view for view in used.views if view.camera != name]), others)
    views = [view for view in used.of_camera(name) if view.set_name in placed.boards]
    if sum(len(view.ids) for view in views) < MIN_CORNERS:
        return None
    points = np.concatenate([placed.boards[view.set_name].apply(used.board.corners_m[view.ids]) for view in views])
    pixels = np.concatenate([view.pixels for view in views])
    # A board's corners err each for itself: any split into blocks will do.
    blocks = np.arange(len(points)) % BLOCKS
    fit = fit_pose(cameras[name], points, pixels, np.ones(len(points)), blocks)
    if fit is None:
        return None
    motion = simplest_motion(fit.vector, fit.covariance)
    return MovedCamera(name, motion, moved(cameras[name], motion), fit.residual_px, fit.residual_now_px)
