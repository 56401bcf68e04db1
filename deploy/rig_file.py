"""A camera rig as a file: which cameras, how they are set and triggered, and where their calibration is.

cameras:
  cam0: {serial: 40012345}
  cam1: {serial: 40012346, settings: {exposure_us: 8000}}     # differs from the others in that
settings: {exposure_us: 5000, gain_db: 0, pixel_format: RGB8, roi: {x: 760, y: 400, width: 400, height: 400}}
trigger: {kind: hardware, line: Line1}                          # or software, which is the default, or action
calibration: calibration.json                                   # of `s3k calibrate`, beside this file
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from actors.physical.settings import ActionTrigger, CameraSettings, RigLimits, SoftwareTrigger, Trigger
from deploy.settings import Section, read_tree, validated
from s3k_dist.errors import CalibrationError, ConfigError, GeometryError, StorageError

if TYPE_CHECKING:
    from actors.physical.camera import OpenCamera
    from actors.physical.emulated import ImageFeed
    from actors.physical.rig import CameraRig
    from s3k_dist.geometry.camera import Camera


class RigCamera(Section):
    """One camera.

    Attributes:
        serial: number on its label; of an OpenCV camera its device, such as ``/dev/video0``.
        make: who makes it.
        settings: in which it differs from the others.
        images: of an emulated camera: a folder of images that it plays.
    """

    # A number on a label needs no quotes.
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    serial: str = Field(min_length=1)
    make: Literal["basler", "opencv"] = "basler"
    settings: CameraSettings = CameraSettings()
    images: Path | None = None


class RigFile(Section):
    """One rig.

    Attributes:
        cameras: by the name that frames, labels and calibrations know them by.
        settings: of all cameras.
        trigger: where it comes from.
        limits: what is made of their frames.
        calibration: a file of ``s3k calibrate``, or a table of cameras by name as an exchange folder's
            ``cameras.json``; None before there is one: such a rig can be looked through, but makes no frames.
        image_px: side of the square images that frames have; None: as the cameras send them.
        emulated: so many emulated Basler cameras, in place of bolted ones; their serial numbers are 0815-0000 and on.
    """

    cameras: dict[str, RigCamera] = Field(min_length=1)
    settings: CameraSettings = CameraSettings()
    trigger: Trigger = SoftwareTrigger()
    limits: RigLimits = RigLimits()
    calibration: Path | None = None
    image_px: int | None = Field(None, ge=16)
    emulated: int | None = Field(None, ge=1, le=256)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        serials = [camera.serial for camera in self.cameras.values()]
        if twice := sorted({serial for serial in serials if serials.count(serial) > 1}):
            raise ValueError(f"two cameras with serial number {', '.join(twice)}")
        if self.limits.min_views > len(self.cameras):
            raise ValueError(f"min_views is {self.limits.min_views}, of {len(self.cameras)} cameras")
        for name, camera in self.cameras.items():
            if camera.make == "opencv" and not isinstance(self.trigger, SoftwareTrigger):
                raise ValueError(f"{name} runs freely through OpenCV: no {self.trigger.kind} trigger reaches it")
            if camera.images is not None and self.emulated is None:
                raise ValueError(f"{name} plays images: only an emulated camera does, and emulated is not set")
        return self

    def settings_of(self, camera: str) -> CameraSettings:
        """What holds for one camera."""
        own = self.cameras[camera].settings.model_dump(exclude_none=True)
        return CameraSettings.model_validate(self.settings.model_dump(exclude_none=True) | own)


def read_rig_file(path: Path) -> RigFile:
    """Read one; the paths in it are taken from its folder.

    Raises:
        ConfigError: it is missing, no YAML, or says something that does not fit; names what is available.
    """
    found = validated(RigFile, read_tree(path, f"{path} is not a rig file"), str(path))
    for name in found.cameras:
        try:
            found.settings_of(name)
        except ValueError as error:
            raise ConfigError(f"{path}: settings of all cameras and of {name} do not go together: {error}") from error
    folder = path.parent
    cameras = {
        name: camera if camera.images is None else camera.model_copy(update={"images": folder / camera.images})
        for name, camera in found.cameras.items()
    }
    calibration = None if found.calibration is None else folder / found.calibration
    limits = found.limits
    if found.emulated is not None and "frozen_frames" not in limits.model_fields_set:
        limits = limits.model_copy(update={"frozen_frames": 0})  # what they show has no noise
    return found.model_copy(update={"cameras": cameras, "calibration": calibration, "limits": limits})


def open_rig(rig: RigFile, feed: "ImageFeed | None" = None) -> "CameraRig":
    """Open all cameras of a rig.

    Args:
        rig: whose.
        feed: what emulated cameras see, by serial number; those that play images of their own do that.

    Raises:
        CameraError: a camera is not there, or does not take a setting.
    """
    from actors.physical.rig import CameraRig

    if rig.emulated is not None:
        from actors.physical.emulated import emulate

        emulate(rig.emulated)
    fire: Callable[[], None] | None = None
    if isinstance(rig.trigger, ActionTrigger):
        from actors.physical.basler import action_command

        fire = action_command(rig.trigger)
    cameras = {name: _opener(rig, name, feed) for name in rig.cameras}
    return CameraRig(cameras, rig.limits, by_host=rig.trigger.kind != "hardware", fire=fire)


def calibrated_cameras(rig: RigFile) -> "tuple[Camera, ...]":
    """The cameras of a rig as they were calibrated, in its order.

    Raises:
        ConfigError: there is no calibration, it is damaged, a camera is not in it, or was another one then.
    """
    if rig.calibration is None:
        raise ConfigError("this rig is not calibrated: its file has no calibration; `s3k calibrate` makes one")
    try:
        found, serials = _calibrated(rig.calibration)
    except (CalibrationError, StorageError, GeometryError) as error:
        raise ConfigError(f"{rig.calibration}: {error}") from error
    for name, camera in rig.cameras.items():
        if name not in found:
            raise ConfigError(
                f"{rig.calibration} has no camera {name}; it has {', '.join(found) or 'none'}: calibrate the rig anew"
            )
        if serials.get(name, camera.serial) != camera.serial:
            raise ConfigError(
                f"{rig.calibration}: {name} was the camera {serials[name]}, and is {camera.serial} now: "
                "calibrate the rig anew, or put the name right"
            )
    return tuple(found[name] for name in rig.cameras)


def _calibrated(path: Path) -> "tuple[dict[str, Camera], dict[str, str]]":
    """Cameras by name, and those of their serial numbers that are known."""
    from s3k_dist.calibration.file import read_calibration
    from s3k_dist.datasets.exchange_format import CameraEntry, read_object
    from s3k_dist.datasets.exchange_format import validated as validated_entry

    table = read_object(path)
    if "version" not in table:
        return {name: validated_entry(CameraEntry, entry).camera(name) for name, entry in table.items()}, {}
    calibration = read_calibration(path)
    serials = {name: facts.serial for name, facts in calibration.facts.items() if facts.serial}
    return {camera.name: camera for camera in calibration.as_cameras()}, serials


def _opener(rig: RigFile, name: str, feed: "ImageFeed | None") -> "OpenCamera":
    camera, settings = rig.cameras[name], rig.settings_of(name)
    if camera.make == "opencv":
        from actors.physical.opencv_camera import OpenCvCamera

        return lambda: OpenCvCamera(camera.serial, settings)
    from actors.physical.basler import BaslerCamera

    images = camera.images if camera.images is not None or feed is None else feed.folder(camera.serial)
    return lambda: BaslerCamera(camera.serial, settings, rig.trigger, images)
