"""Registration with the robot's base, from a folder of sets."""

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from s3k_dist.calibration.board import Board
from s3k_dist.calibration.boards import place_boards, require_known
from s3k_dist.calibration.detection import Sightings
from s3k_dist.calibration.file import Calibration, Registration
from s3k_dist.calibration.images import POSE, find_all, read_poses, read_sets
from s3k_dist.calibration.registration import Registered, from_touches, hand_eye
from s3k_dist.drift.views import directions, nearest_points
from s3k_dist.errors import CalibrationError
from s3k_dist.geometry.camera import Camera

Numbers = tuple[float, float, float]


class Touch(BaseModel):
    """A point that the tool touched: a corner of the board in a set, or pixels in two views or more.

    Attributes:
        tool_m: where the tool was, robot base.
        set: name of a set.
        corner: column and row of an inner corner of the board there, counted from 1, from the lower left.
        pixels: where cameras see the point.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    tool_m: Numbers
    set: str | None = None
    corner: tuple[int, int] | None = None
    pixels: dict[str, tuple[float, float]] | None = None


def register(
    calibration: Calibration, folder: Path, board: Board, touched: Path | None
) -> tuple[Registered, Calibration]:
    """What was found, and the calibration in the robot's base.

    Args:
        calibration: of the cameras.
        folder: sets of the board on the gripper, with the tool's pose each; or of the board that was touched.
        board: that is seen.
        touched: JSON list of ``Touch``; None for a board on the gripper.

    Raises:
        CalibrationError: too little to register with, or a file that says something impossible.
    """
    cameras = {camera.name: camera for camera in calibration.as_cameras()}
    if touched is not None:
        touches = _read(touched)
        needs_board = any(touch.pixels is None for touch in touches)
        sightings = find_all(read_sets(folder), board) if needs_board else None
        seen = np.array([_seen(touch, number, cameras, sightings) for number, touch in enumerate(touches)])
        found = from_touches(np.array([touch.tool_m for touch in touches]), seen.reshape(-1, 3))
    else:
        tools = read_poses(folder)
        if not tools:
            raise CalibrationError(
                f"no set of {folder} has a {POSE}; `s3k calibrate capture --robot` stores one with each"
            )
        sightings = find_all(((name, images) for name, images in read_sets(folder) if name in tools), board)
        require_known(sightings, list(cameras.values()))
        found = hand_eye(tools, place_boards(sightings, cameras).boards, board.size_m)
    facts = Registration(
        method="hand-eye" if touched is None else "touch",
        poses=len(found.residual_mm),
        residual_mm=found.rms_mm,
        from_version=calibration.version,
    )
    return found, calibration.registered(found.base_from_world, facts)


def _seen(touch: Touch, number: int, cameras: dict[str, Camera], sightings: Sightings | None) -> np.ndarray:
    """Where the cameras see a touched point, world, shape (3,)."""
    where = f"touched point {number}"
    if touch.pixels is not None:
        unknown = [name for name in touch.pixels if name not in cameras]
        if unknown or len(touch.pixels) < 2:
            raise CalibrationError(
                f"{where}: expected pixels in two cameras or more of {', '.join(cameras)}, "
                f"got {', '.join(touch.pixels)}"
            )
        chosen = [cameras[name] for name in touch.pixels]
        rays = [
            directions(np.array(pixel), camera) for pixel, camera in zip(touch.pixels.values(), chosen, strict=True)
        ]
        return nearest_points(np.array(rays), np.array([c.centre_m for c in chosen]), np.ones(len(chosen)))
    if touch.set is None or touch.corner is None or sightings is None:
        raise CalibrationError(f"{where}: expected pixels, or a set and a corner")
    if touch.set not in sightings.sets:
        raise CalibrationError(f"{where}: there is no set {touch.set!r}; there are {', '.join(sightings.sets[:5])}")
    board, (column, row) = sightings.board, touch.corner
    if not (1 <= column < board.squares_across and 1 <= row < board.squares_down):
        raise CalibrationError(
            f"{where}: corner {column}, {row}; expected 1 to {board.squares_across - 1}, 1 to {board.squares_down - 1}"
        )
    of_set = Sightings(board, sightings.sizes_px, tuple(sightings.of_set(touch.set)), (touch.set,))
    require_known(of_set, list(cameras.values()))
    pose = place_boards(of_set, cameras).boards[touch.set]
    return pose.apply(np.array([column * board.square_m, row * board.square_m, 0.0]))


def _read(path: Path) -> list[Touch]:
    try:
        return TypeAdapter(list[Touch]).validate_json(path.read_bytes())
    except OSError as error:
        raise CalibrationError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise CalibrationError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
