"""The joint solution: exact without noise, as good as it says with it, and wrong images are found and named."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from experiments.calibration_scene import MOVED, draw_cameras, draw_poses, errors
from s3k_dist.calibration.bundle import PER_CAMERA, camera_slope
from s3k_dist.calibration.detection import Sighting, Sightings
from s3k_dist.calibration.pose import Pose
from s3k_dist.calibration.solve import Solution, solve
from s3k_dist.drift.views import project
from s3k_dist.errors import CalibrationError
from s3k_dist.geometry.camera import Camera
from tests.s3k_dist.calibration.sightings import BOARD, seen

SIZE_PX = 640


def scene(seed: int, sets: int, noise_px: float) -> tuple[dict[str, Camera], Sightings]:
    rng = np.random.default_rng(seed)
    cameras = draw_cameras(rng, SIZE_PX)
    return cameras, seen(cameras, draw_poses(rng, BOARD, sets), rng, noise_px)


@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_exact_corners_give_the_exact_cameras(seed: int) -> None:
    cameras, sightings = scene(seed, 12, 0.0)
    solution = solve(sightings)
    assert set(solution.cameras) == set(cameras)
    assert not solution.left_out
    for place_mm, turn_deg, focal_percent in errors(solution.cameras, cameras).values():
        assert place_mm < 1e-5
        assert turn_deg < 1e-6
        assert focal_percent < 1e-6
    for name, camera in solution.cameras.items():
        np.testing.assert_allclose(camera.distortion, cameras[name].distortion, atol=1e-6)
        np.testing.assert_allclose(camera.intrinsics, cameras[name].intrinsics, atol=1e-5)


def test_the_world_is_the_board_in_the_set_that_was_asked_for() -> None:
    _, sightings = scene(1, 8, 0.0)
    solution = solve(sightings, origin="0005")
    np.testing.assert_allclose(solution.boards["0005"].rotation, np.eye(3), atol=1e-8)
    np.testing.assert_allclose(solution.boards["0005"].translation_m, np.zeros(3), atol=1e-8)
    for view in solution.sightings.of_set("0005"):
        np.testing.assert_allclose(
            project(BOARD.corners_m[view.ids], solution.cameras[view.camera])[0], view.pixels, atol=1e-4
        )


def test_noisy_corners_give_cameras_as_exact_as_they_say() -> None:
    cameras, sightings = scene(2, 30, 0.05)
    solution = solve(sightings)
    assert 0.043 < solution.noise_px < 0.057
    off = errors(solution.cameras, cameras)
    for name, (place_mm, turn_deg, focal_percent) in off.items():
        assert place_mm < 0.5
        assert turn_deg < 0.05
        assert focal_percent < 0.2
        covariance = solution.covariance_of(name)
        assert place_mm <= 4e3 * np.sqrt(np.trace(covariance[12:, 12:])) + 1e-9
        assert turn_deg <= 4 * np.degrees(np.sqrt(np.trace(covariance[9:12, 9:12]))) + 1e-9
        assert focal_percent <= 400 * np.sqrt(covariance[0, 0]) / solution.cameras[name].intrinsics[0, 0] + 0.01


def spoiled(sightings: Sightings, set_name: str, camera: str, edit: Callable[[Sighting], Sighting]) -> Sightings:
    views = tuple(
        edit(view) if (view.set_name, view.camera) == (set_name, camera) else view for view in sightings.views
    )
    return Sightings(sightings.board, sightings.sizes_px, views, sightings.sets)


def with_all_cameras(sightings: Sightings) -> list[str]:
    return [name for name in sightings.sets if len(sightings.of_set(name)) == len(sightings.cameras)]


def test_wrong_images_are_left_out_with_the_reason() -> None:
    rng = np.random.default_rng(3)
    cameras = draw_cameras(rng, SIZE_PX)
    poses = draw_poses(rng, BOARD, 16)
    sightings = seen(cameras, poses, rng, 0.07)
    late, blurred = with_all_cameras(sightings)[:2]

    def elsewhere(view: Sighting) -> Sighting:
        world = (MOVED @ poses[late]).apply(BOARD.corners_m[view.ids])
        return replace(view, pixels=project(world, cameras[view.camera])[0])

    def smeared(view: Sighting) -> Sighting:
        return replace(view, pixels=view.pixels + rng.normal(0, 2.0, view.pixels.shape))

    solution = solve(spoiled(spoiled(sightings, late, "cam1", elsewhere), blurred, "cam2", smeared))
    reasons = {(each.view.set_name, each.view.camera): each.reason for each in solution.left_out}
    assert set(reasons) == {(late, "cam1"), (blurred, "cam2")}
    assert "moved between their images" in reasons[late, "cam1"]
    assert "moved during the exposure" in reasons[blurred, "cam2"]
    assert max(place_mm for place_mm, _, _ in errors(solution.cameras, cameras).values()) < 2, (
        "as without them, and not the 4 mm by which the board moved"
    )


def test_a_camera_that_shares_no_set_has_no_pose() -> None:
    _, sightings = scene(4, 12, 0.07)
    alone = sightings.only([view for view in sightings.views if (view.camera == "cam3") == (int(view.set_name) >= 8)])
    solution = solve(alone)
    assert solution.unplaced == ("cam3",)
    assert set(solution.cameras) == {"cam0", "cam1", "cam2"}


def test_what_cannot_be_solved_is_refused() -> None:
    _, sightings = scene(5, 4, 0.07)
    with pytest.raises(CalibrationError, match="shows the board"):
        solve(sightings.only([]))
    with pytest.raises(CalibrationError, match="no set 'table'"):
        solve(sightings, origin="table")


@settings(max_examples=30, deadline=None)
@given(
    point=hnp.arrays(float, 3, elements=st.floats(-0.15, 0.15)),
    direction=hnp.arrays(float, PER_CAMERA, elements=st.floats(-1, 1)),
)
def test_the_slope_by_the_cameras_parameters_is_the_numerical_one(point: np.ndarray, direction: np.ndarray) -> None:
    camera = draw_cameras(np.random.default_rng(0), SIZE_PX)["cam1"]
    step = direction * np.array([1, 1, 1, 1, 1e-2, 1e-2, 1e-3, 1e-3, 1e-2, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3])

    def pixel(share: float) -> np.ndarray:
        part = share * step
        intrinsics = camera.intrinsics.copy()
        intrinsics[[0, 1, 0, 1], [0, 1, 2, 2]] += part[:4]
        pose = Pose.of(camera).nudged(part[9:])
        changed = replace(
            camera,
            intrinsics=intrinsics,
            distortion=camera.distortion + part[4:9],
            rotation=pose.rotation,
            translation_m=pose.translation_m,
        )
        return project(point[None], changed)[0][0]

    numerical = (pixel(1e-3) - pixel(-1e-3)) / 2e-3
    np.testing.assert_allclose(camera_slope(point[None], camera)[0] @ step, numerical, atol=1e-5)


def test_a_solution_knows_its_residuals() -> None:
    _, sightings = scene(6, 6, 0.0)
    solution: Solution = solve(sightings)
    assert max(np.abs(solution.residuals_px(view)).max() for view in sightings.views) < 1e-5
