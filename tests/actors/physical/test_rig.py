"""A rig of cameras that fail: what comes out is of one trigger and fresh, and what failed comes back."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.physical import attached, rig_metrics
from actors.physical.basler import BaslerCamera
from actors.physical.calibrated import CalibratedRig
from actors.physical.camera import CameraError, CameraMissingError
from actors.physical.emulated import ImageFeed, emulate
from actors.physical.rig import CameraRig, FrameSet, NoFramesError
from actors.physical.settings import CameraSettings, RigLimits, Roi
from s3k_dist.geometry.camera import NO_DISTORTION, Camera
from tests.actors.physical.fake_camera import Sensor

NAMES = ("cam0", "cam1", "cam2", "cam3")
PATIENCE_S = 20.0  # a busy machine's
# Nothing here is about time but where a test says so.
SLACK = {"max_age_s": PATIENCE_S, "view_timeout_s": PATIENCE_S, "pair_within_s": PATIENCE_S, "frozen_frames": 0}
SIZE_PX = 64


@pytest.fixture(autouse=True)
def _soon_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attached, "FIRST_BACKOFF_S", 0.01)
    monkeypatch.setattr(attached, "LONGEST_BACKOFF_S", 0.02)


@pytest.fixture
def sensors() -> dict[str, Sensor]:
    return {name: Sensor(serial=name, rng=np.random.default_rng(index)) for index, name in enumerate(NAMES)}


RigOf = Callable[..., CameraRig]


@pytest.fixture
def rig_of(sensors: dict[str, Sensor]) -> Iterator[RigOf]:
    """Opens a rig with other limits; closes it afterwards."""
    rigs: list[CameraRig] = []

    def opened(*, by_host: bool = True, fire: Callable[[], None] | None = None, **limits: Any) -> CameraRig:
        cameras = {name: sensor.open for name, sensor in sensors.items()}
        rigs.append(CameraRig(cameras, RigLimits(**(SLACK | limits)), by_host=by_host, fire=fire))
        return rigs[-1]

    yield opened
    for sensor in sensors.values():
        if sensor.hangs is not None:
            sensor.hangs.set()
    for rig in rigs:
        rig.close()


def until_complete(rig: CameraRig) -> FrameSet:
    """Sets until one lacks nothing."""
    end_s = time.monotonic() + PATIENCE_S
    while (found := rig.take(PATIENCE_S)).missing:
        assert time.monotonic() < end_s, found.missing
    return found


def views(rig: CameraRig, camera: str, outcome: str) -> float:
    return rig.metrics.value("s3k_cameras_views_total", camera=camera, outcome=outcome)


def sets(rig: CameraRig, outcome: str) -> float:
    return rig.metrics.value("s3k_cameras_sets_total", outcome=outcome)


def test_a_set_has_all_views_in_the_rigs_order(rig_of: RigOf) -> None:
    rig = rig_of()
    for _ in range(5):
        found = rig.take(PATIENCE_S)
        assert tuple(found.frames) == NAMES == rig.names
        assert found.missing == {}
    assert sets(rig, "complete") == 5
    assert views(rig, "cam3", "ok") == 5
    assert rig.metrics.value("s3k_cameras_set_seconds_count") == 5


def test_cameras_are_grabbed_side_by_side(rig_of: RigOf) -> None:
    gate = threading.Barrier(len(NAMES), timeout=PATIENCE_S)
    original = attached.Freshness.check

    def check(self: attached.Freshness, frame: Any) -> None:
        gate.wait()  # passes only if all four threads are here at a time
        original(self, frame)

    rig = rig_of()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attached.Freshness, "check", check)
        assert not rig.take(PATIENCE_S).missing


def test_an_incomplete_view_is_left_out_and_is_there_again_next_time(
    sensors: dict[str, Sensor], rig_of: RigOf, caplog: pytest.LogCaptureFixture
) -> None:
    rig = rig_of()
    rig.take(PATIENCE_S)
    sensors["cam2"].incomplete = 1
    found = rig.take(PATIENCE_S)
    assert tuple(found.frames) == ("cam0", "cam1", "cam3")
    assert found.missing == {"cam2": "fake camera cam2: packets are missing"}
    assert not rig.take(PATIENCE_S).missing
    assert (sets(rig, "partial"), views(rig, "cam2", "incomplete")) == (1, 1)
    assert sensors["cam2"].opened == 1
    assert "going on without camera cam2: fake camera cam2: packets are missing" in caplog.text
    assert "camera cam2 is back" in caplog.text


def test_incomplete_views_on_all_cameras_cost_one_more_trigger(sensors: dict[str, Sensor], rig_of: RigOf) -> None:
    rig = rig_of()
    for sensor in sensors.values():
        sensor.incomplete = 1
    assert not rig.take(PATIENCE_S).missing
    assert (sets(rig, "too_few"), sets(rig, "complete")) == (1, 1)
    for sensor in sensors.values():
        sensor.incomplete = 1
    with pytest.raises(
        NoFramesError, match=r"0 of 4 views came, at least 2 are needed: cam0: .*packets are missing; cam1"
    ):
        rig.take(0.0)


def test_fewer_views_than_are_needed_are_no_set(sensors: dict[str, Sensor], rig_of: RigOf) -> None:
    rig = rig_of(min_views=4)
    sensors["cam1"].incomplete = 1
    with pytest.raises(NoFramesError, match="3 of 4 views came, at least 4 are needed: cam1: "):
        rig.take(0.0)


def test_a_camera_that_is_unplugged_is_missing_until_it_is_back(
    sensors: dict[str, Sensor], rig_of: RigOf, caplog: pytest.LogCaptureFixture
) -> None:
    rig = rig_of()
    until_complete(rig)
    sensors["cam1"].plugged = False
    for _ in range(5):
        assert tuple(rig.take(PATIENCE_S).frames) == ("cam0", "cam2", "cam3")
    assert list(rig.away) == ["cam1"]
    assert rig.metrics.value("s3k_cameras_connected", camera="cam1") == 0
    sensors["cam1"].plugged = True
    assert tuple(until_complete(rig).frames) == NAMES
    assert rig.away == {}
    assert rig.metrics.value("s3k_cameras_opened_total", camera="cam1") == sensors["cam1"].opened == 2
    assert "camera cam1 is away: fake camera cam1 is not connected any more" in caplog.text


def test_with_all_cameras_away_it_says_so_and_goes_on_when_they_are_back(
    sensors: dict[str, Sensor], rig_of: RigOf
) -> None:
    rig = rig_of()
    for sensor in sensors.values():
        sensor.plugged = False
    with pytest.raises(NoFramesError, match=r"0 of 4 views came"):
        rig.take(0.0)
    for sensor in sensors.values():
        sensor.plugged = True
    until_complete(rig)


def test_a_view_that_does_not_come_in_time_is_left_out_and_never_comes_later(
    sensors: dict[str, Sensor], rig_of: RigOf
) -> None:
    rig = rig_of(view_timeout_s=0.5)
    until_complete(rig)
    sensors["cam3"].delay_s = 0.6  # it arrives during the next set
    found = rig.take(PATIENCE_S)
    assert list(found.missing) == ["cam3"]
    sensors["cam3"].delay_s = 0.0
    now_s = time.monotonic()
    for _ in range(3):
        for frame in rig.take(PATIENCE_S).frames.values():
            assert frame.captured_s >= now_s
    assert views(rig, "cam3", "timeout") >= 1


def test_a_trigger_that_a_camera_never_got_does_not_shift_its_frames(sensors: dict[str, Sensor], rig_of: RigOf) -> None:
    rig = rig_of(view_timeout_s=0.3)
    until_complete(rig)
    sensors["cam0"].lost_triggers = 1
    assert list(rig.take(PATIENCE_S).missing) == ["cam0"]
    until_complete(rig)
    assert views(rig, "cam0", "unpaired") == 0


def test_a_camera_that_goes_on_failing_is_opened_anew_and_costs_the_others_nothing(
    sensors: dict[str, Sensor], rig_of: RigOf
) -> None:
    rig = rig_of(view_timeout_s=0.2)
    until_complete(rig)
    sensors["cam0"].lost_triggers = 10**6
    while sensors["cam0"].opened < 3:
        assert set(rig.take(PATIENCE_S).frames) >= {"cam1", "cam2", "cam3"}
    sensors["cam0"].lost_triggers = 0
    until_complete(rig)


def test_a_camera_that_hangs_in_its_driver_keeps_nobody(sensors: dict[str, Sensor], rig_of: RigOf) -> None:
    rig = rig_of(view_timeout_s=0.2)
    until_complete(rig)
    sensors["cam2"].hangs = threading.Event()
    first, second = rig.take(PATIENCE_S), rig.take(PATIENCE_S)
    assert "cam2" not in first.frames
    assert "is not done with the shot before" in second.missing["cam2"]
    sensors["cam2"].hangs.set()
    until_complete(rig)


def test_a_driver_that_raises_whatever_is_a_view_that_fails(
    sensors: dict[str, Sensor], rig_of: RigOf, caplog: pytest.LogCaptureFixture
) -> None:
    rig = rig_of()
    until_complete(rig)
    sensors["cam1"].raises = True
    assert rig.take(PATIENCE_S).missing == {"cam1": "camera cam1: ZeroDivisionError: foreign code"}
    sensors["cam1"].raises = False
    until_complete(rig)
    assert "the driver of camera cam1 failed" in caplog.text


def test_a_frozen_camera_is_left_out_until_its_image_changes(sensors: dict[str, Sensor], rig_of: RigOf) -> None:
    rig = rig_of(frozen_frames=4)
    until_complete(rig)
    sensors["cam1"].frozen = True
    taken = 0
    while not (found := rig.take(PATIENCE_S)).missing:
        taken += 1
    assert taken == 3
    assert found.missing == {"cam1": "camera cam1 is frozen: its last 4 images are the same"}
    sensors["cam1"].frozen = False
    until_complete(rig)
    assert views(rig, "cam1", "frozen") >= 1


def test_a_camera_whose_count_stands_still_is_left_out(sensors: dict[str, Sensor], rig_of: RigOf) -> None:
    rig = rig_of(view_timeout_s=0.2)
    until_complete(rig)
    sensors["cam1"].clock_stands = True
    missing = ["cam1" in rig.take(PATIENCE_S).missing for _ in range(4)]
    assert all(missing[index] or missing[index + 1] for index in range(3)), "armed anew, one frame passes"
    sensors["cam1"].clock_stands = False
    until_complete(rig)


def test_frames_of_several_triggers_are_no_set(
    sensors: dict[str, Sensor], rig_of: RigOf, caplog: pytest.LogCaptureFixture
) -> None:
    rig = rig_of()
    until_complete(rig)
    sensors["cam2"].ahead = 1
    found = rig.take(PATIENCE_S)
    assert tuple(found.frames) == NAMES, "a set after the one that was dropped"
    assert (sets(rig, "unpaired"), sets(rig, "complete")) == (1, 2)
    assert [rig.metrics.value("s3k_cameras_odd_total", camera=name) for name in NAMES] == [0, 0, 1, 0]
    assert "a set of frames is dropped: cam2: its frame is of trigger 3, expected 2" in caplog.text


def test_a_camera_that_exposes_late_breaks_the_set_and_is_opened_anew_if_it_goes_on(
    sensors: dict[str, Sensor], rig_of: RigOf
) -> None:
    rig = rig_of(pair_within_s=5.0)
    until_complete(rig)
    sensors["cam3"].fired_late_s = 60.0
    found = rig.take(PATIENCE_S)
    assert tuple(found.frames) == ("cam0", "cam1", "cam2"), "it is away, after three sets in a row"
    assert sets(rig, "unpaired") == 3
    sensors["cam3"].fired_late_s = 0.0
    until_complete(rig)


def test_clocks_of_the_cameras_tell_what_the_hosts_cannot(sensors: dict[str, Sensor], rig_of: RigOf) -> None:
    for sensor in sensors.values():
        sensor.ptp_ns = 0
    rig = rig_of(pair_within_s=5.0)
    until_complete(rig)
    sensors["cam0"].ptp_ns = 10**11
    assert "cam0" not in rig.take(PATIENCE_S).frames
    assert sets(rig, "unpaired") == 3


def test_an_image_that_is_too_old_never_comes_out(sensors: dict[str, Sensor], rig_of: RigOf) -> None:
    rig = rig_of(max_age_s=0.5)
    until_complete(rig)
    sensors["cam1"].delay_s = 0.7  # all wait for it, and grow old
    with pytest.raises(NoFramesError, match=r"cam0: its image is .* ms old, at most 500"):
        rig.take(0.0)
    assert views(rig, "cam0", "too_old") == 1


def test_triggers_from_outside_are_counted_by_the_cameras(sensors: dict[str, Sensor], rig_of: RigOf) -> None:
    rig = rig_of(by_host=False)
    until_complete(rig)
    for sensor in sensors.values():
        sensor.ahead = 5  # pulses that nobody took
    assert not rig.take(PATIENCE_S).missing
    assert sets(rig, "unpaired") == 0
    sensors["cam1"].ahead = 1
    rig.take(PATIENCE_S)
    assert sets(rig, "unpaired") == 1


def test_one_call_fires_all_cameras_once_they_are_ready(rig_of: RigOf) -> None:
    fired: list[float] = []
    rig = rig_of(fire=lambda: fired.append(time.monotonic()))
    frames = rig.take(PATIENCE_S).frames
    assert len(fired) == 1
    assert all(frame.captured_s >= fired[0] for frame in frames.values())


def test_a_rig_is_not_opened_without_all_its_cameras_and_leaves_none_open(sensors: dict[str, Sensor]) -> None:
    sensors["cam2"].plugged = False
    with pytest.raises(CameraMissingError, match="no fake camera cam2"):
        CameraRig({name: sensor.open for name, sensor in sensors.items()})
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("camera-")]


def test_a_closed_rig_says_so(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.close()
    rig.close()
    with pytest.raises(NoFramesError, match="cam0: camera cam0 was closed"):
        rig.take(0.0)


def test_every_metric_is_explained(rig_of: RigOf) -> None:
    explained = (Path(__file__).parents[3] / "docs/cameras.md").read_text()
    for family in rig_of().metrics.registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert f"| {name} |" in str(rig_metrics.__doc__)
        assert name in explained


def calibrated(size_px: int, names: tuple[str, ...] = NAMES) -> tuple[Camera, ...]:
    intrinsics = np.array([[100.0, 0, (size_px - 1) / 2], [0, 100.0, (size_px - 1) / 2], [0, 0, 1]])
    return tuple(Camera(name, size_px, size_px, intrinsics, NO_DISTORTION, np.eye(3), np.zeros(3)) for name in names)


def test_frames_are_numbered_and_carry_the_cameras_of_the_views_there_are(
    sensors: dict[str, Sensor], rig_of: RigOf
) -> None:
    cell = CalibratedRig(rig_of(), "cell7", calibrated(8))
    first = cell.take(PATIENCE_S)
    assert (first.cell_id, first.sequence, first.cameras) == ("cell7", 0, cell.cameras)
    sensors["cam0"].incomplete = 1
    second = cell.take(PATIENCE_S)
    assert (second.sequence, [camera.name for camera in second.cameras]) == (1, ["cam1", "cam2", "cam3"])
    assert list(cell.missing) == ["cam0"]
    assert second.captured_at_ns == min(view.captured_at_ns for view in second.views)
    cell.resume_after(41)
    assert cell.take(PATIENCE_S).sequence == 42


def test_images_are_made_smaller_with_their_cameras(rig_of: RigOf) -> None:
    cell = CalibratedRig(rig_of(), "cell0", calibrated(8), image_px=4)
    frame = cell.take(PATIENCE_S)
    assert {view.image.shape for view in frame.views} == {(4, 4, 3)}
    np.testing.assert_allclose(frame.cameras[0].intrinsics, calibrated(8)[0].resized(4, 4).intrinsics)


@pytest.mark.parametrize(
    ("cameras", "says"),
    [
        (calibrated(8, NAMES[:3]), "not calibrated: cam3; calibrated are cam0, cam1, cam2"),
        (calibrated(9), "camera cam0 sends images of 8 x 8 px and was calibrated with 9 x 9"),
    ],
)
def test_a_calibration_of_other_cameras_is_refused(cameras: tuple[Camera, ...], says: str, rig_of: RigOf) -> None:
    with pytest.raises(CameraError, match=says):
        CalibratedRig(rig_of(), "cell0", cameras)


@pytest.fixture
def emulated() -> Iterator[tuple[CameraRig, ImageFeed, dict[str, BaslerCamera]]]:
    """A rig of four emulated cameras that see what they are shown, with what was opened last under each name."""
    serials = dict(zip(NAMES, emulate(4), strict=True))
    opened: dict[str, BaslerCamera] = {}
    settings = CameraSettings(pixel_format="RGB8", roi=Roi(width=SIZE_PX, height=SIZE_PX), exposure_us=1000)

    def opening(name: str) -> Callable[[], BaslerCamera]:
        def opened_anew() -> BaslerCamera:
            opened[name] = BaslerCamera(serials[name], settings, images=feed.folder(serials[name]))
            return opened[name]

        return opened_anew

    with ImageFeed(serials.values()) as feed:
        show(feed, {serial: np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8) for serial in serials.values()})
        with CameraRig({name: opening(name) for name in NAMES}, RigLimits(**SLACK)) as rig:
            yield rig, feed, opened


def show(feed: ImageFeed, images: Mapping[str, np.ndarray]) -> None:
    for serial, image in images.items():
        feed.show(serial, image)


Emulated = tuple[CameraRig, ImageFeed, dict[str, BaslerCamera]]


def test_four_emulated_cameras_take_the_very_images_they_are_shown(emulated: Emulated) -> None:
    rig, feed, opened = emulated
    rng = np.random.default_rng(0)
    for _ in range(3):
        shown = {
            camera.serial: rng.integers(0, 256, (SIZE_PX, SIZE_PX, 3), dtype=np.uint8) for camera in opened.values()
        }
        show(feed, shown)
        for name, frame in rig.take(PATIENCE_S).frames.items():
            np.testing.assert_array_equal(frame.image, shown[opened[name].serial])


def test_failed_buffers_of_one_and_of_all_emulated_cameras(emulated: Emulated) -> None:
    rig, _, opened = emulated
    until_complete(rig)
    fail(opened["cam1"])
    assert list(rig.take(PATIENCE_S).missing) == ["cam1"]
    until_complete(rig)
    for camera in opened.values():
        fail(camera)
    assert not rig.take(PATIENCE_S).missing, "a second trigger"
    assert sets(rig, "too_few") == 1


def test_an_emulated_camera_that_is_unplugged_comes_back(emulated: Emulated) -> None:
    rig, _, opened = emulated
    until_complete(rig)
    first = opened["cam2"]
    first.nodes.GetNode("FirePnPCallback").Execute()
    while "cam2" not in rig.take(PATIENCE_S).missing:
        pass  # pylon takes note in a thread of its own
    until_complete(rig)
    assert opened["cam2"] is not first


def fail(camera: BaslerCamera) -> None:
    camera.nodes.GetNode("ForceFailedBufferCount").Value = 1
    camera.nodes.GetNode("ForceFailedBuffer").Execute()
