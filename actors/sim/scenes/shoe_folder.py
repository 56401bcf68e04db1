"""Reads a folder of real shoes: for each an OBJ mesh, its keypoints as JSON, and a PNG texture if there is one.

``clog.obj`` has z up; ``clog.json`` holds, in the mesh's own units::

    {"keypoints": {"front": [x, y, z], "tongue": [x, y, z], "heel": [x, y, z]}, "unit_m": 0.001}

``clog.png`` needs texture coordinates in the mesh. ``unit_m`` is 1 if it is not given.
"""

import json
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from actors.sim.scenes.shoe import SHOE_KEYPOINTS, Shoe
from s3k_dist.errors import StorageError

LENGTH_M = (0.1, 0.5)  # a mesh of another size has another unit than its file says
OUTSIDE_M = 0.03  # how far beside the mesh a keypoint may lie


def read_shoes(folder: Path) -> tuple[Shoe, ...]:
    """All shoes of a folder, by name.

    Raises:
        StorageError: there are none, or one is malformed; names the file and says why.
    """
    meshes = sorted(folder.glob("*.obj"))
    if not meshes:
        raise StorageError(
            f"{folder}: expected one .obj mesh per shoe; there is {'none' if folder.is_dir() else 'no such folder'}"
        )
    return tuple(_read(mesh) for mesh in meshes)


def _read(mesh: Path) -> Shoe:
    keypoints, unit_m = _read_keypoints(mesh.with_suffix(".json"))
    obj = _bytes(mesh)
    vertices = _vertices(mesh, obj) * unit_m
    texture = mesh.with_suffix(".png")
    png = _bytes(texture) if texture.exists() else None
    if b"\nf " not in obj:
        raise StorageError(f"{mesh}: has no faces (f lines)")
    if png is not None and b"\nvt " not in obj:
        raise StorageError(f"{mesh}: has no texture coordinates (vt lines), but there is a texture {texture.name}")
    shoe = Shoe(mesh.stem, obj, png, keypoints * unit_m, vertices.min(axis=0), vertices.max(axis=0), unit_m)
    _check_size(mesh, shoe)
    _check_loads(mesh, shoe)
    return shoe


def _read_keypoints(path: Path) -> tuple[np.ndarray, float]:
    """Keypoints in the mesh's units, shape (3, 3), and the unit in metres."""
    try:
        content = json.loads(_bytes(path))
    except ValueError as error:
        raise StorageError(f"{path}: is no JSON ({error})") from error
    points = content.get("keypoints") if isinstance(content, dict) else None
    if not isinstance(points, dict) or set(points) != set(SHOE_KEYPOINTS):
        found = ", ".join(points) if isinstance(points, dict) else "none"
        raise StorageError(f'{path}: expected "keypoints" with {", ".join(SHOE_KEYPOINTS)}; there is {found or "none"}')
    for name, point in points.items():
        if not isinstance(point, list) or len(point) != 3 or not all(_is_number(value) for value in point):
            raise StorageError(f"{path}: keypoint {name!r} is {point}; expected three numbers [x, y, z]")
    unit_m = content.get("unit_m", 1.0)
    if not _is_number(unit_m) or unit_m <= 0:
        raise StorageError(f'{path}: "unit_m" is {unit_m!r}; expected how many metres a unit of the mesh is')
    return np.array([points[name] for name in SHOE_KEYPOINTS], np.float64), float(unit_m)


def _vertices(mesh: Path, obj: bytes) -> np.ndarray:
    """Vertices in the mesh's units, shape (vertices, 3)."""
    try:
        vertices = np.array([line.split()[1:4] for line in obj.splitlines() if line.startswith(b"v ")], np.float64)
    except ValueError as error:
        raise StorageError(f"{mesh}: a vertex (v line) is not three numbers ({error})") from error
    if vertices.ndim != 2 or vertices.shape[1] != 3 or not np.isfinite(vertices).all():
        raise StorageError(
            f"{mesh}: expected vertices (v lines) of three finite numbers; there are {len(vertices)} lines"
        )
    return vertices


def _check_size(mesh: Path, shoe: Shoe) -> None:
    length = float(np.max(shoe.high_m - shoe.low_m))
    if not LENGTH_M[0] <= length <= LENGTH_M[1]:
        raise StorageError(
            f"{mesh}: is {length:.3g} m long with a unit of {shoe.unit_m:g} m; shoes have "
            f'{LENGTH_M[0]} to {LENGTH_M[1]} m: set "unit_m" in {mesh.stem}.json'
        )
    beside = np.linalg.norm(shoe.keypoints_m - np.clip(shoe.keypoints_m, shoe.low_m, shoe.high_m), axis=1)
    for name, distance in zip(SHOE_KEYPOINTS, beside, strict=True):
        if distance > OUTSIDE_M:
            raise StorageError(
                f"{mesh.with_suffix('.json')}: keypoint {name!r} is {distance:.3g} m beside the mesh; "
                "keypoints are in the mesh's own frame and units"
            )


def _check_loads(mesh: Path, shoe: Shoe) -> None:
    part = shoe.fragment("shoe")
    look = '<default><default class="look"><geom contype="0" conaffinity="0" mass="0"/></default></default>'
    world = f"<mujoco>{look}<asset>{part.asset}</asset><worldbody>{part.worldbody}</worldbody></mujoco>"
    try:
        mujoco.MjModel.from_xml_string(world, assets=dict(part.files))
    except ValueError as error:
        raise StorageError(f"{mesh}: MuJoCo cannot load it ({' '.join(str(error).split())})") from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror})") from error


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
