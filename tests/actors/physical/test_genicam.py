"""Settings of cameras that are not here: older names, rounding, clipping, and the order in which they are applied."""

import pytest

from actors.physical.camera import SettingRefusedError
from actors.physical.genicam import apply_settings, apply_trigger
from actors.physical.settings import ActionTrigger, CameraSettings, HardwareTrigger, Roi, SoftwareTrigger
from tests.actors.physical.fake_nodes import FakeNode, FakeNodes


def test_older_cameras_are_told_by_their_names_and_in_their_units() -> None:
    nodes = FakeNodes(
        {
            "ExposureAuto": "Continuous",
            "ExposureTimeAbs": 1.0,
            "GainAuto": "Continuous",
            "GainRaw": 0,
            "BalanceWhiteAuto": "Continuous",
            "BalanceRatioSelector": FakeNode("Red", Symbolics=("Red", "Green", "Blue")),
            "BalanceRatioAbs": 1.0,
            "AcquisitionFrameRateAbs": 1.0,
        }
    )
    with pytest.raises(SettingRefusedError, match=r"white_balance of Red 1\.0 was asked for, it reads back 2\.0"):
        # These nodes have one ratio for all colours: what is read back is the last.
        apply_settings(nodes, "cam", CameraSettings(exposure_us=3000, gain_raw=12, white_balance=(1, 1.5, 2)))
    assert nodes.log[:3] == ["ExposureAuto=Off", "GainAuto=Off", "BalanceWhiteAuto=Off"]
    assert nodes.log[3:11] == [
        *("ExposureTimeAbs=3000.0", "GainRaw=12"),
        *("BalanceRatioSelector=Red", "BalanceRatioAbs=1.0"),
        *("BalanceRatioSelector=Green", "BalanceRatioAbs=1.5"),
        *("BalanceRatioSelector=Blue", "BalanceRatioAbs=2.0"),
    ]


def test_a_region_is_made_where_there_is_room_for_it() -> None:
    nodes = FakeNodes(
        {
            "OffsetX": FakeNode(500, 0, 900),
            "OffsetY": FakeNode(500, 0, 900),
            "Width": FakeNode(100, 1, 1000),
            "Height": FakeNode(100, 1, 1000),
            "PixelFormat": FakeNode("Mono8", Symbolics=("Mono8", "RGB8")),
            "ExposureTime": 1.0,
        }
    )
    apply_settings(
        nodes, "cam", CameraSettings(exposure_us=5, roi=Roi(x=4, y=8, width=640, height=480), pixel_format="RGB8")
    )
    assert nodes.log == [
        *("OffsetX=0", "OffsetY=0", "PixelFormat=RGB8"),
        *("Width=640", "Height=480", "OffsetX=4", "OffsetY=8", "ExposureTime=5.0"),
    ]


@pytest.mark.parametrize(("rounds", "takes"), [(20.0, True), (200.0, False)])
def test_a_camera_may_round_but_not_change_a_value(rounds: float, takes: bool) -> None:
    nodes = FakeNodes({"ExposureTime": FakeNode(0.0, 10, 10_000, rounds=rounds)})
    settings = CameraSettings(exposure_us=5000)
    if takes:
        apply_settings(nodes, "cam", settings)
        return
    with pytest.raises(
        SettingRefusedError, match=r"5000\.0 was asked for, it reads back 5200\.0: it takes 10 to 10000"
    ):
        apply_settings(nodes, "cam", settings)


def test_a_frame_rate_is_a_limit_only_where_one_is_wanted() -> None:
    nodes = FakeNodes({"AcquisitionFrameRateEnable": True, "AcquisitionFrameRate": 10.0})
    apply_settings(nodes, "cam", CameraSettings())
    assert nodes.GetNode("AcquisitionFrameRateEnable").Value is False
    apply_settings(nodes, "cam", CameraSettings(frame_rate_hz=20))
    assert nodes.log[1:] == ["AcquisitionFrameRateEnable=True", "AcquisitionFrameRate=20.0"]


TRIGGER_NODES = {
    "TriggerSelector": FakeNode("FrameStart", Symbolics=("FrameBurstStart", "FrameStart")),
    "TriggerMode": FakeNode("Off", Symbolics=("On", "Off")),
    "TriggerSource": FakeNode("Software", Symbolics=("Software", "Line1", "Action1")),
    "TriggerActivation": FakeNode("RisingEdge", Symbolics=("RisingEdge", "FallingEdge")),
    "ActionDeviceKey": 0,
    "ActionSelector": 0,
    "ActionGroupKey": 0,
    "ActionGroupMask": 0,
}
BEFORE = ["TriggerSelector=FrameBurstStart", "TriggerMode=Off", "TriggerSelector=FrameStart", "TriggerMode=Off"]


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        (SoftwareTrigger(), ["TriggerSource=Software"]),
        (HardwareTrigger(kind="hardware"), ["TriggerSource=Line1", "TriggerActivation=RisingEdge"]),
        (
            ActionTrigger(kind="action", device_key=7, group_key=8, group_mask=9),
            [
                *("TriggerSource=Action1", "ActionDeviceKey=7"),
                *("ActionSelector=1", "ActionGroupKey=8", "ActionGroupMask=9"),
            ],
        ),
    ],
)
def test_each_frame_waits_for_its_trigger_and_for_nothing_else(
    trigger: SoftwareTrigger | HardwareTrigger | ActionTrigger, expected: list[str]
) -> None:
    nodes = FakeNodes(dict(TRIGGER_NODES))
    apply_trigger(nodes, "cam", trigger)
    assert nodes.log == [*BEFORE, "TriggerSelector=FrameStart", "TriggerMode=On", *expected]


def test_a_line_that_a_camera_does_not_have_is_told() -> None:
    with pytest.raises(SettingRefusedError, match="cam refuses line 'Line9': it takes Software, Line1, Action1"):
        apply_trigger(FakeNodes(dict(TRIGGER_NODES)), "cam", HardwareTrigger(kind="hardware", line="Line9"))
