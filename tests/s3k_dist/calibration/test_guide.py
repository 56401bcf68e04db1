"""The guide: asks for what is missing, refuses what it has, and is content when the verdict will be."""

from collections.abc import Mapping

import numpy as np
import pytest

from experiments.calibration_scene import draw_cameras, draw_poses
from s3k_dist.calibration.detection import Sighting
from s3k_dist.calibration.guide import Guide, still
from s3k_dist.calibration.pose import Pose
from s3k_dist.errors import CalibrationError
from s3k_dist.geometry.camera import Camera
from tests.s3k_dist.calibration.sightings import BOARD, seen


@pytest.fixture(scope="module")
def cameras() -> dict[str, Camera]:
    return draw_cameras(np.random.default_rng(41), 640)


def guide_of(cameras: Mapping[str, Camera]) -> Guide:
    guide = Guide(BOARD, tuple(cameras))
    guide.find("", {name: np.zeros((640, 640), np.uint8) for name in cameras})  # learns the sizes
    return guide


def shown(cameras: Mapping[str, Camera], name: str, pose: Pose) -> dict[str, Sighting]:
    sightings = seen(cameras, {name: pose}, np.random.default_rng(0), 0.05)
    return {view.camera: view for view in sightings.views}


def test_it_leads_to_enough(cameras: dict[str, Camera]) -> None:
    guide = guide_of(cameras)
    assert "show the whole board to" in guide.instruction()
    asked = []
    for name, pose in draw_poses(np.random.default_rng(42), BOARD, 60, reach_m=0.24).items():
        if not guide.add(name, shown(cameras, name, pose)).instruction:
            break
        asked.append(guide.instruction())
    assert guide.instruction() == ""
    assert 15 <= len(guide.kept) < 60
    assert any("sees it, too" in each for each in asked)
    assert any("more images, each from elsewhere" in each for each in asked)


def test_it_asks_for_tilt_where_all_boards_were_flat(cameras: dict[str, Camera]) -> None:
    guide = guide_of(cameras)
    for name, pose in draw_poses(np.random.default_rng(43), BOARD, 20, tilt_deg=2.0, reach_m=0.24).items():
        guide.add(name, shown(cameras, name, pose))
    for progress in guide.progress().values():
        assert any("lean the board by 30 to 45 degrees" in need for need in progress.needs)


def test_it_asks_for_the_region_that_is_empty(cameras: dict[str, Camera]) -> None:
    guide = guide_of(cameras)
    for name, pose in draw_poses(np.random.default_rng(44), BOARD, 3, reach_m=0.01).items():
        guide.add(name, shown(cameras, name, pose))
    needs = guide.progress()["cam0"].needs
    assert any("show the board in the" in need and "of its image, out to the edge" in need for need in needs)


def test_the_same_place_counts_once(cameras: dict[str, Camera]) -> None:
    guide = guide_of(cameras)
    pose = draw_poses(np.random.default_rng(45), BOARD, 1)["0000"]
    assert guide.add("first", shown(cameras, "first", pose)).kept
    again = guide.add("second", shown(cameras, "second", pose))
    assert not again.kept
    assert again.reason == "the board is where it was in first"
    assert not guide.add("third", {}).kept


def test_a_board_that_moves_is_not_still(cameras: dict[str, Camera]) -> None:
    pose = draw_poses(np.random.default_rng(46), BOARD, 1)["0000"]
    moved = Pose.of_vector(np.zeros(3), np.array([0.005, 0, 0])) @ pose
    assert still(shown(cameras, "a", pose), shown(cameras, "b", pose))
    assert not still(shown(cameras, "a", pose), shown(cameras, "b", moved))


def test_an_image_of_another_camera_or_size_is_refused(cameras: dict[str, Camera]) -> None:
    guide = guide_of(cameras)
    with pytest.raises(CalibrationError, match="unknown camera 'cam9'; there are cam0, cam1, cam2, cam3"):
        guide.find("0", {"cam9": np.zeros((640, 640), np.uint8)})
    with pytest.raises(CalibrationError, match="cam0's images were"):
        guide.find("0", {"cam0": np.zeros((320, 320), np.uint8)})
