"""Smooth textured surfaces as grids of points: lofts through rings, tubes along paths, OBJ bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Region = tuple[float, float, float, float]  # left, top, right, bottom in the texture, as shares of its sides


@dataclass(frozen=True, eq=False)
class Surface:
    """A grid of points that is seen from the side where rows go up and columns go clockwise about the inside.

    Attributes:
        points_m: shape (rows, columns, 3).
        region: where the grid lies in the texture: first row at the bottom, first column at the left.
    """

    points_m: np.ndarray
    region: Region

    @property
    def uv(self) -> np.ndarray:
        """Texture coordinates with v upwards, shape (rows, columns, 2)."""
        rows, columns = self.points_m.shape[:2]
        left, top, right, bottom = self.region
        v, u = np.meshgrid(np.linspace(1 - bottom, 1 - top, rows), np.linspace(left, right, columns), indexing="ij")
        return np.stack([u, v], -1)

    def triangles(self) -> np.ndarray:
        """Indices of points in the flattened grid, without triangles that have no area, shape (triangles, 3)."""
        rows, columns = self.points_m.shape[:2]
        index = np.arange(rows * columns).reshape(rows, columns)
        here, right, up, across = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
        every = np.concatenate([np.stack([here, up, across], -1), np.stack([here, across, right], -1)]).reshape(-1, 3)
        return every[np.linalg.norm(_crossed(self.points_m.reshape(-1, 3)[every]), axis=-1) > 1e-10]

    def normals(self) -> np.ndarray:
        """Smooth unit normals, shape (rows, columns, 3). Points in one place share theirs: seams and poles close."""
        points = self.points_m.reshape(-1, 3)
        triangles = self.triangles()
        _, place = np.unique(np.round(points, 7), axis=0, return_inverse=True)
        total = np.zeros_like(points)
        for corner in range(3):
            np.add.at(total, place.ravel()[triangles[:, corner]], _crossed(points[triangles]))
        normals = total[place.ravel()]
        length = np.linalg.norm(normals, axis=-1, keepdims=True)
        return np.where(length > 0, normals / np.maximum(length, 1e-12), [0.0, 0.0, 1.0]).reshape(self.points_m.shape)


def loft(controls_m: Sequence[np.ndarray], rows: int) -> np.ndarray:
    """A smooth sheet through the first and last of some rings and near the others: a clamped cubic B-spline.

    Args:
        controls_m: at least four rings, each of shape (columns, 3).
        rows: of the result.

    Returns:
        Points, shape (rows, columns, 3).
    """
    return np.einsum("rk,kcx->rcx", _cubic_basis(len(controls_m), rows), np.stack(controls_m))


def tube(
    path_m: np.ndarray, up: np.ndarray, half_width_m: np.ndarray, half_height_m: np.ndarray, sides: int = 8
) -> np.ndarray:
    """A closed flat tube along a path.

    Args:
        path_m: shape (rows, 3).
        up: across the flat side, shape (rows, 3); need not be of unit length nor at right angles to the path.
        half_width_m: along the flat side, shape (rows,).
        half_height_m: shape (rows,).
        sides: of its section.

    Returns:
        Points, shape (rows + 2, sides + 1, 3), seen from outside; the ends are closed.
    """
    along = np.gradient(path_m, axis=0)
    side = np.cross(along, up)
    side /= np.linalg.norm(side, axis=-1, keepdims=True)
    normal = np.cross(side, along)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    rings = (
        path_m[:, None]
        + (half_width_m[:, None] * np.cos(angle))[..., None] * side[:, None]
        + (half_height_m[:, None] * np.sin(angle))[..., None] * normal[:, None]
    )
    ends = np.broadcast_to(path_m[[0, -1], None], (2, sides + 1, 3))
    return np.concatenate([ends[:1], rings, ends[1:]])


def obj_bytes(surfaces: Sequence[Surface]) -> bytes:
    """A Wavefront OBJ file with v, vt, vn and f lines; metres."""
    lines: list[str] = []
    faces: list[str] = []
    first = 1
    for surface in surfaces:
        points, uv, normals = (
            array.reshape(-1, array.shape[-1]) for array in (surface.points_m, surface.uv, surface.normals())
        )
        lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in points.tolist()]
        lines += [f"vt {u:.6f} {v:.6f}" for u, v in uv.tolist()]
        lines += [f"vn {x:.4f} {y:.4f} {z:.4f}" for x, y, z in normals.tolist()]
        faces += [f"f {a}/{a}/{a} {b}/{b}/{b} {c}/{c}/{c}" for a, b, c in (surface.triangles() + first).tolist()]
        first += len(points)
    return "\n".join([*lines, *faces, ""]).encode()


def _crossed(corners: np.ndarray) -> np.ndarray:
    """Normals of triangles, twice their area long, shape (triangles, 3)."""
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def _cubic_basis(controls: int, rows: int) -> np.ndarray:
    """Weights of control points at evenly spaced parameters (Cox-de Boor), shape (rows, controls)."""
    knots = np.concatenate([np.zeros(3), np.linspace(0, 1, controls - 2), np.ones(3)])
    at = np.linspace(0, 1, rows)[:, None]
    last = np.minimum(np.searchsorted(knots, at, side="right") - 1, controls - 1)
    weights = (np.arange(len(knots) - 1) == last).astype(np.float64)
    for degree in range(1, 4):
        low, high = knots[: -degree - 1], knots[degree + 1 :]
        rise = (at - low) / np.maximum(knots[degree:-1] - low, 1e-12)
        fall = (high - at) / np.maximum(high - knots[1:-degree], 1e-12)
        weights = rise * weights[:, :-1] + fall * weights[:, 1:]
    return weights
