"""A moved camera is named and measured; a model that sees worse is not taken for one."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3k_dist.drift.monitor import DriftConfig
from s3k_dist.drift.moved_camera import MovedCamera, NotMoved, Undecided, explain
from s3k_dist.drift.pose_fit import CameraMotion, moved, simplest_motion
from s3k_dist.drift.watch import GONE_FRAMES, CellWatch
from s3k_dist.errors import GeometryError
from s3k_dist.geometry.camera import Camera
from tests.s3k_dist.drift.windows import rig, said, window

FREE = np.eye(6)


def direction(rng: np.random.Generator) -> np.ndarray:
    vector = rng.normal(size=3)
    return np.asarray(vector / np.linalg.norm(vector))


def knocked(cameras: list[Camera], number: int, centre_m: np.ndarray, turned_rad: np.ndarray) -> list[Camera]:
    """The cameras as they stand after one of them was knocked."""
    standing = list(cameras)
    standing[number] = moved(cameras[number], CameraMotion(centre_m, turned_rad, FREE, settled=True))
    return standing


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize(("span_m", "noise_px"), [(0.1, 0.3), (0.2, 0.7)])
def test_a_move_of_ten_millimetres_is_named_and_measured(number: int, span_m: float, noise_px: float) -> None:
    rng, cameras = np.random.default_rng(number), rig()
    move = 0.01 * direction(rng)
    standing = knocked(cameras, number, move, np.zeros(3))
    found = explain(window(rng, standing, span_m=span_m, noise_px=noise_px), cameras)
    assert isinstance(found, MovedCamera), getattr(found, "reason", "")
    assert found.camera == cameras[number].name
    assert np.linalg.norm(found.motion.centre_m - move) < 0.2 * 0.01
    assert found.residual_now_px < found.residual_px
    assert f"camera cam{number} has moved by" in str(found)


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize(("span_m", "noise_px"), [(0.1, 0.3), (0.2, 0.7)])
def test_a_turn_of_a_degree_is_named_and_measured(number: int, span_m: float, noise_px: float) -> None:
    rng, cameras = np.random.default_rng(number), rig()
    turn = np.radians(1) * direction(rng)
    standing = knocked(cameras, number, np.zeros(3), turn)
    found = explain(window(rng, standing, span_m=span_m, noise_px=noise_px), cameras)
    assert isinstance(found, MovedCamera), getattr(found, "reason", "")
    assert found.camera == cameras[number].name
    assert np.linalg.norm(found.motion.turned_rad - turn) < 0.2 * np.radians(1)


@given(st.integers(0, 10_000), st.integers(0, 3), st.sampled_from([3, 4, 5]))
@settings(max_examples=5, deadline=None)
def test_without_noise_any_motion_is_found_exactly(seed: int, number: int, views: int) -> None:
    rng = np.random.default_rng(seed)
    cameras = rig(views, distortion=(-0.1, 0.02, 0.003, -0.002, 0.0))
    number %= views
    move, turn = 0.02 * direction(rng), np.radians(0.5) * direction(rng)
    standing = knocked(cameras, number, move, turn)
    found = explain(window(rng, standing, frames=60, noise_px=1e-4), cameras)
    assert isinstance(found, MovedCamera), getattr(found, "reason", "")
    np.testing.assert_allclose(found.motion.centre_m, move, atol=1e-5)
    np.testing.assert_allclose(found.motion.turned_rad, turn, atol=1e-5)
    np.testing.assert_allclose(found.proposed.rotation, standing[number].rotation, atol=1e-5)
    np.testing.assert_allclose(found.proposed.translation_m, standing[number].translation_m, atol=1e-5)


@given(st.integers(0, 10_000))
@settings(max_examples=5, deadline=None)
def test_the_covariance_covers_the_error(seed: int) -> None:
    rng, cameras = np.random.default_rng(seed), rig()
    vector = np.concatenate([0.01 * direction(rng), np.radians(0.3) * direction(rng)])
    standing = knocked(cameras, 1, vector[:3], vector[3:])
    found = explain(window(rng, standing, frames=240), cameras)
    assert isinstance(found, MovedCamera), getattr(found, "reason", "")
    error = np.concatenate([found.motion.centre_m, found.motion.turned_rad]) - vector
    # Chi-squared with six degrees of freedom exceeds 35 in 4 of a million.
    assert error @ np.linalg.solve(found.motion.covariance, error) < 35


@pytest.mark.parametrize("seed", range(2))
def test_a_model_that_sees_worse_moves_no_camera(seed: int) -> None:
    rng, cameras = np.random.default_rng(seed), rig()
    one_keypoint = np.zeros((4, 3, 2))
    one_keypoint[:, 1] = 4 * rng.normal(size=(4, 2))
    one_view_of_it = np.zeros((4, 3, 2))
    one_view_of_it[2, 1] = 6.0
    noisy_camera = np.array([0.5, 0.5, 3.0, 0.5])[:, None, None]
    for case, frames in {
        "as ever": window(rng, cameras, frames=240),
        "noisier": window(rng, cameras, frames=240, noise_px=3.0),
        "one keypoint is seen elsewhere, in every view another way": window(rng, cameras, off_px=one_keypoint),
        "one keypoint is seen elsewhere in one view": window(rng, cameras, off_px=one_view_of_it),
        "one camera sees badly": window(rng, cameras, noise_px=noisy_camera),
    }.items():
        assert isinstance(explain(frames, cameras), NotMoved), case


def test_a_keypoint_that_is_seen_elsewhere_does_not_hide_a_moved_camera() -> None:
    rng, cameras = np.random.default_rng(3), rig()
    standing = knocked(cameras, 0, np.array([0.0, 0.02, 0.0]), np.zeros(3))
    frames = window(rng, standing, noise_px=1.5)
    found = explain(frames, cameras)
    assert isinstance(found, MovedCamera)
    assert found.camera == "cam0"


def test_detections_that_are_wrong_now_and_then_do_not_bend_the_motion() -> None:
    rng, cameras = np.random.default_rng(4), rig()
    move = np.array([0.006, -0.008, 0.0])
    frames = window(rng, knocked(cameras, 3, move, np.zeros(3)))
    for i in range(0, len(frames), 40):
        wild = frames[i].pixels.copy()
        wild[rng.integers(4), rng.integers(3)] += 40.0
        blind = frames[i].confidence.copy()
        blind[rng.integers(4)] = np.nan
        frames[i] = replace(frames[i], pixels=wild, confidence=blind)
    found = explain(frames, cameras)
    assert isinstance(found, MovedCamera), getattr(found, "reason", "")
    assert np.linalg.norm(found.motion.centre_m - move) < 0.2 * 0.01


@pytest.mark.parametrize(
    ("views", "frames", "keypoints", "reason"),
    [
        (2, 100, ("a", "b", "c"), "it takes three to tell"),
        (4, 20, ("a", "b", "c"), "at least 40 are needed"),
        (4, 100, ("a",), "it takes two to tell"),
    ],
)
def test_what_cannot_be_told_is_said_so(views: int, frames: int, keypoints: tuple[str, ...], reason: str) -> None:
    cameras = rig(views)
    standing = knocked(cameras, 0, np.array([0.0, 0.0, 0.03]), np.zeros(3))
    found = explain(window(np.random.default_rng(0), standing, frames=frames, keypoints=keypoints), cameras)
    assert isinstance(found, Undecided)
    assert reason in found.reason


def test_all_blind_is_undecided() -> None:
    frames = [replace(said(i), confidence=np.zeros((4, 3))) for i in range(60)]
    assert isinstance(explain(frames, rig()), Undecided)


def test_other_cameras_are_refused() -> None:
    with pytest.raises(GeometryError, match="expected those of the calibrated cameras, cam0, cam1, cam2"):
        explain([said(0)], rig(3))


def test_the_simplest_motion_is_the_one_the_fit_does_not_contradict() -> None:
    covariance = np.diag([1e-6] * 3 + [1e-6] * 3)
    both = np.array([0.01, 0, 0, 0.02, 0, 0])
    assert simplest_motion(both, covariance).settled
    np.testing.assert_array_equal(simplest_motion(both, covariance).centre_m, both[:3])
    move = simplest_motion(np.array([0.01, 0, 0, 1e-4, 0, 0]), covariance)
    assert (move.settled, move.angle_rad) == (True, 0)
    vague = simplest_motion(np.array([1e-3, 0, 0, 1e-4, 0, 0]), covariance)
    assert not vague.settled


def test_a_watch_notices_names_and_measures() -> None:
    """From frames to finding, as a cell has it: an alarm first, the camera soon after, its motion at last."""
    rng, cameras, watch = np.random.default_rng(6), rig(), CellWatch()
    move = np.array([0.008, 0.0, -0.006])
    before = window(rng, cameras, frames=480)
    after = window(rng, knocked(cameras, 2, move, np.zeros(3)), frames=480)
    for i, features in enumerate([*before, *after]):
        residual = np.full((4, 3), 0.5) if i < 480 else np.array([0.5, 0.5, 6.0, 0.5])[:, None]
        noise = np.exp(0.3 * rng.normal(size=(4, 3)))
        seen = replace(features, sequence=i, captured_at_ns=250_000_000 * i, residual_px=residual * noise)
        watch.observe(seen, cameras)
        if i == 479:
            assert watch.report().lines() == []
        if i == 479 + 40:
            alarm = watch.report()
            assert {event.name for event in alarm.events} >= {"cam2"}
            assert alarm.began == len(alarm.events) == alarm.active
            assert all(480 <= event.since_sequence <= event.at_sequence <= i for event in alarm.events)
            assert alarm.finding is None
        if i == 479 + 75:
            named = watch.report()
            assert isinstance(named.finding, MovedCamera)
            assert named.finding.camera == "cam2"
            (told,) = (each for each in named.as_maps() if "proposed" in each)
            assert told["at_sequence"] == i
    last = watch.report().finding or named.finding
    assert isinstance(last, MovedCamera)
    assert np.linalg.norm(last.motion.centre_m - move) < 0.2 * 0.01
    # Calibrated anew, there is nothing left to report.
    standing = knocked(cameras, 2, move, np.zeros(3))
    watch.observe(after[-1], standing)
    assert watch.report().active == 0


def test_a_view_that_fails_at_times_does_not_make_the_watch_begin_anew() -> None:
    cameras, watch = rig(), CellWatch(DriftConfig(reference_frames=40))
    for i in range(60):
        lacking = i % 3 == 2
        watch.observe(said(i, views=3 if lacking else 4), cameras[:3] if lacking else cameras)
    assert watch.monitor.ready, "40 frames had all views"


def test_a_view_that_is_gone_for_long_is_watched_without() -> None:
    cameras, watch = rig(), CellWatch(DriftConfig(reference_frames=40))
    for i in range(50):
        watch.observe(said(i), cameras)
    for i in range(50, 50 + GONE_FRAMES - 1):
        watch.observe(said(i, views=3), cameras[:3])
    assert watch.monitor.ready, "it still waits for the view"
    for i in range(400, 439):
        watch.observe(said(i, views=3), cameras[:3])
    assert not watch.monitor.ready
    watch.observe(said(439, views=3), cameras[:3])
    assert watch.monitor.ready
