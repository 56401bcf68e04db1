"""Calibration files: the cameras of a cell, what they were measured with, and how well.

JSON. ``cameras`` is word for word what ``cameras.json`` of an exchange folder holds, in the conventions of
`geometry/camera.py`. ``version`` is made from the cameras and the world they are in, so the same numbers have the same
version, and a number that was changed by hand is noticed. Cameras that are loaded name it, and with them every frame.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from s3k_dist.atomic import write_atomic
from s3k_dist.calibration.board import Board
from s3k_dist.calibration.pose import Pose
from s3k_dist.calibration.solve import Solution
from s3k_dist.calibration.verdict import Level, Verdict
from s3k_dist.datasets.exchange_format import CameraEntry
from s3k_dist.errors import CalibrationError, GeometryError
from s3k_dist.geometry.camera import Camera

VERSION_DIGITS = 12


class CameraFacts(BaseModel):
    """How one camera was measured.

    Attributes:
        serial: of the device; empty if it was not said.
        images: that were used.
        residual_px: RMS distance of the corners from where the calibration has them.
        focal_error: expected relative error of the focal length.
        centre_mm: expected error of its place relative to the first camera.
        turn_deg: expected error of its direction, likewise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    serial: str = ""
    images: int
    residual_px: float
    focal_error: float
    centre_mm: float
    turn_deg: float


class Registration(BaseModel):
    """How the world came to be the robot's base.

    Attributes:
        method: with the board on the gripper, or by touching points.
        poses: how many robot poses, or points, were used.
        residual_mm: RMS distance that is left.
        from_version: of the calibration that was registered.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["hand-eye", "touch"]
    poses: int
    residual_mm: float
    from_version: str


class Calibration(BaseModel):
    """A cell's calibration.

    Attributes:
        version: names it.
        made_at: local time, ISO 8601.
        world: what the world frame is: the board as it lay in the first set, or the robot's base.
        verdict: good or usable; a bad one is not written.
        board: that was seen.
        noise_px: standard deviation of a detected corner.
        expected_mm: median error over the workspace that is the calibration's own.
        cameras: by name.
        facts: of each camera.
        registration: to the robot's base, if there was one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    made_at: str
    world: Literal["board", "robot base"]
    verdict: Literal["good", "usable"]
    board: Board
    noise_px: float
    expected_mm: float
    cameras: dict[str, CameraEntry] = Field(min_length=1)
    facts: dict[str, CameraFacts]
    registration: Registration | None = None

    @classmethod
    def of(cls, solution: Solution, verdict: Verdict, serials: Mapping[str, str] | None = None) -> Self:
        """Of a solution that is not bad.

        Raises:
            CalibrationError: it is bad.
        """
        if verdict.level is Level.BAD:
            raise CalibrationError(f"the calibration is bad and makes no file: {verdict.findings[0]}")
        cameras = {name: CameraEntry.of(solution.cameras[name]) for name in sorted(solution.cameras)}
        facts = {
            name: CameraFacts(
                serial=(serials or {}).get(name, ""),
                images=quality.images,
                residual_px=quality.residual_px,
                focal_error=quality.focal_error,
                centre_mm=quality.centre_mm,
                turn_deg=quality.turn_deg,
            )
            for name, quality in sorted(verdict.cameras.items())
        }
        return cls(
            version=_version(cameras, "board"),
            made_at=_now(),
            world="board",
            verdict="good" if verdict.level is Level.GOOD else "usable",
            board=solution.sightings.board,
            noise_px=solution.noise_px,
            expected_mm=verdict.expected.median_mm,
            cameras=cameras,
            facts=facts,
        )

    def registered(self, base_from_world: Pose, registration: Registration) -> Self:
        """The same cameras in the frame of the robot's base."""
        back = base_from_world.inverse()
        cameras = {}
        for camera in self.as_cameras():
            pose = Pose.of(camera) @ back
            cameras[camera.name] = CameraEntry.of(
                Camera(
                    camera.name,
                    camera.width_px,
                    camera.height_px,
                    camera.intrinsics,
                    camera.distortion,
                    pose.rotation,
                    pose.translation_m,
                )
            )
        changed = {"cameras": cameras, "world": "robot base", "registration": registration, "made_at": _now()}
        return self.model_copy(update=changed | {"version": _version(cameras, "robot base")})

    def as_cameras(self) -> tuple[Camera, ...]:
        """The cameras, each with the version of this calibration.

        Raises:
            GeometryError: one is impossible.
        """
        return tuple(
            entry.model_copy(update={"calibration": self.version}).camera(name) for name, entry in self.cameras.items()
        )

    def write(self, path: Path) -> None:
        """As JSON.

        Raises:
            StorageError: it cannot be written.
        """
        fields = self.model_dump(mode="json", exclude_none=True)
        write_atomic(path, (json.dumps(fields, indent=2) + "\n").encode())


def read_calibration(path: Path) -> Calibration:
    """A calibration file.

    Raises:
        CalibrationError: it cannot be read, is none, or its cameras are not those that its version was made from.
    """
    try:
        found = Calibration.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CalibrationError(
            f"{path} cannot be read: {error.strerror}; `s3k calibrate solve` makes a calibration file"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise CalibrationError(
            f"{path} is no calibration file: {where + ': ' if where else ''}{first['msg']}"
        ) from error
    if found.version != _version(found.cameras, found.world):
        raise CalibrationError(
            f"{path} was changed by hand: its cameras are not those of version {found.version}; solve again"
        )
    try:
        found.as_cameras()
    except GeometryError as error:
        raise CalibrationError(f"{path}: {error}") from error
    return found


def _version(cameras: Mapping[str, CameraEntry], world: str) -> str:
    content = {name: entry.model_dump(mode="json", exclude={"calibration"}) for name, entry in cameras.items()}
    text = json.dumps([world, content], sort_keys=True, separators=(",", ":"))
    return "cal-" + hashlib.sha256(text.encode()).hexdigest()[:VERSION_DIGITS]


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
