"""Frames in, keypoints out: geometry and uncertainty of a detector whose heatmaps are drawn by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from s3k_dist.errors import FrameError, StorageError
from s3k_dist.frames import MultiViewFrame
from s3k_dist.geometry.camera import Camera
from s3k_dist.geometry.projection import Cameras, project
from s3k_dist.keypoints.detector import MODEL_KIND, NOISE_METRIC, KeypointDetector, stack_cameras
from s3k_dist.keypoints.heatmap import gaussian_log_target
from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig
from s3k_dist.weights import ModelManifest, WeightsRegistry
from tests.scenes import frame, look_at, ring

CONFIG = NetworkConfig(keypoint_names=("tip", "base", "socket"), image_size_px=128, channels=(8, 8), residual_blocks=1)
Draw = Callable[[torch.Tensor], None]

coordinates = st.floats(-0.06, 0.06)
three_points = st.lists(st.tuples(coordinates, coordinates, coordinates), min_size=3, max_size=3).map(
    lambda p: torch.tensor(p, dtype=torch.float64)
)


def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return KeypointNetwork(CONFIG).state_dict()


def drawing(pixels: torch.Tensor, sigma: float = CONFIG.sigma, noise_px: float = 1.0) -> KeypointDetector:
    """A detector that sees the Gaussians of ``pixels``, shape (views, keypoints, 2), whatever the images show."""
    detector = KeypointDetector(CONFIG, weights(), version=7, noise_px=noise_px)
    size = CONFIG.heatmap_size
    target = gaussian_log_target(pixels.float(), size, size, sigma=sigma, stride=CONFIG.stride)
    detector.network = lambda images: target.repeat(len(images) // len(target), 1, 1)
    return detector


def pixels_of(points: torch.Tensor, cameras: list[Camera]) -> torch.Tensor:
    return project(points, Cameras.stack(cameras))[0]


@given(three_points, st.integers(2, 5))
@settings(max_examples=25, deadline=None)
def test_drawn_points_are_found_with_small_residual_and_high_confidence(points: torch.Tensor, views: int) -> None:
    cameras = ring(views, distortion=(-0.05, 0.01, 0.001, -0.001, 0.0))
    found = drawing(pixels_of(points, cameras)).detect([frame(cameras)])[0]
    # The window of three sigma around the peak cell is not centred on the peak: up to a tenth of a pixel, here 0.2 mm.
    np.testing.assert_allclose(found.positions_m, points.numpy(), atol=3e-4)
    assert found.residual_px.max() < 0.2
    assert found.confidence.min() > 0.9
    assert found.consistent(1.5, 0.5).all()


@given(three_points, st.integers(2, 5))
@settings(max_examples=25, deadline=None)
def test_a_covariance_is_symmetric_and_positive_definite(points: torch.Tensor, views: int) -> None:
    cameras = ring(views)
    found = drawing(pixels_of(points, cameras)).detect([frame(cameras)])[0]
    np.testing.assert_allclose(found.covariance_m2, found.covariance_m2.transpose(0, 2, 1), rtol=1e-6)
    assert (np.linalg.eigvalsh(found.covariance_m2) > 0).all()


def test_the_covariance_scales_with_the_measured_noise() -> None:
    cameras = ring()
    pixels = pixels_of(torch.zeros(3, 3, dtype=torch.float64), cameras)
    one, two = (drawing(pixels, noise_px=noise).detect([frame(cameras)])[0].covariance_m2 for noise in (1.0, 2.0))
    np.testing.assert_allclose(two, 4 * one, rtol=1e-3)


def test_views_that_disagree_show_in_residual_and_covariance() -> None:
    cameras = ring()
    pixels = pixels_of(torch.zeros(3, 3, dtype=torch.float64), cameras)
    agreed = drawing(pixels).detect([frame(cameras)])[0]
    pixels[0, 1] += torch.tensor([12.0, -9.0])
    pixels[2, 1] += torch.tensor([3.0, 14.0])
    disputed = drawing(pixels).detect([frame(cameras)])[0]
    assert disputed.consistent(1.5, 0.5).tolist() == [True, False, True]
    volume = np.linalg.det(disputed.covariance_m2) / np.linalg.det(agreed.covariance_m2)
    assert volume[1] > 10
    np.testing.assert_allclose(volume[[0, 2]], 1.0, rtol=1e-3)


def test_a_wide_heatmap_has_low_confidence() -> None:
    cameras = ring()
    pixels = pixels_of(torch.zeros(3, 3, dtype=torch.float64), cameras)
    assert drawing(pixels, sigma=10.0).detect([frame(cameras)])[0].confidence.max() < 0.1


def test_frames_are_answered_in_order_and_echoed() -> None:
    cameras = ring(3)
    frames = [frame(cameras, sequence=sequence, cell_id=f"cell{sequence}", seed=sequence) for sequence in (4, 2, 9)]
    detector = KeypointDetector(CONFIG, weights(), version=7)
    found = detector.detect(frames)
    assert [(one.cell_id, one.sequence, one.captured_at_ns, one.model_version) for one in found] == [
        ("cell4", 4, 1_000, 7),
        ("cell2", 2, 1_000, 7),
        ("cell9", 9, 1_000, 7),
    ]
    for taken, answer in zip(frames, found, strict=True):
        alone = detector.extract(taken)
        np.testing.assert_allclose(answer.positions_m, alone.positions_m, atol=1e-5)
        assert answer.camera_names == ("cam0", "cam1", "cam2")
        assert answer.keypoint_names == CONFIG.keypoint_names
        assert answer.pixels.shape == (3, 3, 2)


@pytest.mark.parametrize(
    ("cameras", "says"),
    [
        (ring(4, size_px=64), "view 'cam0': image is 64 x 64 px; model version 7 expects 128 x 128"),
        ([look_at(0.0, 0.3)], r"at least 2 views, got 1 \(cam0\)"),
    ],
)
def test_a_frame_that_cannot_be_used_is_refused(cameras: list[Camera], says: str) -> None:
    with pytest.raises(FrameError, match=says):
        KeypointDetector(CONFIG, weights(), version=7).detect([frame(ring()), frame(cameras)])


def test_a_published_version_detects_as_the_network_that_was_published(tmp_path: Path) -> None:
    registry = WeightsRegistry(tmp_path)
    manifest = ModelManifest(kind=MODEL_KIND, config=CONFIG.model_dump(mode="json"), metrics={NOISE_METRIC: 0.5})
    version = registry.publish(weights(), manifest)
    loaded = KeypointDetector.load(registry, version)
    assert loaded.version == version
    assert loaded.published_at_ns == manifest.created_at_ns
    taken = frame(ring())
    direct = KeypointDetector(CONFIG, weights(), noise_px=0.5).extract(taken)
    np.testing.assert_array_equal(loaded.extract(taken).positions_m, direct.positions_m)
    np.testing.assert_array_equal(loaded.extract(taken).covariance_m2, direct.covariance_m2)


@pytest.mark.parametrize(
    "config", [{"hidden_sizes": [256]}, CONFIG.model_copy(update={"channels": (8, 12)}).model_dump(mode="json")]
)
def test_a_version_that_is_no_keypoint_model_is_refused(tmp_path: Path, config: dict[str, object]) -> None:
    registry = WeightsRegistry(tmp_path)
    version = registry.publish(weights(), ModelManifest(kind="policy", config=config))
    with pytest.raises(StorageError, match=r"version 1 in .* holds 'policy', not a keypoint model") as refused:
        KeypointDetector.load(registry, version)
    assert "\n" not in str(refused.value)
    with pytest.raises(StorageError, match="no version 9"):
        KeypointDetector.load(registry, 9)


def test_cameras_of_frames_are_stacked_by_frame_and_view() -> None:
    frames: list[MultiViewFrame] = [frame(ring(3)), frame(ring(3, distance_m=0.7))]
    cameras = stack_cameras(frames)
    assert cameras.intrinsics.shape == (2, 3, 3, 3)
    np.testing.assert_array_equal(cameras.centre_m[1, 2], frames[1].cameras[2].centre_m)
