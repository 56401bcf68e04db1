"""What a solution is worth: how its images are spread, what is left of them, and the error to expect in space.

The error map: a keypoint found with a stated noise in all views that see it, triangulated with cameras that are wrong
by what the covariance of the calibration says. To first order a point moves by ``-(sum J^T J)^-1 sum J^T (du + G dp)``,
with ``J`` the slope of a view's pixel by the point and ``G`` by the camera's parameters. A rigid motion of the whole
rig is taken out: it is the business of the registration to the robot's base.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from s3k_dist.calibration.bundle import INTRINSICS, PER_CAMERA, camera_slope
from s3k_dist.calibration.solve import Solution
from s3k_dist.drift.views import pixel_slope, project
from s3k_dist.geometry.camera import Camera
from s3k_dist.geometry.rotation import cross

REGIONS = 4  # rows and columns of an image
REGION_CORNERS = 6  # that make a region count as covered
DETECTION_PX = 0.5  # stated noise of a keypoint, along an image axis
MAP_POINTS = (9, 9, 5)
SHARE_OF_VIEW = 0.5  # of the width that the cameras see, that the workspace takes


@dataclass(frozen=True, eq=False)
class CameraQuality:
    """How well one camera is known.

    Attributes:
        images: that were used.
        corners: in them.
        residual_px: RMS of what is left.
        region_corners: how many corners lay in each region of the image, shape (4, 4), from the upper left.
        region_px: RMS of what is left in each region, NaN where there is nothing, shape (4, 4).
        region_bias_px: mean of what is left in each region, shape (4, 4, 2): a lens that the model does not fit.
        leanings: the board's normal in each image, its parts across and down the image, shape (N, 2): (0, 0) faces the
            camera.
        distance_m: from the board's middle, of each image, shape (N,).
        shared: sets that other cameras saw, too, by their names.
        focal_error: expected relative error of the focal length.
        centre_mm: expected error of its place relative to the first camera; 0 for that one.
        turn_deg: likewise of its direction.
    """

    images: int
    corners: int
    residual_px: float
    region_corners: np.ndarray
    region_px: np.ndarray
    region_bias_px: np.ndarray
    leanings: np.ndarray
    distance_m: np.ndarray
    shared: Mapping[str, int]
    focal_error: float
    centre_mm: float
    turn_deg: float

    @property
    def covered(self) -> float:
        """Share of the image's regions in which the board was seen."""
        return float((self.region_corners >= REGION_CORNERS).mean())

    @property
    def spread_deg(self) -> float:
        """How much the board's tilt varied about the axis about which it varied least; see ``tilt_spread``."""
        return tilt_spread(self.leanings)[0]


@dataclass(frozen=True, eq=False)
class ErrorMap:
    """Expected error of a triangulated keypoint over a box.

    Attributes:
        low_m: corner of the box, world, shape (3,).
        high_m: the opposite corner.
        calibration_mm: standard deviation (root of the trace) from the calibration, shape (X, Y, Z); NaN where fewer
            than two cameras see the point.
        total_mm: with the detection noise.
        views: how many cameras see the point.
        detection_px: the detection noise that was stated.
    """

    low_m: np.ndarray
    high_m: np.ndarray
    calibration_mm: np.ndarray
    total_mm: np.ndarray
    views: np.ndarray
    detection_px: float

    @property
    def median_mm(self) -> float:
        """Of the calibration's part; infinite if no point is seen twice."""
        known = self.calibration_mm[np.isfinite(self.calibration_mm)]
        return float(np.median(known)) if len(known) else np.inf


def camera_quality(solution: Solution, name: str) -> CameraQuality:
    """Of one placed camera."""
    views, camera = solution.sightings.of_camera(name), solution.cameras[name]
    off = [solution.residuals_px(view) for view in views]
    counts, squares = np.zeros((REGIONS, REGIONS), int), np.zeros((REGIONS, REGIONS))
    bias = np.zeros((REGIONS, REGIONS, 2))
    for view, residual in zip(views, off, strict=True):
        row, column = region_of(view.pixels, camera.width_px, camera.height_px)
        np.add.at(counts, (row, column), 1)
        np.add.at(squares, (row, column), (residual**2).sum(-1))
        np.add.at(bias, (row, column), residual)
    leaning = [_leaning(solution, camera, view.set_name) for view in views]
    pose = solution.covariance_of(name)[INTRINSICS:, INTRINSICS:]
    sets = {view.set_name for view in views}
    others = [other for other in solution.cameras if other != name]
    with np.errstate(invalid="ignore", divide="ignore"):
        return CameraQuality(
            images=len(views),
            corners=int(counts.sum()),
            residual_px=float(np.sqrt(squares.sum() / max(counts.sum(), 1))),
            region_corners=counts,
            region_px=np.sqrt(squares / counts),
            region_bias_px=bias / counts[..., None],
            leanings=np.array([each[0] for each in leaning]).reshape(-1, 2),
            distance_m=np.array([each[1] for each in leaning]),
            shared={
                other: len(sets & {view.set_name for view in solution.sightings.of_camera(other)}) for other in others
            },
            focal_error=float(np.sqrt(solution.covariance_of(name)[0, 0]) / camera.intrinsics[0, 0]),
            # A camera at c = -R^T t moves by as much as the motion from the left that takes t there.
            centre_mm=float(1e3 * np.sqrt(np.trace(pose[3:, 3:]))),
            turn_deg=float(np.degrees(np.sqrt(np.trace(pose[:3, :3])))),
        )


def region_of(pixels: np.ndarray, width_px: int, height_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the region of each pixel."""
    row = ((pixels[:, 1] + 0.5) / height_px * REGIONS).astype(int)
    column = ((pixels[:, 0] + 0.5) / width_px * REGIONS).astype(int)
    return row.clip(0, REGIONS - 1), column.clip(0, REGIONS - 1)


def tilt_spread(leanings: np.ndarray) -> tuple[float, np.ndarray]:
    """How much a board's normal varied in the direction in which it varied least.

    Boards that all face the camera, or lie on the same table, are parallel: they tell one homography over and over,
    and the focal length not at all (Zhang 2000).

    Args:
        leanings: the normal's parts across and down the image, shape (N, 2).

    Returns:
        Its standard deviation, degrees, and the direction in the image, shape (2,).
    """
    if len(leanings) < 2:
        return 0.0, np.array([1.0, 0.0])
    values, vectors = np.linalg.eigh(np.cov(leanings.T))
    return float(np.degrees(np.arcsin(np.sqrt(np.clip(values[0], 0, 1))))), vectors[:, 0]


def workspace(solution: Solution) -> tuple[np.ndarray, np.ndarray]:
    """A box about where the boards were, of half the width that the cameras see there: its two corners, metres."""
    middle_of_board = np.append(np.array(solution.sightings.board.size_m) / 2, 0.0)
    middles = np.array([pose.apply(middle_of_board) for pose in solution.boards.values()])
    middle = np.median(middles, axis=0)
    seen_m = []
    for camera in solution.cameras.values():
        distance = float(np.linalg.norm(camera.centre_m - middle))
        focal = np.diag(camera.intrinsics)[:2]
        seen_m.append(distance * min(camera.width_px / focal[0], camera.height_px / focal[1]))
    half = SHARE_OF_VIEW * min(seen_m) / 2
    reach = np.array([half, half, half / 2])
    return middle - reach, middle + reach


def error_map(
    solution: Solution, low_m: np.ndarray, high_m: np.ndarray, detection_px: float = DETECTION_PX
) -> ErrorMap:
    """Expected error of a keypoint that is found with ``detection_px`` of noise, over a box."""
    axes = [np.linspace(low, high, count) for low, high, count in zip(low_m, high_m, MAP_POINTS, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    cameras = list(solution.cameras.values())
    normal = np.zeros((len(points), 3, 3))
    carried = np.zeros((len(points), 3, PER_CAMERA * len(cameras)))
    views = np.zeros(len(points), int)
    for i, camera in enumerate(cameras):
        pixels, inside = project(points, camera)
        size = np.array([camera.width_px, camera.height_px])
        seen = (inside[:, 2] > 0) & ((pixels > -0.5) & (pixels < size - 0.5)).all(-1)
        by_point = pixel_slope(inside, camera) @ camera.rotation * seen[:, None, None]
        normal += by_point.swapaxes(1, 2) @ by_point
        carried[:, :, PER_CAMERA * i : PER_CAMERA * (i + 1)] = by_point.swapaxes(1, 2) @ camera_slope(points, camera)
        views += seen
    known = views >= 2
    inverse = np.linalg.inv(np.where(known[:, None, None], normal, np.eye(3)))
    by_camera = -(inverse @ carried)[known]
    by_camera = _without_rigid_motion(points[known], by_camera)
    from_calibration = np.einsum("nip,pq,niq->n", by_camera, solution.covariance, by_camera)
    from_detection = detection_px**2 * np.trace(inverse, axis1=1, axis2=2)[known]
    calibration, total = np.full(len(points), np.nan), np.full(len(points), np.nan)
    calibration[known] = 1e3 * np.sqrt(np.maximum(from_calibration, 0))
    total[known] = 1e3 * np.sqrt(np.maximum(from_calibration, 0) + from_detection)
    return ErrorMap(
        np.asarray(low_m),
        np.asarray(high_m),
        calibration.reshape(MAP_POINTS),
        total.reshape(MAP_POINTS),
        views.reshape(MAP_POINTS),
        detection_px,
    )


def _without_rigid_motion(points_m: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Motions of points by each parameter, shape (N, 3, P), less the rigid motion that fits all points best."""
    if len(points_m) < 3:
        return moved
    centred = points_m - points_m.mean(0)
    rigid = np.concatenate([-cross(centred), np.broadcast_to(np.eye(3), (len(points_m), 3, 3))], -1).reshape(-1, 6)
    flat = moved.reshape(len(rigid), -1)
    return np.asarray((flat - rigid @ np.linalg.lstsq(rigid, flat, rcond=None)[0]).reshape(moved.shape))


def _leaning(solution: Solution, camera: Camera, set_name: str) -> tuple[np.ndarray, float]:
    """How the board leans before a camera, shape (2,), and how far its middle is, metres."""
    board = solution.boards[set_name]
    normal = camera.rotation @ board.rotation[:, 2]
    middle = camera.rotation @ board.apply(np.append(np.array(solution.sightings.board.size_m) / 2, 0.0))
    middle = middle + camera.translation_m
    return normal[:2], float(np.linalg.norm(middle))
