"""A rendered board: its corners are found where projection has them, to a small part of a pixel."""

import numpy as np

from experiments.calibration_scene import draw_poses
from s3k_dist.calibration.detection import BoardDetector
from s3k_dist.calibration.pose import Pose
from s3k_dist.calibration.rendering import BoardRenderer, Sensor
from s3k_dist.drift.views import project
from tests.s3k_dist.calibration.sightings import BOARD
from tests.scenes import look_at

CAMERA = look_at(0.3, 1.2, size_px=400, distance_m=0.9, focal_px=500.0, distortion=(-0.15, 0.1, 0.001, -0.001, 0.02))


def test_corners_are_found_where_they_are() -> None:
    rng = np.random.default_rng(51)
    renderer, detector = BoardRenderer(BOARD, Sensor(blur_px=0.7, noise=2.0)), BoardDetector(BOARD)
    off = []
    for name, pose in draw_poses(rng, BOARD, 4, tilt_deg=30, reach_m=0.05, middle_m=(0, 0, 0)).items():
        image = renderer.image(CAMERA, pose.rotation, pose.translation_m, rng)
        view = detector.find(image, name, "cam0")
        assert view is not None
        true, _ = project(pose.apply(BOARD.corners_m[view.ids]), CAMERA)
        off.append(view.pixels - true)
    errors = np.concatenate(off)
    assert len(errors) > 100
    assert np.sqrt((errors**2).sum(-1).mean()) < 0.15
    assert np.abs(errors.mean(0)).max() < 0.02, "half a pixel too far would be the wrong pixel centre"


def test_a_board_from_behind_and_an_empty_image_show_nothing() -> None:
    rng = np.random.default_rng(52)
    over = Pose.of_vector(np.array([np.pi, 0, 0]), np.array([-0.2, 0.15, 0.0]))
    image = BoardRenderer(BOARD).image(CAMERA, over.rotation, over.translation_m, rng)
    assert BoardDetector(BOARD).find(image, "0", "cam0") is None
    assert BoardDetector(BOARD).find(np.zeros((400, 400, 3), np.uint8), "0", "cam0") is None
