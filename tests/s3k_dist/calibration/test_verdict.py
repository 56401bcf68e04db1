"""The verdict: a good spread of images is called good, each kind of bad one is called bad, with what to do about it."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.calibration_scene import draw_cameras, draw_poses
from s3k_dist.calibration.board import Board
from s3k_dist.calibration.detection import Sightings
from s3k_dist.calibration.quality import error_map, tilt_spread
from s3k_dist.calibration.solve import Solution, solve
from s3k_dist.calibration.verdict import Level, Verdict, judge
from s3k_dist.geometry.camera import Camera
from tests.s3k_dist.calibration.sightings import BOARD, seen

SIZE_PX, NOISE_PX = 640, 0.05
SMALL = Board(squares_across=7, squares_down=5, square_m=0.025, marker_m=0.0175)


@pytest.fixture(scope="module")
def cameras() -> dict[str, Camera]:
    return draw_cameras(np.random.default_rng(11), SIZE_PX)


@pytest.fixture(scope="module")
def good(cameras: dict[str, Camera]) -> tuple[Solution, Verdict]:
    rng = np.random.default_rng(12)
    solution = solve(seen(cameras, draw_poses(rng, BOARD, 36, reach_m=0.22), rng, 0.5 * NOISE_PX))
    return solution, judge(solution)


def faults(sightings: Sightings) -> list[str]:
    """What is bad about them, and it is checked that something is."""
    verdict = judge(solve(sightings))
    assert verdict.level is Level.BAD
    assert all(finding.advice for finding in verdict.findings)
    return [str(finding) for finding in verdict.findings if finding.level is Level.BAD]


def test_a_good_spread_is_good(good: tuple[Solution, Verdict]) -> None:
    assert good[1].level is Level.GOOD, [str(finding) for finding in good[1].findings]
    assert good[1].expected.median_mm < 0.05


def test_few_sets_are_bad(cameras: dict[str, Camera]) -> None:
    rng = np.random.default_rng(13)
    found = faults(seen(cameras, draw_poses(rng, BOARD, 5), rng, NOISE_PX))
    assert any("5 images show the board. Take more" in each for each in found)


def test_boards_that_are_all_parallel_are_bad(cameras: dict[str, Camera]) -> None:
    rng = np.random.default_rng(14)
    found = faults(seen(cameras, draw_poses(rng, BOARD, 20, tilt_deg=2.0), rng, NOISE_PX))
    assert sum("tilt varied by" in each and "Lean it by 30 to 45 degrees" in each for each in found) == len(cameras)


def test_one_corner_of_the_image_is_bad(cameras: dict[str, Camera]) -> None:
    rng = np.random.default_rng(15)
    poses = draw_poses(rng, SMALL, 20, reach_m=0.02, middle_m=(0.12, 0.1, 0.0))
    found = faults(seen(cameras, poses, rng, NOISE_PX, SMALL))
    assert any("of the image, not in its" in each and "Show it there, out to the edge" in each for each in found)


def test_a_camera_alone_is_bad(cameras: dict[str, Camera]) -> None:
    rng = np.random.default_rng(16)
    sightings = seen(cameras, draw_poses(rng, BOARD, 14), rng, NOISE_PX)
    alone = sightings.only([view for view in sightings.views if (view.camera == "cam0") == (int(view.set_name) >= 9)])
    assert any(each.startswith("cam0: it has no pose: it shares too few sets with") for each in faults(alone))


def test_the_error_map_grows_with_the_noise_and_with_what_the_calibration_leaves_open(
    good: tuple[Solution, Verdict],
) -> None:
    solution, low, high = good[0], np.array([-0.05, -0.05, 0.0]), np.array([0.05, 0.05, 0.1])
    once, twice = error_map(solution, low, high, 0.5), error_map(solution, low, high, 1.0)
    np.testing.assert_allclose(once.calibration_mm, twice.calibration_mm)
    only_noise = error_map(replace(solution, covariance=0 * solution.covariance), low, high, 0.5)
    np.testing.assert_allclose(only_noise.calibration_mm, 0, atol=1e-9, equal_nan=False)
    np.testing.assert_allclose(once.total_mm**2, once.calibration_mm**2 + only_noise.total_mm**2)
    looser = error_map(replace(solution, covariance=9 * solution.covariance), low, high, 0.5)
    np.testing.assert_allclose(looser.calibration_mm, 3 * once.calibration_mm)


def test_the_spread_of_tilts_is_that_of_the_lesser_direction() -> None:
    across = np.array([[-0.5, 0.0], [0.5, 0.0], [-0.5, 0.01], [0.5, -0.01]])
    spread_deg, direction = tilt_spread(across)
    assert spread_deg < 1
    np.testing.assert_allclose(np.abs(direction), [0, 1], atol=0.05)
    assert tilt_spread(np.array([[0.3, 0], [-0.3, 0], [0, 0.3], [0, -0.3]]))[0] == pytest.approx(14.2, abs=0.2)
