"""From sightings to cameras: start, joint fit, and images that do not fit left out, each with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from s3k_dist.calibration.bundle import PER_CAMERA, RAYLEIGH_MEDIAN, Bundle, fit_bundle
from s3k_dist.calibration.detection import Sighting, Sightings
from s3k_dist.calibration.pose import Pose, board_pose
from s3k_dist.calibration.start import chain, start_camera
from s3k_dist.drift.views import project
from s3k_dist.errors import CalibrationError
from s3k_dist.geometry.camera import Camera

OUTLIER = 5.0  # times the median image's residual
OUTLIER_PX = 0.4  # and at least so much: less does not hurt, and corners seen at a slant err more than others
ROUNDS = 12


@dataclass(frozen=True, eq=False)
class LeftOut:
    """An image that was not used.

    Attributes:
        view: the image's corners.
        residual_px: typical distance of its corners from where the solution without it has them.
        reason: why it does not fit.
    """

    view: Sighting
    residual_px: float
    reason: str


@dataclass(frozen=True, eq=False)
class Solution:
    """Cameras, as far as the images place them.

    Attributes:
        sightings: what was used.
        left_out: what was not.
        cameras: by name, world to camera; the world is the board as it lay in the set ``origin``.
        boards: board to world, by set.
        unplaced: cameras that share too few sets with the others to have a pose.
        origin: name of a set.
        noise_px: standard deviation of a corner along an image axis.
        covariance: of the cameras' fifteen parameters each, as ``Bundle`` has it.
    """

    sightings: Sightings
    left_out: tuple[LeftOut, ...]
    cameras: Mapping[str, Camera]
    boards: Mapping[str, Pose]
    unplaced: tuple[str, ...]
    origin: str
    noise_px: float
    covariance: np.ndarray

    def residuals_px(self, view: Sighting) -> np.ndarray:
        """Detected minus expected, shape (N, 2)."""
        world = self.boards[view.set_name].apply(self.sightings.board.corners_m[view.ids])
        return np.asarray(view.pixels - project(world, self.cameras[view.camera])[0])

    def covariance_of(self, camera: str) -> np.ndarray:
        """Of one camera's ``fx fy cx cy k1 k2 p1 p2 k3`` and pose, shape (15, 15)."""
        at = PER_CAMERA * list(self.cameras).index(camera)
        return self.covariance[at : at + PER_CAMERA, at : at + PER_CAMERA]


def solve(sightings: Sightings, origin: str | None = None) -> Solution:
    """The cameras that explain what was seen of a board.

    Args:
        sightings: of all cameras.
        origin: the set in which the board lay where the world's origin shall be; default: the first that was used.

    Raises:
        CalibrationError: no image shows the board, or none of ``origin`` could be used.
    """
    if not sightings.views:
        raise CalibrationError(
            f"none of the images of {len(sightings.sets)} sets shows the board: is it the one that was printed?"
        )
    if origin is not None and origin not in sightings.sets:
        raise CalibrationError(f"there is no set {origin!r}; the first are {', '.join(sightings.sets[:5])}")
    seeing = [name for name in sightings.cameras if sightings.of_camera(name)]
    placed, boards = chain(sightings, {name: start_camera(sightings, name) for name in seeing})
    used = sightings.only([view for view in sightings.views if view.camera in placed and view.set_name in boards])
    bundle = fit_bundle(used, placed, boards)
    left_out: list[LeftOut] = []
    for _ in range(ROUNDS):
        worst = _outliers(bundle, used)
        if not worst:
            break
        left_out += worst
        dropped = {id(each.view) for each in worst}
        used = used.only([view for view in used.views if id(view) not in dropped])
        kept = {view.set_name for view in used.views}
        bundle = fit_bundle(used, bundle.cameras, {name: bundle.boards[name] for name in bundle.boards if name in kept})
    return _in_world(bundle, used, left_out, tuple(n for n in sightings.cameras if n not in placed), origin)


def _outliers(bundle: Bundle, used: Sightings) -> list[LeftOut]:
    """Of every set at most one image: without it the others may fit."""
    residual = {id(view): _robust_rms(bundle.residuals_px(used, view)) for view in used.views}
    limit = max(OUTLIER * float(np.median(list(residual.values()))), OUTLIER_PX)
    found = []
    for set_name in bundle.boards:
        views = used.of_set(set_name)
        if max(residual[id(view)] for view in views) > limit:
            view, off_px = _odd_one(bundle, used, views, residual)
            found.append(LeftOut(view, off_px, _reason(bundle, used, view, limit)))
    return found


def _odd_one(
    bundle: Bundle, used: Sightings, views: list[Sighting], residual: Mapping[int, float]
) -> tuple[Sighting, float]:
    """The image without which the others of its set agree best, and how far it is from them.

    It need not be the one with the largest residual: of three, a wrong one draws the board away from the others.
    """
    worst = max(views, key=lambda each: residual[id(each)])
    best = np.inf, worst, residual[id(worst)]
    for view in views if len(views) > 2 else ():
        others = used.only([each for each in views if each is not view])
        boards = {view.set_name: bundle.boards[view.set_name]}
        without = fit_bundle(others, bundle.cameras, boards, fixed_cameras=True)
        left = max(_robust_rms(without.residuals_px(used, each)) for each in others.views)
        if left < best[0]:
            best = left, view, _robust_rms(without.residuals_px(used, view))
    return best[1], best[2]


def _reason(bundle: Bundle, used: Sightings, view: Sighting, limit: float) -> str:
    camera, corners = bundle.cameras[view.camera], used.board.corners_m[view.ids]
    alone = board_pose(corners, view.pixels, camera)
    own = np.inf
    if alone is not None:
        still = replace(camera, rotation=np.eye(3), translation_m=np.zeros(3))
        own = _robust_rms(project(alone.apply(corners), still)[0] - view.pixels)
    if own > limit / 2:
        return "its corners do not lie as on the board: it moved during the exposure, is bent, or is half covered"
    return "it contradicts the other cameras of its set: the board moved between their images"


def _in_world(
    bundle: Bundle, used: Sightings, left_out: list[LeftOut], unplaced: tuple[str, ...], origin: str | None
) -> Solution:
    if origin is not None and origin not in bundle.boards:
        raise CalibrationError(f"no image of the set {origin!r}, which shall be the world's origin, could be used")
    origin = origin or next(name for name in used.sets if name in bundle.boards)
    world = bundle.boards[origin]
    cameras = {}
    for name, camera in bundle.cameras.items():
        pose = Pose.of(camera) @ world
        cameras[name] = replace(camera, rotation=pose.rotation, translation_m=pose.translation_m)
    boards = {name: world.inverse() @ pose for name, pose in bundle.boards.items()}
    return Solution(used, tuple(left_out), cameras, boards, unplaced, origin, bundle.noise_px, bundle.covariance)


def _robust_rms(off: np.ndarray) -> float:
    """Of the lengths of vectors, shape (N, 2), from their median: a few wrong corners are no wrong image."""
    return float(np.median(np.linalg.norm(off, axis=-1)) / RAYLEIGH_MEDIAN * np.sqrt(2))
