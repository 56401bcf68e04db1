"""GenICam settings: applied in an order in which each is possible, then all read back, for one can undo another.

The parameters have had several names over the years; the first that a camera knows is taken. This file knows names, not
pypylon: any node map will do whose nodes look like pypylon's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from actors.physical.camera import SettingRefusedError
from actors.physical.settings import ActionTrigger, CameraSettings, HardwareTrigger, Roi, SoftwareTrigger

# A camera rounds to its own steps, of an exposure or of a gain's dB.
TOLERANCE = 0.01
COLOURS = ("Red", "Green", "Blue")
FRAME_START = "FrameStart"


class NodeMap(Protocol):
    """The parameters of a camera."""

    def GetNode(self, name: str) -> Any:  # noqa: N802  # GenICam's name
        """A parameter, by its name; of one that there is not, ``IsValid`` says so."""


@dataclass(frozen=True)
class Wanted:
    """One parameter.

    Attributes:
        setting: as the rig's file calls it.
        nodes: names of the parameter; the first that is there is taken.
        value: what it has to be.
        where: a selector and its value, of a parameter that there are several of.
    """

    setting: str
    nodes: tuple[str, ...]
    value: Any
    where: tuple[str, str] | None = None

    @property
    def asked(self) -> str:
        """As a person would say it."""
        which = f" of {self.where[1]}" if self.where else ""
        return f"{self.setting}{which} {self.value!r}"


def apply_settings(nodes: NodeMap, camera: str, settings: CameraSettings) -> None:
    """Apply settings and verify them; what they do not say stays as it is.

    Args:
        nodes: of the camera, open and not grabbing.
        camera: names it in messages.
        settings: that are wanted.

    Raises:
        SettingRefusedError: the camera has no such parameter, refuses the value or reads back another.
    """
    wanted = list(_wanted(settings))
    if settings.roi is not None:
        # An old offset could leave no room for the new width.
        for name in ("OffsetX", "OffsetY"):
            if (node := nodes.GetNode(name)).IsWritable():
                node.Value = node.Min
    for automatic, manual in (
        ("ExposureAuto", settings.exposure_us),
        ("GainAuto", settings.gain_raw if settings.gain_db is None else settings.gain_db),
        ("BalanceWhiteAuto", settings.white_balance),
    ):
        if manual is not None:
            _if_there(nodes, automatic, "Off")
    for each in wanted:
        if each.setting == "frame_rate_hz":
            _if_there(nodes, "AcquisitionFrameRateEnable", True)
        _set(nodes, camera, each)
    if settings.frame_rate_hz is None:
        _if_there(nodes, "AcquisitionFrameRateEnable", False)  # or a limit of somebody before would hold
    for each in wanted:
        _verify(nodes, camera, each)


def apply_trigger(nodes: NodeMap, camera: str, trigger: SoftwareTrigger | HardwareTrigger | ActionTrigger) -> None:
    """Let each frame wait for one trigger, from where it comes.

    Raises:
        SettingRefusedError: the camera cannot be triggered like that.
    """
    _all_triggers_off(nodes)
    wanted = list(_wanted_trigger(trigger))
    for each in wanted:
        _set(nodes, camera, each)
    for each in wanted:
        if each.setting != "device_key":  # a camera tells its key to nobody
            _verify(nodes, camera, each)


def _wanted(settings: CameraSettings) -> Iterator[Wanted]:
    # The pixel format and the region decide how fast the sensor is, and so what exposures and rates are possible.
    if settings.pixel_format is not None:
        yield Wanted("pixel_format", ("PixelFormat",), settings.pixel_format)
    if settings.roi is not None:
        yield from _wanted_roi(settings.roi)
    if settings.exposure_us is not None:
        yield Wanted("exposure_us", ("ExposureTime", "ExposureTimeAbs"), settings.exposure_us)
    if settings.gain_db is not None:
        yield Wanted("gain_db", ("Gain",), settings.gain_db)
    if settings.gain_raw is not None:
        yield Wanted("gain_raw", ("GainRaw",), settings.gain_raw)
    if settings.white_balance is not None:
        for colour, ratio in zip(COLOURS, settings.white_balance, strict=True):
            where = ("BalanceRatioSelector", colour)
            yield Wanted("white_balance", ("BalanceRatio", "BalanceRatioAbs"), ratio, where)
    if settings.packet_size is not None:
        yield Wanted("packet_size", ("GevSCPSPacketSize",), settings.packet_size)
    if settings.frame_rate_hz is not None:
        yield Wanted("frame_rate_hz", ("AcquisitionFrameRate", "AcquisitionFrameRateAbs"), settings.frame_rate_hz)


def _wanted_roi(roi: Roi) -> Iterator[Wanted]:
    for node, value in (("Width", roi.width), ("Height", roi.height), ("OffsetX", roi.x), ("OffsetY", roi.y)):
        yield Wanted(f"roi {node}", (node,), value)


def _wanted_trigger(trigger: SoftwareTrigger | HardwareTrigger | ActionTrigger) -> Iterator[Wanted]:
    yield Wanted("trigger", ("TriggerSelector",), FRAME_START)
    yield Wanted("trigger", ("TriggerMode",), "On")
    match trigger:
        case SoftwareTrigger():
            yield Wanted("trigger", ("TriggerSource",), "Software")
        case HardwareTrigger():
            yield Wanted("line", ("TriggerSource",), trigger.line)
            yield Wanted("edge", ("TriggerActivation",), f"{trigger.edge.capitalize()}Edge")
        case ActionTrigger():
            yield Wanted("trigger", ("TriggerSource",), "Action1")
            yield Wanted("device_key", ("ActionDeviceKey",), trigger.device_key)
            yield Wanted("trigger", ("ActionSelector",), 1)
            yield Wanted("group_key", ("ActionGroupKey",), trigger.group_key)
            yield Wanted("group_mask", ("ActionGroupMask",), trigger.group_mask)


def _all_triggers_off(nodes: NodeMap) -> None:
    """A burst trigger that somebody left on would hold back every frame."""
    selector = nodes.GetNode("TriggerSelector")
    for name in selector.Symbolics if selector.IsWritable() else ():
        selector.Value = name
        _if_there(nodes, "TriggerMode", "Off")


def _if_there(nodes: NodeMap, name: str, value: Any) -> None:
    node = nodes.GetNode(name)
    if node.IsWritable():
        node.Value = value


def _set(nodes: NodeMap, camera: str, wanted: Wanted) -> None:
    node = _node(nodes, camera, wanted)
    try:
        node.Value = _spelled(node, wanted.value)
    except Exception as error:
        # Whatever its driver throws: out of range, no such entry, locked.
        raise SettingRefusedError(f"camera {camera} refuses {wanted.asked}: {_range(node)}") from error


def _verify(nodes: NodeMap, camera: str, wanted: Wanted) -> None:
    node = _node(nodes, camera, wanted)
    is_now, asked = node.Value, _spelled(node, wanted.value)
    near = isinstance(asked, float) and abs(is_now - asked) <= max(TOLERANCE * abs(asked), TOLERANCE)
    if is_now != asked and not near:
        raise SettingRefusedError(
            f"camera {camera}: {wanted.asked} was asked for, it reads back {is_now!r}: {_range(node)}"
        )


def _node(nodes: NodeMap, camera: str, wanted: Wanted) -> Any:
    if wanted.where is not None:
        selector, value = wanted.where
        _set(nodes, camera, Wanted(wanted.setting, (selector,), value))
    for name in wanted.nodes:
        if (node := nodes.GetNode(name)).IsValid():
            return node
    raise SettingRefusedError(f"camera {camera} does not know {wanted.asked}: it has no {' or '.join(wanted.nodes)}")


def _spelled(node: Any, value: Any) -> Any:
    """``RGB8`` is ``RGB8Packed`` to cameras of before 2012, and to the emulator."""
    names = getattr(node, "Symbolics", ())
    return f"{value}Packed" if value not in names and f"{value}Packed" in names else value


def _range(node: Any) -> str:
    """What it takes."""
    if names := getattr(node, "Symbolics", ()):
        return f"it takes {', '.join(names)}"
    if getattr(node, "Min", None) is None:
        return "it takes other values"
    step = f" in steps of {node.Inc}" if isinstance(node.Value, int) and node.Inc != 1 else ""
    return f"it takes {node.Min:g} to {node.Max:g}{step}"
