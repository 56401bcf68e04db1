"""Basler cameras through pypylon: by serial number, triggered by software, by a wire or by an action command."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pypylon import genicam, pylon

from actors.physical.camera import (
    CameraError,
    CameraFrame,
    CameraGoneError,
    CameraMissingError,
    FoundCamera,
    FrameTimeoutError,
    IncompleteFrameError,
)
from actors.physical.genicam import NodeMap, apply_settings, apply_trigger
from actors.physical.settings import ActionTrigger, CameraSettings, HardwareTrigger, SoftwareTrigger

MAKE = "basler"
CONNECTIONS = {"BaslerGigE": "GigE", "BaslerUsb": "USB", "BaslerCamEmu": "emulated"}
GIGE_COUNTS = 65535  # 0 is reserved
NO_NUMBER = 2**64 - 1
LOCKED = ("Master", "Slave")
# pylon's factory lists and makes devices; it is not said to take two threads at a time.
_factory = threading.Lock()


class BaslerCamera:
    """Implements ``Camera``.

    Args:
        serial: number on its label.
        settings: applied, and verified by reading back.
        trigger: where its triggers come from.
        images: of an emulated camera only: a folder of images that it plays, one for each trigger, over and over.

    Raises:
        CameraMissingError: there is none of that serial number.
        SettingRefusedError: a setting that it does not take.
        CameraError: it cannot be opened, for somebody else has it.
    """

    def __init__(
        self,
        serial: str,
        settings: CameraSettings | None = None,
        trigger: SoftwareTrigger | HardwareTrigger | ActionTrigger | None = None,
        images: Path | None = None,
    ) -> None:
        self.serial = serial
        self._trigger = trigger or SoftwareTrigger()
        self._device = pylon.InstantCamera(_create(serial))
        self._converter = pylon.ImageFormatConverter()
        self._converter.OutputPixelFormat = pylon.PixelType_RGB8packed
        try:
            with self._translated():
                self._device.Open()
                nodes = self._device.GetNodeMap()
                apply_settings(nodes, serial, settings or CameraSettings())
                apply_trigger(nodes, serial, self._trigger)
                if images is not None:
                    _play(nodes, images)
                self._clock = PtpClock(nodes)
                self.width_px, self.height_px = nodes.GetNode("Width").Value, nodes.GetNode("Height").Value
                self._exposure_s = _exposure_s(nodes)
        except CameraError:
            self.close()
            raise
        self._fired_s, self._fired_ns = 0.0, 0
        self._count = FrameCount()

    @property
    def nodes(self) -> NodeMap:
        """Its parameters."""
        return self._device.GetNodeMap()

    def arm(self) -> None:
        """As ``Camera`` has it."""
        with self._translated():
            self._device.StopGrabbing()
            latest = isinstance(self._trigger, HardwareTrigger)
            self._device.StartGrabbing(
                pylon.GrabStrategy_LatestImageOnly if latest else pylon.GrabStrategy_OneByOne,
                pylon.GrabLoop_ProvidedByUser,
            )
            self._count = FrameCount()

    def ready(self, timeout_s: float) -> None:
        """As ``Camera`` has it."""
        with self._translated():
            while (old := self._device.RetrieveResult(0, pylon.TimeoutHandling_Return)).IsValid():
                old.Release()
            if isinstance(self._trigger, HardwareTrigger) or not self._device.CanWaitForFrameTriggerReady():
                return
            if not self._device.WaitForFrameTriggerReady(_ms(timeout_s), pylon.TimeoutHandling_Return):
                raise FrameTimeoutError(f"camera {self.serial} takes no trigger within {timeout_s:.3g} s")

    def trigger(self) -> None:
        """As ``Camera`` has it."""
        self._fired_s, self._fired_ns = time.monotonic(), time.time_ns()
        if isinstance(self._trigger, SoftwareTrigger):
            with self._translated():
                self._device.ExecuteSoftwareTrigger()

    def grab(self, timeout_s: float) -> CameraFrame:
        """As ``Camera`` has it."""
        with self._translated():
            result = self._device.RetrieveResult(_ms(timeout_s), pylon.TimeoutHandling_Return)
            if not result.IsValid():
                raise FrameTimeoutError(f"camera {self.serial} sent no image within {timeout_s:.3g} s")
            arrived_s, arrived_ns = time.monotonic(), time.time_ns()
            try:
                number = self._count.of(_number_of(result))
                if not result.GrabSucceeded():
                    raise IncompleteFrameError(f"camera {self.serial}: {result.ErrorDescription}")
                image, camera_time_ns = self._image(result), self._clock.time_of(result.TimeStamp)
            finally:
                result.Release()
        if isinstance(self._trigger, HardwareTrigger):
            captured_s = arrived_s - self._exposure_s
            captured_ns = arrived_ns - round(1e9 * self._exposure_s)
        else:
            captured_s, captured_ns = self._fired_s, self._fired_ns
        return CameraFrame(image, number, captured_s, captured_ns, camera_time_ns)

    def close(self) -> None:
        """As ``Camera`` has it."""
        # Of a camera that is gone, letting it go may fail, too.
        with contextlib.suppress(genicam.GenericException):
            self._device.Close()
            self._device.DestroyDevice()

    def _image(self, result: Any) -> np.ndarray:
        if result.PixelType == pylon.PixelType_RGB8packed:
            return np.asarray(result.Array)
        return np.array(self._converter.Convert(result).Array)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """pylon's errors as ours."""
        try:
            yield
        except (genicam.GenericException, FrameTimeoutError) as error:
            if self._device.IsCameraDeviceRemoved():
                raise CameraGoneError(f"camera {self.serial} is not connected any more") from error
            if isinstance(error, CameraError):
                raise
            raise CameraError(f"camera {self.serial}: {' '.join(str(error).split())}") from error
        # pylon notices in a thread of its own, and goes on handing over what it has.
        if self._device.IsCameraDeviceRemoved():
            raise CameraGoneError(f"camera {self.serial} is not connected any more")


class PtpClock:
    """A camera's clock, if it keeps time with the others' by PTP (IEEE 1588), which is switched on where there is it.

    Args:
        nodes: of the camera.
    """

    def __init__(self, nodes: NodeMap) -> None:
        self._nodes = nodes
        self._locked = False
        enabled = [node for name in ("PtpEnable", "GevIEEE1588") if (node := nodes.GetNode(name)).IsWritable()]
        self._there = bool(enabled)
        for node in enabled[:1]:
            node.Value = True

    def time_of(self, timestamp: int) -> int | None:
        """A frame's time stamp, nanoseconds; None while the clock is not locked, which takes seconds after power-on."""
        if not self._there or not timestamp:
            return None
        self._locked = self._locked or self._status() in LOCKED
        return timestamp if self._locked else None

    def _status(self) -> str:
        for latch, status in (
            ("PtpDataSetLatch", "PtpStatus"),
            ("GevIEEE1588DataSetLatch", "GevIEEE1588StatusLatched"),
        ):
            if (node := self._nodes.GetNode(latch)).IsWritable():
                node.Execute()
                return str(self._nodes.GetNode(status).Value)
        return "unknown"


class FrameCount:
    """A frame's number as one that only grows: older GigE cameras count in 16 bits, from 1 to 65535."""

    def __init__(self) -> None:
        self._before, self._turns = 0, 0

    def of(self, number: int) -> int:
        """The number of the next frame."""
        if number < self._before - GIGE_COUNTS // 2:
            self._turns += 1
        self._before = number
        return number + self._turns * GIGE_COUNTS


def find_baslers() -> list[FoundCamera]:
    """Those that are connected, in the order of their serial numbers."""
    with _factory:
        devices = pylon.TlFactory.GetInstance().EnumerateDevices()
    found = [
        FoundCamera(
            serial=device.GetSerialNumber(),
            make=MAKE,
            model=device.GetModelName(),
            connection=CONNECTIONS.get(device.GetDeviceClass(), device.GetDeviceClass()),
            address=device.GetIpAddress() if device.IsIpAddressAvailable() else "",
        )
        for device in devices
    ]
    return sorted(found, key=lambda camera: camera.serial)


def action_command(trigger: ActionTrigger) -> Callable[[], None]:
    """What triggers all cameras at once.

    Raises:
        CameraError: this machine has no GigE Vision driver.
    """
    with _factory:
        gige = pylon.TlFactory.GetInstance().CreateTl("BaslerGigE")
    if gige is None:
        raise CameraError("pylon has no GigE Vision driver here: an action command needs it")

    def fire() -> None:
        keys = (trigger.device_key, trigger.group_key, trigger.group_mask)
        try:
            gige.IssueActionCommandNoWait(*keys, str(trigger.broadcast))
        except genicam.GenericException as error:
            raise CameraError(f"action command to {trigger.broadcast}: {' '.join(str(error).split())}") from error

    return fire


def _create(serial: str) -> Any:
    with _factory:
        factory = pylon.TlFactory.GetInstance()
        devices = factory.EnumerateDevices()
        for device in devices:
            if device.GetSerialNumber() == serial:
                try:
                    return factory.CreateDevice(device)
                except genicam.GenericException as error:
                    raise CameraError(f"camera {serial}: {' '.join(str(error).split())}") from error
    there = ", ".join(sorted(device.GetSerialNumber() for device in devices)) or "none"
    raise CameraMissingError(f"no Basler camera {serial}; there are: {there}")


def _number_of(result: Any) -> int:
    return int(result.ImageNumber if result.BlockID == NO_NUMBER else result.BlockID)


def _exposure_s(nodes: NodeMap) -> float:
    known = (nodes.GetNode(name) for name in ("ExposureTime", "ExposureTimeAbs"))
    return next((1e-6 * node.Value for node in known if node.IsReadable()), 0.0)


def _play(nodes: NodeMap, images: Path) -> None:
    for name, value in (("TestImageSelector", "Off"), ("ImageFilename", str(images)), ("ImageFileMode", "On")):
        if not (node := nodes.GetNode(name)).IsWritable():
            raise CameraError(f"only an emulated camera plays images: this one has no {name}")
        node.Value = value


def _ms(seconds: float) -> int:
    return max(0, round(1000 * seconds))
