"""A rig's file: what it may say, what opens from it, and what a person is told of a mistake."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from actors.physical.camera import CameraMissingError
from actors.physical.emulated import ImageFeed
from actors.physical.settings import HardwareTrigger, Roi
from deploy.calibration.capture import LiveSource
from deploy.calibration.rig import rig_images
from deploy.rig_file import calibrated_cameras, open_rig, read_rig_file
from experiments.calibration_scene import draw_cameras, draw_poses
from s3k_dist.calibration.file import Calibration
from s3k_dist.calibration.solve import solve
from s3k_dist.calibration.verdict import Level, Verdict, judge
from s3k_dist.datasets.exchange_format import CameraEntry, cameras_text
from s3k_dist.errors import ConfigError
from s3k_dist.geometry.camera import NO_DISTORTION, Camera
from tests.s3k_dist.calibration.sightings import BOARD, seen

PATIENCE_S = 20.0
SERIALS = ("0815-0000", "0815-0001")
RIG: dict[str, Any] = {
    "emulated": 2,
    "cameras": {f"cam{index}": {"serial": serial} for index, serial in enumerate(SERIALS)},
    "settings": {"pixel_format": "RGB8", "roi": {"width": 32, "height": 32}},
    "limits": {"view_timeout_s": PATIENCE_S, "max_age_s": PATIENCE_S, "pair_within_s": PATIENCE_S},
}


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "rig.yaml"
    path.write_text(yaml.safe_dump(RIG | changes))
    return path


def camera(size_px: int = 32) -> Camera:
    intrinsics = np.array([[100.0, 0, (size_px - 1) / 2], [0, 100.0, (size_px - 1) / 2], [0, 0, 1]])
    return Camera("any", size_px, size_px, intrinsics, NO_DISTORTION, np.eye(3), np.zeros(3))


def test_a_rig_opens_as_its_file_says_and_takes_what_it_is_shown(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    with ImageFeed(SERIALS) as feed:
        for serial in SERIALS:
            feed.show(serial, image)
        with open_rig(read_rig_file(written(tmp_path)), feed) as rig:
            frames = rig.take(PATIENCE_S).frames
    assert list(frames) == ["cam0", "cam1"]
    for frame in frames.values():
        np.testing.assert_array_equal(frame.image, image)


def test_the_example_of_the_docs_is_a_rig() -> None:
    rig = read_rig_file(Path(__file__).parents[2] / "docs/examples/rig.yaml")
    assert list(rig.cameras) == ["cam0", "cam1", "cam2", "cam3"]
    assert rig.settings_of("cam2").exposure_us == 8000


def test_cameras_of_another_make_are_a_rig_as_well(tmp_path: Path) -> None:
    for name in ("a.avi", "b.avi"):
        writer = cv2.VideoWriter(str(tmp_path / name), cv2.VideoWriter_fourcc(*"MJPG"), 30, (32, 32))
        for level in range(10):
            writer.write(np.full((32, 32, 3), 10 * level, np.uint8))
        writer.release()
    cameras = {name: {"serial": str(tmp_path / f"{name}.avi"), "make": "opencv"} for name in "ab"}
    with open_rig(read_rig_file(written(tmp_path, cameras=cameras, emulated=None, settings={}))) as rig:
        assert [rig.take(PATIENCE_S).missing for _ in range(5)] == [{}] * 5
        assert rig.metrics.value("s3k_cameras_sets_total", outcome="complete") == 5


def test_a_camera_differs_from_the_others_in_what_is_said_of_it(tmp_path: Path) -> None:
    cameras = {
        "left": {"serial": 40012345, "settings": {"exposure_us": 8000, "roi": {"x": 4, "width": 16, "height": 16}}},
        "right": {"serial": "2"},
    }
    settings = {"exposure_us": 5000, "gain_db": 3}
    rig = read_rig_file(written(tmp_path, cameras=cameras, settings=settings))
    assert rig.cameras["left"].serial == "40012345"
    left, right = rig.settings_of("left"), rig.settings_of("right")
    assert (left.exposure_us, left.gain_db, left.roi) == (8000, 3, Roi(x=4, width=16, height=16))
    assert (right.exposure_us, right.gain_db, right.roi) == (5000, 3, None)


def test_emulated_cameras_are_not_frozen_unless_somebody_says_when(tmp_path: Path) -> None:
    assert read_rig_file(written(tmp_path)).limits.frozen_frames == 0
    assert read_rig_file(written(tmp_path, limits={"frozen_frames": 5})).limits.frozen_frames == 5
    assert read_rig_file(written(tmp_path, emulated=None)).limits.frozen_frames == 8


def test_a_trigger_is_one_of_three_kinds(tmp_path: Path) -> None:
    assert read_rig_file(written(tmp_path)).trigger.kind == "software"
    trigger = read_rig_file(written(tmp_path, trigger={"kind": "hardware", "line": "Line3"})).trigger
    assert trigger == HardwareTrigger(kind="hardware", line="Line3")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"cameras": {}}, "cameras: Dictionary should have at least 1 item"),
        (
            {"cameras": {"cam0": {"serial": "1", "size": 1}}},
            "unknown key 'cameras.cam0.size'.*serial, make, settings, images",
        ),
        ({"cameras": {"a": {"serial": "1"}, "b": {"serial": "1"}}}, "two cameras with serial number 1"),
        ({"cameras": {"cam0": {"serial": "1"}}}, "min_views is 2, of 1 cameras"),
        ({"settings": {"exposure": 5}}, "unknown key 'settings.exposure'; available there: exposure_us, gain_db"),
        ({"settings": {"exposure_us": 0}}, "exposure_us: Input should be greater than 0"),
        ({"settings": {"gain_db": 1, "gain_raw": 1}}, "gain_db and gain_raw are two words for one thing"),
        ({"trigger": {"kind": "radio"}}, "trigger: .*'software', 'hardware', 'action'"),
        ({"trigger": {"kind": "hardware", "lnie": "Line1"}}, "unknown key .*lnie.*; available there: kind, line, edge"),
        ({"trigger": {"kind": "action", "broadcast": "here"}}, "broadcast: .*IPv4"),
        ({"limits": {"max_age": 1}}, "available there: min_views, max_age_s"),
        (
            {"cameras": {"a": {"serial": "/dev/video0", "make": "opencv"}, "b": {"serial": "2"}}}
            | {"trigger": {"kind": "hardware"}},
            "a runs freely through OpenCV: no hardware trigger reaches it",
        ),
        (
            {"cameras": {"a": {"serial": "1", "images": "x"}, "b": {"serial": "2"}}, "emulated": None},
            "a plays images: only an emulated camera does",
        ),
        (
            {"cameras": {"a": {"serial": "1", "settings": {"gain_raw": 1}}, "b": {"serial": "2"}}}
            | {"settings": {"gain_db": 1}},
            "settings of all cameras and of a do not go together",
        ),
    ],
)
def test_a_wrong_rig_file_is_told_what_is_wrong(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        read_rig_file(written(tmp_path, **changes))


def test_a_camera_that_is_not_there_is_told_by_serial_number(tmp_path: Path) -> None:
    cameras = {"cam0": {"serial": "0815-0000"}, "cam1": {"serial": "40012345"}}
    with pytest.raises(CameraMissingError, match="no Basler camera 40012345; there are: 0815-0000, 0815-0001"):
        open_rig(read_rig_file(written(tmp_path, cameras=cameras)))


def test_a_table_of_cameras_is_a_calibration_and_lies_beside_the_file(tmp_path: Path) -> None:
    entry = CameraEntry.of(camera())
    (tmp_path / "cameras.json").write_text(cameras_text(dict.fromkeys(("cam1", "cam0"), entry)))
    cameras = calibrated_cameras(read_rig_file(written(tmp_path, calibration="cameras.json")))
    assert [each.name for each in cameras] == ["cam0", "cam1"]
    np.testing.assert_array_equal(cameras[0].intrinsics, camera().intrinsics)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (None, "No such file"),
        ({}, "has no camera cam0; it has none: calibrate the rig anew"),
        ({name: {"width_px": 3} for name in ("cam0", "cam1")}, "cameras.json: height_px: Field required"),
    ],
)
def test_a_calibration_that_does_not_fit_is_told(table: dict[str, Any] | None, says: str, tmp_path: Path) -> None:
    if table is not None:
        (tmp_path / "cameras.json").write_text(json.dumps(table))
    with pytest.raises(ConfigError, match=says):
        calibrated_cameras(read_rig_file(written(tmp_path, calibration="cameras.json")))


def test_a_rig_without_a_calibration_makes_no_frames(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="this rig is not calibrated"):
        calibrated_cameras(read_rig_file(written(tmp_path)))


def test_a_calibration_file_names_its_version_and_knows_swapped_cameras(tmp_path: Path) -> None:
    rng = np.random.default_rng(21)
    solution = solve(seen(draw_cameras(rng, 640), draw_poses(rng, BOARD, 14, reach_m=0.2), rng, 0.03))
    cameras = {name: {"serial": f"{number}"} for number, name in enumerate(sorted(solution.cameras))}
    verdict = judge(solution)
    fair = Verdict(Level.USABLE, (), verdict.cameras, verdict.expected)
    found = Calibration.of(solution, fair, {"cam0": "0", "cam1": "7"})
    found.write(tmp_path / "calibration.json")
    file = read_rig_file(written(tmp_path, cameras=cameras, calibration="calibration.json"))
    with pytest.raises(ConfigError, match="cam1 was the camera 7, and is 1 now: calibrate the rig anew"):
        calibrated_cameras(file)
    cameras["cam1"]["serial"] = "7"
    calibrated = calibrated_cameras(read_rig_file(written(tmp_path, cameras=cameras, calibration="calibration.json")))
    assert {camera.calibration for camera in calibrated} == {found.version}


def test_calibration_images_come_from_a_rig(tmp_path: Path) -> None:
    with ImageFeed(SERIALS) as feed, open_rig(read_rig_file(written(tmp_path)), feed) as rig:
        for number, serial in enumerate(SERIALS):
            feed.show(serial, np.full((*rig.size_px("cam0")[::-1], 3), 40 * number, np.uint8))
        images = LiveSource(rig_images(rig)).next_set(1.0)
    assert images is not None
    assert [int(images[name].max()) for name in ("cam0", "cam1")] == [0, 40]
