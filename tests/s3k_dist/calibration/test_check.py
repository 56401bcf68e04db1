"""A calibration against fresh images: it holds, or the camera that moved is named, with where it is now."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.calibration_scene import draw_cameras, draw_poses
from s3k_dist.calibration.check import check
from s3k_dist.calibration.detection import Sightings
from s3k_dist.errors import CalibrationError
from s3k_dist.geometry.camera import Camera
from tests.s3k_dist.calibration.sightings import BOARD, seen

NOISE_PX = 0.07


@pytest.fixture(scope="module")
def cameras() -> dict[str, Camera]:
    return draw_cameras(np.random.default_rng(31), 640)


@pytest.fixture(scope="module")
def fresh(cameras: dict[str, Camera]) -> Sightings:
    rng = np.random.default_rng(32)
    return seen(cameras, draw_poses(rng, BOARD, 6, reach_m=0.08, tilt_deg=25), rng, NOISE_PX)


def knocked(cameras: dict[str, Camera], name: str, centre_m: tuple[float, float, float]) -> list[Camera]:
    """As they were calibrated before one of them was moved by ``centre_m``."""
    camera = cameras[name]
    before = replace(camera, translation_m=camera.translation_m + camera.rotation @ np.array(centre_m))
    return list((cameras | {name: before}).values())


def test_cameras_that_stayed_hold(cameras: dict[str, Camera], fresh: Sightings) -> None:
    found = check(list(cameras.values()), fresh, NOISE_PX)
    assert found.holds
    assert found.moved is None
    assert max(found.residual_px.values()) < 0.2
    assert found.scale == pytest.approx(1, abs=1e-3)


def test_the_camera_that_moved_is_named_and_placed(cameras: dict[str, Camera], fresh: Sightings) -> None:
    found = check(knocked(cameras, "cam2", (0.004, -0.003, 0.002)), fresh, NOISE_PX)
    assert not found.holds
    assert found.moved is not None
    assert found.moved.camera == "cam2"
    assert "camera cam2 has moved by" in found.text
    np.testing.assert_allclose(found.moved.proposed.centre_m, cameras["cam2"].centre_m, atol=1e-3)


def test_two_that_moved_are_not_taken_for_one(cameras: dict[str, Camera], fresh: Sightings) -> None:
    both = {camera.name: camera for camera in knocked(cameras, "cam1", (0.004, 0, 0.003))}
    found = check(knocked(both, "cam3", (0, 0.005, 0)), fresh, NOISE_PX)
    assert not found.holds
    assert found.moved is None
    assert "more than one camera contradicts the others" in found.text


def test_of_two_cameras_either_may_have_moved(cameras: dict[str, Camera], fresh: Sightings) -> None:
    views = [view for view in fresh.views if view.camera in ("cam0", "cam1")]
    two = Sightings(BOARD, {name: fresh.sizes_px[name] for name in ("cam0", "cam1")}, tuple(views), fresh.sets)
    found = check(knocked(cameras, "cam1", (0.006, 0, 0)), two, NOISE_PX)
    assert not found.holds
    assert "it takes three cameras to tell" in found.text


def test_a_board_of_another_size_is_no_moved_camera(cameras: dict[str, Camera], fresh: Sightings) -> None:
    larger = Sightings(BOARD.scaled(1.01), fresh.sizes_px, fresh.views, fresh.sets)
    found = check(list(cameras.values()), larger, NOISE_PX)
    assert not found.holds
    assert "smaller than its file says" in found.text


def test_a_camera_that_was_not_calibrated_is_named(cameras: dict[str, Camera], fresh: Sightings) -> None:
    with pytest.raises(CalibrationError, match="unknown camera 'cam3'; the calibration has cam0, cam1, cam2"):
        check([camera for name, camera in cameras.items() if name != "cam3"], fresh, NOISE_PX)
    half = [camera.resized(320, 320) for camera in cameras.values()]
    with pytest.raises(CalibrationError, match="images are 640 x 640 px; it was calibrated for 320 x 320"):
        check(half, fresh, NOISE_PX)
