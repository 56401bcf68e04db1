"""All cameras and all board poses together: least squares on the re-projection, robust, with the covariance.

What is fitted: per camera nine intrinsics (``fx fy cx cy k1 k2 p1 p2 k3``) and its pose, per set of images
the board's pose. Poses take small motions from the left: ``x <- exp(w) x + v``. The first camera stays where it is; a
rigid motion of everything changes no pixel. Levenberg-Marquardt with the board poses eliminated (Schur's complement),
so the time grows with the number of images, not with its cube.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from s3k_dist.calibration.detection import Sighting, Sightings
from s3k_dist.calibration.pose import Pose
from s3k_dist.drift.pose_fit import HUBER
from s3k_dist.drift.views import pixel_slope, project
from s3k_dist.geometry.camera import Camera
from s3k_dist.geometry.rotation import cross

INTRINSICS, POSE = 9, 6
PER_CAMERA = INTRINSICS + POSE
STEPS = 60
SETTLED = 1e-10  # relative change of the cost
EXACT_PX = 1e-8  # residual of corners without noise
RAYLEIGH_MEDIAN = 1.1774  # of the length of a 2-D Gaussian error, in standard deviations along an axis
FLOOR = 1e-13  # of the eigenvalues of the scaled normal matrix: what the data leave open becomes a huge variance


@dataclass(frozen=True, eq=False)
class Bundle:
    """Cameras and board poses, fitted.

    Attributes:
        cameras: by name, world to camera.
        boards: board to world, by set.
        noise_px: standard deviation of a detection along an image axis, from what is left.
        covariance: of all cameras' parameters in the order of ``cameras``, those of the first camera's pose zero;
            shape (15 C, 15 C).
    """

    cameras: Mapping[str, Camera]
    boards: Mapping[str, Pose]
    noise_px: float
    covariance: np.ndarray

    def residuals_px(self, sightings: Sightings, view: Sighting) -> np.ndarray:
        """Detected minus expected, shape (N, 2)."""
        world = self.boards[view.set_name].apply(sightings.board.corners_m[view.ids])
        return view.pixels - project(world, self.cameras[view.camera])[0]


def fit_bundle(
    sightings: Sightings,
    cameras: Mapping[str, Camera],
    boards: Mapping[str, Pose],
    *,
    fixed_cameras: bool = False,
    settled: float = SETTLED,
) -> Bundle:
    """The cameras and board poses that explain the sightings best.

    Args:
        sightings: of these cameras and sets; those of others are passed over.
        cameras: to start from; the first one's pose is kept.
        boards: to start from.
        fixed_cameras: fit the board poses only.
        settled: relative gain of a step that is not worth another one.
    """
    views = [view for view in sightings.views if view.camera in cameras and view.set_name in boards]
    problem = _Problem(sightings.board.corners_m, views, dict(cameras), dict(boards), fixed_cameras)
    state = problem.begin()
    damping = 1e-4
    for _ in range(STEPS):
        normal = problem.linearise(state)
        if normal.noise_px < EXACT_PX:
            break
        better = None
        while damping < 1e9:
            tried = problem.stepped(state, normal, damping)
            cost = problem.cost(tried, normal.noise_px)
            if cost < normal.cost:
                better = tried
                damping = max(damping / 10, 1e-12)
                break
            damping *= 10
        if better is None:
            break
        state, gained = better, normal.cost - cost
        if gained <= settled * normal.cost + 1e-24:
            break
    normal = problem.linearise(state)
    return Bundle(state.cameras, state.boards, normal.noise_px, problem.covariance(normal))


@dataclass(frozen=True, eq=False)
class _State:
    cameras: dict[str, Camera]
    boards: dict[str, Pose]


@dataclass(frozen=True, eq=False)
class _Normal:
    """Normal equations: cameras (A, a), boards (D, d) and what ties them (B)."""

    A: np.ndarray
    a: np.ndarray
    B: dict[str, np.ndarray]
    D: dict[str, np.ndarray]
    d: dict[str, np.ndarray]
    cost: float
    noise_px: float


class _Problem:
    def __init__(
        self,
        corners_m: np.ndarray,
        views: list[Sighting],
        cameras: dict[str, Camera],
        boards: dict[str, Pose],
        fixed_cameras: bool,
    ) -> None:
        # One camera after the other, so that all corners that it saw are projected at once.
        self._views = [view for name in cameras for view in views if view.camera == name]
        self._corners_m = [corners_m[view.ids] for view in self._views]
        self._ends = np.cumsum([len(view.ids) for view in self._views])
        self._of_camera = {name: [i for i, view in enumerate(self._views) if view.camera == name] for name in cameras}
        self._start = _State(cameras, boards)
        self._number = {name: i for i, name in enumerate(cameras)}
        free = np.ones((len(cameras), PER_CAMERA), bool)
        free[0, INTRINSICS:] = False
        if fixed_cameras:
            free[:] = False
        self._free = free.ravel()

    def begin(self) -> _State:
        return self._start

    def linearise(self, state: _State) -> _Normal:
        off, of_camera, of_board = self._linear(state)
        lengths = np.linalg.norm(off, axis=-1)
        noise = max(float(np.median(lengths)) / RAYLEIGH_MEDIAN, 1e-9)
        weight = np.sqrt(np.minimum(1, HUBER * noise / np.maximum(lengths, 1e-12)))
        both = np.concatenate([of_camera, of_board, off[..., None]], -1) * weight[:, None, None]
        size = PER_CAMERA * len(self._number)
        A, a = np.zeros((size, size)), np.zeros(size)
        B = {name: np.zeros((size, POSE)) for name in state.boards}
        D = {name: np.zeros((POSE, POSE)) for name in state.boards}
        d = {name: np.zeros(POSE) for name in state.boards}
        for view, slopes in zip(self._views, np.split(both, self._ends[:-1]), strict=True):
            at = slice(PER_CAMERA * self._number[view.camera], PER_CAMERA * (self._number[view.camera] + 1))
            flat = slopes.reshape(-1, PER_CAMERA + POSE + 1)
            product = flat[:, :-1].T @ flat
            A[at, at] += product[:PER_CAMERA, :PER_CAMERA]
            a[at] += product[:PER_CAMERA, -1]
            B[view.set_name][at] += product[:PER_CAMERA, PER_CAMERA:-1]
            D[view.set_name] += product[PER_CAMERA:, PER_CAMERA:-1]
            d[view.set_name] += product[PER_CAMERA:, -1]
        return _Normal(A, a, B, D, d, _huber(lengths, noise), noise)

    def cost(self, state: _State, noise_px: float) -> float:
        off = [self._off(state, name, world) for name, world in self._worlds(state)]
        lengths = np.linalg.norm(np.concatenate(off), axis=-1)
        return _huber(lengths, noise_px) if np.isfinite(lengths).all() else np.inf

    def stepped(self, state: _State, normal: _Normal, damping: float) -> _State:
        damped = {name: D + damping * np.diag(np.diag(D) + 1e-12) for name, D in normal.D.items()}
        A = normal.A + damping * np.diag(np.diag(normal.A) + 1e-12)
        reduced, right = A, normal.a.copy()
        for name, D in damped.items():
            carried = np.linalg.solve(D, np.column_stack([normal.B[name].T, normal.d[name]]))
            reduced = reduced - normal.B[name] @ carried[:, :-1]
            right -= normal.B[name] @ carried[:, -1]
        step = np.zeros(len(right))
        kept = np.ix_(self._free, self._free)
        if self._free.any():
            scale = 1 / np.sqrt(np.maximum(np.diag(reduced)[self._free], 1e-12))
            solved = np.linalg.lstsq(reduced[kept] * np.outer(scale, scale), right[self._free] * scale, rcond=1e-15)
            step[self._free] = scale * solved[0]
        cameras = {
            name: _nudged(camera, step[PER_CAMERA * i : PER_CAMERA * (i + 1)])
            for i, (name, camera) in enumerate(state.cameras.items())
        }
        boards = {
            name: pose.nudged(np.linalg.solve(damped[name], normal.d[name] - normal.B[name].T @ step))
            for name, pose in state.boards.items()
        }
        return _State(cameras, boards)

    def covariance(self, normal: _Normal) -> np.ndarray:
        """Of the cameras, the boards marginalised."""
        reduced = normal.A.copy()
        for name, D in normal.D.items():
            reduced -= normal.B[name] @ np.linalg.pinv(D, hermitian=True) @ normal.B[name].T
        found = np.zeros_like(reduced)
        if not self._free.any():
            return found
        kept = np.ix_(self._free, self._free)
        scale = 1 / np.sqrt(np.maximum(np.diag(normal.A)[self._free], 1e-12))
        values, vectors = np.linalg.eigh(reduced[kept] * np.outer(scale, scale))
        inverse = (vectors / np.maximum(values, FLOOR)) @ vectors.T
        found[kept] = normal.noise_px**2 * inverse * np.outer(scale, scale)
        return found

    def _worlds(self, state: _State) -> Iterator[tuple[str, np.ndarray]]:
        """Each camera's corners, where the boards are."""
        for name, numbers in self._of_camera.items():
            if numbers:
                moved = [state.boards[self._views[i].set_name].apply(self._corners_m[i]) for i in numbers]
                yield name, np.concatenate(moved)

    def _off(self, state: _State, name: str, world: np.ndarray) -> np.ndarray:
        pixels, inside = project(world, state.cameras[name])
        seen = np.concatenate([self._views[i].pixels for i in self._of_camera[name]])
        # A point behind the camera has a pixel that means nothing: such a step is refused.
        return np.where(inside[:, 2:] > 1e-6, seen - pixels, np.inf)

    def _linear(self, state: _State) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        off, of_camera, of_board = [], [], []
        for name, world in self._worlds(state):
            camera = state.cameras[name]
            off.append(self._off(state, name, world))
            of_camera.append(camera_slope(world, camera))
            of_point = of_camera[-1][..., INTRINSICS + 3 :] @ camera.rotation
            of_board.append(np.concatenate([-of_point @ cross(world), of_point], -1))
        return np.concatenate(off), np.concatenate(of_camera), np.concatenate(of_board)


def camera_slope(points_m: np.ndarray, camera: Camera) -> np.ndarray:
    """Derivative of the pixels of world points by the camera's fifteen parameters, shape (N, 2, 15)."""
    _, inside = project(points_m, camera)
    xy = inside[:, :2] / inside[:, 2:]
    x, y = xy.T
    square = x * x + y * y
    radial = [xy * (square**power)[:, None] for power in (1, 2, 3)]
    p1, p2 = np.stack([2 * x * y, square + 2 * y * y], -1), np.stack([square + 2 * x * x, 2 * x * y], -1)
    lens = np.stack([radial[0], radial[1], p1, p2, radial[2]], -1)  # (N, 2, 5), on normalised coordinates
    k1, k2, t1, t2, k3 = camera.distortion
    bent = xy + lens @ np.array([k1, k2, t1, t2, k3])
    one, zero = np.ones_like(x), np.zeros_like(x)
    focal = np.stack([np.stack([bent[:, 0], zero, one, zero], -1), np.stack([zero, bent[:, 1], zero, one], -1)], 1)
    slope = pixel_slope(inside, camera)
    return np.concatenate([focal, camera.intrinsics[:2, :2] @ lens, -slope @ cross(inside), slope], -1)


def _nudged(camera: Camera, step: np.ndarray) -> Camera:
    intrinsics = camera.intrinsics.copy()
    intrinsics[[0, 1, 0, 1], [0, 1, 2, 2]] += step[:4]
    # A step to a negative focal length is no camera; the cost of half the focal length refuses it.
    for i in range(2):
        intrinsics[i, i] = max(intrinsics[i, i], camera.intrinsics[i, i] / 2)
    pose = Pose(camera.rotation, camera.translation_m).nudged(step[INTRINSICS:])
    return replace(
        camera,
        intrinsics=intrinsics,
        distortion=camera.distortion + step[4:INTRINSICS],
        rotation=_orthonormal(pose.rotation),
        translation_m=pose.translation_m,
    )


def _orthonormal(rotation: np.ndarray) -> np.ndarray:
    left, _, right = np.linalg.svd(rotation)
    return np.asarray(left @ right)


def _huber(lengths: np.ndarray, noise_px: float) -> float:
    bend = HUBER * noise_px
    return float(np.where(lengths <= bend, lengths**2, bend * (2 * lengths - bend)).sum())
