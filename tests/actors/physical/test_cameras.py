"""The contract, on each make; and what a Basler's and a V4L2 camera's own faults look like."""

import os
import time
from collections import deque
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from actors.physical import basler as basler_module
from actors.physical.basler import BaslerCamera, FrameCount, PtpClock, action_command, find_baslers
from actors.physical.camera import (
    Camera,
    CameraGoneError,
    CameraMissingError,
    FrameTimeoutError,
    IncompleteFrameError,
    SettingRefusedError,
)
from actors.physical.emulated import VARIABLE, ImageFeed, emulate
from actors.physical.opencv_camera import OpenCvCamera
from actors.physical.settings import ActionTrigger, CameraSettings, HardwareTrigger, Roi
from s3k_dist.errors import ConfigError, FrameError
from tests.actors.physical.camera_contract import PATIENCE_S, CameraContract, shoot
from tests.actors.physical.fake_camera import Sensor
from tests.actors.physical.fake_nodes import FakeNodes

SIZE_PX = 64
SETTINGS = CameraSettings(pixel_format="RGB8", roi=Roi(width=SIZE_PX, height=SIZE_PX), exposure_us=1000)


@pytest.fixture
def serials(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    monkeypatch.delenv(VARIABLE, raising=False)
    return emulate(4)


@pytest.fixture
def basler(serials: tuple[str, ...]) -> Iterator[BaslerCamera]:
    camera = BaslerCamera(serials[1], SETTINGS)
    yield camera
    camera.close()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 30, (SIZE_PX, 48))
    for level in range(20):
        writer.write(np.full((48, SIZE_PX, 3), (0, 0, 10 * level), np.uint8))
    writer.release()
    return path


class TestFakeCamera(CameraContract):
    @pytest.fixture
    def camera(self) -> Camera:
        return Sensor().open()


class TestBasler(CameraContract):
    @pytest.fixture
    def camera(self, basler: BaslerCamera) -> Camera:
        return basler


class TestOpenCv(CameraContract):
    triggered = False

    @pytest.fixture
    def camera(self, film: Path) -> Iterator[Camera]:
        camera = OpenCvCamera(str(film))
        yield camera
        camera.close()


def test_the_cameras_that_there_are_are_found_by_serial_number(serials: tuple[str, ...]) -> None:
    found = find_baslers()
    assert tuple(camera.serial for camera in found) == serials
    assert {(camera.make, camera.connection) for camera in found} == {("basler", "emulated")}


def test_a_camera_that_is_missing_is_told_with_those_there_are(serials: tuple[str, ...]) -> None:
    with pytest.raises(CameraMissingError, match="no Basler camera 40012345; there are: 0815-0000, 0815-0001"):
        BaslerCamera("40012345")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"exposure_us": 1e9}, "refuses exposure_us 1000000000.0: it takes 1 to 1e[+]07"),
        ({"gain_db": 99}, "refuses gain_db 99"),
        ({"pixel_format": "RGB9"}, "refuses pixel_format 'RGB9': it takes Mono8, "),
        ({"roi": Roi(width=99999, height=8)}, "refuses roi Width 99999: it takes 1 to 4096"),
        ({"roi": Roi(x=4090, width=64, height=8)}, "refuses roi OffsetX 4090: it takes 0 to 4032"),
        ({"white_balance": (1, 1, 1)}, "does not know white_balance .*: it has no BalanceRatioSelector"),
    ],
)
def test_a_setting_that_a_camera_does_not_take_is_told_with_what_it_takes(
    settings: dict[str, object], says: str, serials: tuple[str, ...]
) -> None:
    with pytest.raises(SettingRefusedError, match=f"camera 0815-0000 {says}"):
        BaslerCamera(serials[0], CameraSettings.model_validate(settings))


def test_settings_are_what_the_camera_says_afterwards(serials: tuple[str, ...]) -> None:
    roi = Roi(x=100, y=60, width=320, height=200)
    settings = CameraSettings(
        exposure_us=2500, gain_db=6, roi=roi, pixel_format="BayerRG8", frame_rate_hz=25, packet_size=9000
    )
    for _ in range(2):  # also from an offset that leaves no room for a wider one
        camera = BaslerCamera(serials[0], settings)
        names = ("ExposureTime", "OffsetX", "OffsetY", "Width", "Height", "PixelFormat", "GevSCPSPacketSize")
        values = [camera.nodes.GetNode(name).Value for name in names]
        assert values == [2500, 100, 60, 320, 200, "BayerRG8", 9000]
        assert camera.nodes.GetNode("Gain").Value == pytest.approx(6, rel=0.01)
        assert (camera.width_px, camera.height_px) == (320, 200)
        camera.arm()
        assert shoot(camera).image.shape == (200, 320, 3)
        camera.close()


@pytest.mark.parametrize(
    ("trigger", "source"),
    [(HardwareTrigger(kind="hardware", line="Line2", edge="falling"), "Line2")],
)
def test_a_camera_waits_for_pulses_on_its_line(trigger: HardwareTrigger, source: str, serials: tuple[str, ...]) -> None:
    camera = BaslerCamera(serials[0], SETTINGS, trigger)
    nodes = camera.nodes
    assert [nodes.GetNode(name).Value for name in ("TriggerSelector", "TriggerMode", "TriggerSource")] == [
        "FrameStart",
        "On",
        source,
    ]
    assert nodes.GetNode("TriggerActivation").Value == "FallingEdge"
    camera.close()
    with pytest.raises(SettingRefusedError, match="does not know device_key 1: it has no ActionDeviceKey"):
        BaslerCamera(serials[0], SETTINGS, ActionTrigger(kind="action"))


def test_an_action_command_goes_out_once_with_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[object, ...]] = []
    gige = SimpleNamespace(IssueActionCommandNoWait=lambda *arguments: sent.append(arguments))
    factory = SimpleNamespace(CreateTl=lambda kind: gige if kind == "BaslerGigE" else None)
    monkeypatch.setattr(basler_module.pylon, "TlFactory", SimpleNamespace(GetInstance=lambda: factory))
    trigger = ActionTrigger(kind="action", device_key=7, group_key=8, group_mask=9, broadcast=IPv4Address("10.1.2.255"))
    action_command(trigger)()
    assert sent == [(7, 8, 9, "10.1.2.255")]


def test_an_incomplete_image_is_told_and_counts(basler: BaslerCamera) -> None:
    basler.arm()
    first = shoot(basler).number
    basler.nodes.GetNode("ForceFailedBufferCount").Value = 2
    basler.nodes.GetNode("ForceFailedBuffer").Execute()
    for _ in range(2):
        with pytest.raises(IncompleteFrameError, match=r"camera 0815-0001: .*incompletely grabbed"):
            shoot(basler)
    assert shoot(basler).number == first + 3


def test_a_camera_that_is_unplugged_is_gone_and_can_be_opened_anew(basler: BaslerCamera) -> None:
    basler.arm()
    shoot(basler)
    basler.nodes.GetNode("FirePnPCallback").Execute()
    with pytest.raises(CameraGoneError, match="0815-0001 is not connected any more"):
        deque((shoot(basler) for _ in range(100)), maxlen=0)  # pylon takes note in a thread of its own
    basler.close()
    again = BaslerCamera("0815-0001", SETTINGS)
    again.arm()
    shoot(again)
    again.close()


def test_older_cameras_counts_go_on_past_sixteen_bits() -> None:
    count = FrameCount()
    assert [count.of(number) for number in (65534, 65535, 1, 2)] == [65534, 65535, 65536, 65537]
    plain = FrameCount()
    assert [plain.of(number) for number in (0, 65535, 65536, 200_000)] == [0, 65535, 65536, 200_000]


@pytest.mark.parametrize(
    ("enable", "latch", "status"),
    [
        ("PtpEnable", "PtpDataSetLatch", "PtpStatus"),
        ("GevIEEE1588", "GevIEEE1588DataSetLatch", "GevIEEE1588StatusLatched"),
    ],
)
def test_a_cameras_time_counts_once_its_clock_is_locked(enable: str, latch: str, status: str) -> None:
    nodes = FakeNodes({enable: False, latch: None, status: "Listening"})
    clock = PtpClock(nodes)
    assert nodes.GetNode(enable).Value is True
    assert clock.time_of(17) is None
    nodes.GetNode(status).Value = "Slave"
    assert clock.time_of(18) == 18
    assert clock.time_of(0) is None, "a camera that stamps nothing"


def test_a_camera_without_ptp_has_no_time_of_its_own() -> None:
    assert PtpClock(FakeNodes({})).time_of(17) is None


def test_the_very_image_that_is_shown_is_taken(serials: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    with ImageFeed(serials[:2]) as feed:
        for serial in serials[:2]:
            feed.show(serial, np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8))
        cameras = {serial: BaslerCamera(serial, SETTINGS, images=feed.folder(serial)) for serial in serials[:2]}
        for camera in cameras.values():
            camera.arm()
        for _ in range(5):
            shown = {serial: rng.integers(0, 256, (SIZE_PX, SIZE_PX, 3), dtype=np.uint8) for serial in cameras}
            for serial, image in shown.items():
                feed.show(serial, image)
            for serial, camera in cameras.items():
                np.testing.assert_array_equal(shoot(camera).image, shown[serial])
                np.testing.assert_array_equal(shoot(camera).image, shown[serial], "it stays until there is another")
        for camera in cameras.values():
            camera.close()
        with pytest.raises(ConfigError, match="no feed for camera cam9; there are: 0815-0000, 0815-0001"):
            feed.show("cam9", shown[serials[0]])
        with pytest.raises(FrameError, match="expected an RGB uint8 image, got float64"):
            feed.show(serials[0], np.zeros((8, 8, 3)))


def test_an_odd_width_comes_out_as_well(serials: tuple[str, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (37, 41, 3), dtype=np.uint8)
    settings = CameraSettings(pixel_format="RGB8", roi=Roi(width=41, height=37))
    with ImageFeed(serials[:1]) as feed:
        feed.show(serials[0], image)
        camera = BaslerCamera(serials[0], settings, images=feed.folder(serials[0]))
        camera.arm()
        np.testing.assert_array_equal(shoot(camera).image, image)
        camera.close()


def test_emulated_cameras_are_never_fewer_than_somebody_asked_for(serials: tuple[str, ...]) -> None:
    assert emulate(2) == serials[:2]
    assert os.environ[VARIABLE] == "4"
    with pytest.raises(ConfigError, match="1 to 256 emulated cameras, got 0"):
        emulate(0)


def test_a_film_plays_image_by_image_and_then_ends(film: Path) -> None:
    camera = OpenCvCamera(str(film), CameraSettings(roi=Roi(width=SIZE_PX, height=48)))
    camera.arm()
    reds = [int(shoot(camera).image[..., 0].mean()) for _ in range(20)]
    assert reds == sorted(reds)
    assert reds[-1] > reds[0] + 100
    with pytest.raises(CameraGoneError, match="sends nothing any more"):
        shoot(camera)
    camera.close()


class Queued:
    """A V4L2 device whose driver has old images queued; a new one takes as long as its exposure."""

    def __init__(self, ages_s: list[float]) -> None:
        self._ages_s = ages_s
        self._at_s = 0.0
        self.grabbed = 0

    def isOpened(self) -> bool:  # noqa: N802  # OpenCV's names
        return True

    def set(self, parameter: int, value: float) -> bool:
        return True

    def get(self, parameter: int) -> float:
        return 1e3 * self._at_s if parameter == cv2.CAP_PROP_POS_MSEC else 8.0

    def grab(self) -> bool:
        self.grabbed += 1
        self._at_s = time.monotonic() - (self._ages_s.pop(0) if self._ages_s else 0.0)
        return True

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.zeros((8, 8, 3), np.uint8)

    def release(self) -> None:
        pass


def test_what_a_usb_cameras_driver_has_queued_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    capture = Queued([0.3, 0.2, 0.1])
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: capture)
    camera = OpenCvCamera("/dev/video0")
    camera.arm()
    camera.ready(PATIENCE_S)
    since_s = time.monotonic()
    frame = camera.grab(PATIENCE_S)
    assert (capture.grabbed, frame.number) == (4, 1)
    assert since_s <= frame.captured_s <= time.monotonic()
    old = Queued([1000.0] * 100)
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: old)
    camera = OpenCvCamera("/dev/video0")
    camera.ready(PATIENCE_S)
    with pytest.raises(FrameTimeoutError, match="no new image within 0 s"):
        camera.grab(0.0)


def test_an_opencv_camera_says_what_it_does_not_take(film: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingRefusedError, match="takes no packet_size through OpenCV; it takes exposure_us"):
        OpenCvCamera(str(film), CameraSettings(packet_size=1500))
    with pytest.raises(SettingRefusedError, match="no roi with an offset"):
        OpenCvCamera(str(film), CameraSettings(roi=Roi(x=1, width=8, height=8)))
    with pytest.raises(SettingRefusedError, match="roi width 9999 was asked for, it reads back 64"):
        OpenCvCamera(str(film), CameraSettings(roi=Roi(width=9999, height=8)))
    with pytest.raises(CameraMissingError, match=r"no camera or film .*; there are: "):
        OpenCvCamera(str(tmp_path / "no.avi"))
