"""Image sets on disk: one folder a set, one PNG a camera, ``<set>/<camera>.png``; sets in the order of their names.

Of a set that was taken with a robot, ``pose.json`` says where its tool was: ``{"position_m": [x, y, z],
"rotation_rad": [rx, ry, rz]}`` in the robot's base, the rotation as a vector.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np

from s3k_dist.atomic import write_atomic
from s3k_dist.calibration.board import Board
from s3k_dist.calibration.detection import BoardDetector, Sighting, Sightings
from s3k_dist.calibration.pose import Pose
from s3k_dist.errors import CalibrationError
from s3k_dist.folders import make_folder
from s3k_dist.geometry.rotation import rotation_vector
from s3k_dist.images import Encoding, encode_image

SUFFIX, POSE = ".png", "pose.json"

ImageSet = Mapping[str, np.ndarray]
"""RGB or grey images of one moment, uint8, by the camera's name."""


def read_sets(folder: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Names and images, grey, of all sets of a folder.

    Raises:
        CalibrationError: there is no set, or an image cannot be read.
    """
    names = set_names(folder)
    if not names:
        raise CalibrationError(f"{folder} holds no image sets; expected <set>/<camera>{SUFFIX} in it")
    for name in names:
        yield name, read_set(folder / name)


def set_names(folder: Path) -> list[str]:
    """Of the sets in a folder that have an image."""
    if not folder.is_dir():
        return []
    return sorted(each.name for each in folder.iterdir() if each.is_dir() and any(each.glob(f"*{SUFFIX}")))


def read_set(folder: Path) -> dict[str, np.ndarray]:
    """One set, grey.

    Raises:
        CalibrationError: an image cannot be read.
    """
    return {path.stem: _read_grey(path) for path in sorted(folder.glob(f"*{SUFFIX}"))}


def write_set(folder: Path, images: ImageSet, pose: Pose | None = None) -> None:
    """Store a set; the pose, if there is one, comes last.

    Raises:
        StorageError: it cannot be written.
    """
    make_folder(folder)
    for camera, image in images.items():
        rgb = image if image.ndim == 3 else np.repeat(image[..., None], 3, -1)
        write_atomic(folder / f"{camera}{SUFFIX}", encode_image(np.ascontiguousarray(rgb), Encoding.PNG))
    if pose is not None:
        turn = rotation_vector(pose.rotation)
        fields = {"position_m": pose.translation_m.tolist(), "rotation_rad": turn.tolist()}
        write_atomic(folder / POSE, (json.dumps(fields) + "\n").encode())


def read_poses(folder: Path) -> dict[str, Pose]:
    """Tool to base, by set, for the sets that have one.

    Raises:
        CalibrationError: a pose cannot be read.
    """
    found = {}
    for name in set_names(folder):
        path = folder / name / POSE
        if not path.exists():
            continue
        try:
            fields = json.loads(path.read_bytes())
            position, rotation = (np.array(fields[key], float) for key in ("position_m", "rotation_rad"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CalibrationError(f"{path}: expected position_m and rotation_rad, three numbers each") from error
        if position.shape != (3,) or rotation.shape != (3,) or not np.isfinite([position, rotation]).all():
            raise CalibrationError(f"{path}: expected position_m and rotation_rad, three numbers each")
        found[name] = Pose.of_vector(rotation, position)
    return found


def find_all(sets: Iterable[tuple[str, ImageSet]], board: Board) -> Sightings:
    """The board in all images.

    Raises:
        CalibrationError: a camera's images differ in size.
    """
    detector = BoardDetector(board)
    sizes: dict[str, tuple[int, int]] = {}
    views: list[Sighting] = []
    names: list[str] = []
    for name, images in sets:
        names.append(name)
        for camera, image in images.items():
            size = image.shape[1], image.shape[0]
            if sizes.setdefault(camera, size) != size:
                raise CalibrationError(
                    f"set {name!r}: {camera}'s image is {size[0]} x {size[1]} px, in the sets before "
                    f"{sizes[camera][0]} x {sizes[camera][1]}"
                )
            if (view := detector.find(image, name, camera)) is not None:
                views.append(view)
    return Sightings(board, dict(sorted(sizes.items())), tuple(views), tuple(names))


def _read_grey(path: Path) -> np.ndarray:
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise CalibrationError(f"{path} cannot be read: {error.strerror}") from error
    image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if len(data) else None
    if image is None:
        raise CalibrationError(f"{path} is no image, or damaged")
    return np.asarray(image)
