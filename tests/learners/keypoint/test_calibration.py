"""Covariances hold the share of the truth that they promise, on frames that they were not fitted on."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from learners.keypoint.calibration import COVERAGE_METRIC, calibrate, fit_scale, reliability, squared_distance
from learners.keypoint.detections import Detections
from s3k_dist.errors import FrameError
from s3k_dist.geometry.projection import project
from s3k_dist.keypoints.detector import MODEL_KIND, NOISE_METRIC, NOISE_SCALE_METRIC, KeypointDetector
from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig
from s3k_dist.weights import ModelManifest, WeightsRegistry
from tests.learners.keypoint.conftest import NAMES, Scenes, cameras_of, points


def detections(frames: int, noise_px: Sequence[float], seed: int, bias_m: float = 0.0) -> Detections:
    """Exact projections with Gaussian noise of one strength for each keypoint, all views sure of themselves."""
    truth, cameras = points(frames, seed).double(), cameras_of(frames).to(torch.float64)
    believed = truth + torch.tensor([0.0, 0.0, bias_m], dtype=torch.float64)
    exact, _ = project(believed, cameras)
    noise = torch.randn(exact.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Detections(
        exact + noise * torch.tensor(noise_px)[:, None], torch.ones(exact.shape[:-1]).double(), cameras, truth
    )


def detector(network: NetworkConfig, noise_px: float, scale: torch.Tensor | None = None) -> KeypointDetector:
    scales = None if scale is None else dict(zip(NAMES, scale.tolist(), strict=True))
    return KeypointDetector(network, KeypointNetwork(network).state_dict(), noise_px=noise_px, noise_scale=scales)


@given(st.floats(0.05, 0.5), st.floats(0.3, 3.0), st.integers(0, 50))
@settings(max_examples=15, deadline=None)
def test_whatever_the_noise_and_the_guess_of_it_ninety_percent_of_other_frames_are_held(
    noise_px: float, guess: float, seed: int
) -> None:
    network = NetworkConfig(keypoint_names=NAMES, image_size_px=64, channels=(8, 8), residual_blocks=0)
    strengths = (noise_px, 0.5 * noise_px)
    fitted_on, judged_on = detections(1500, strengths, seed), detections(1500, strengths, seed + 1000)
    scale = fit_scale(squared_distance(detector(network, guess * noise_px), fitted_on))
    found = reliability(detector(network, guess * noise_px, scale), judged_on)
    assert found.coverage_90 == pytest.approx(0.9, abs=0.05)
    assert min(found.per_keypoint.values()) > 0.8
    assert found.held[90] == found.coverage_90
    assert list(found.held.values()) == sorted(found.held.values())


def test_with_gaussian_noise_every_level_is_right(network: NetworkConfig) -> None:
    # A guess above all residuals makes the covariances Eq. 2's own, without what each frame says of itself.
    guess = 2.0
    scale = fit_scale(squared_distance(detector(network, guess), detections(2000, (0.3, 0.3), 1)))
    torch.testing.assert_close(scale * guess, torch.full((2,), 0.3, dtype=torch.float64), rtol=0.03, atol=0)
    found = reliability(detector(network, guess, scale), detections(2000, (0.3, 0.3), 2))
    for level, held in found.held.items():
        assert held == pytest.approx(level / 100, abs=0.03)


def test_views_that_agree_on_a_wrong_point_are_known_to_be_wrong(network: NetworkConfig) -> None:
    noisy = detections(200, (0.2, 0.2), 1, bias_m=0.004)
    before = reliability(detector(network, 0.2), noisy).coverage_90
    scale = fit_scale(squared_distance(detector(network, 0.2), noisy))
    after = reliability(detector(network, 0.2, scale), detections(200, (0.2, 0.2), 2, bias_m=0.004)).coverage_90
    assert before < 0.5
    assert after == pytest.approx(0.9, abs=0.05)


def test_a_few_frames_hardly_tell_keypoints_apart() -> None:
    squared = torch.tensor([[1.0, 16.0]], dtype=torch.float64)
    few, many = (fit_scale(squared.expand(count, 2) * 1.0) for count in (2, 2000))
    assert (many[1] / many[0]).item() == pytest.approx(4, rel=0.02)
    assert 1 < (few[1] / few[0]).item() < 1.5


def test_errors_that_vanish_leave_a_covariance(network: NetworkConfig) -> None:
    exact = detections(10, (0.0, 0.0), 1)
    scale = fit_scale(squared_distance(detector(network, 1.0), exact))
    assert (scale > 0).all()
    assert torch.isfinite(scale).all()


def test_what_is_published_is_what_a_loaded_detector_uses(
    network: NetworkConfig, scenes: Scenes, tmp_path: Path
) -> None:
    weights = KeypointNetwork(network).state_dict()
    plain = KeypointDetector(network, weights, noise_px=0.7)
    numbers = calibrate(plain, scenes.held_out)
    assert set(numbers) == {COVERAGE_METRIC, *(NOISE_SCALE_METRIC + name for name in NAMES)}
    assert 0 <= numbers[COVERAGE_METRIC] <= 1
    registry = WeightsRegistry(tmp_path)
    manifest = ModelManifest(
        kind=MODEL_KIND, config=network.model_dump(mode="json"), metrics={NOISE_METRIC: 0.7, **numbers}
    )
    loaded = KeypointDetector.load(registry, registry.publish(weights, manifest))
    assert loaded.noise_scale == {name: numbers[NOISE_SCALE_METRIC + name] for name in NAMES}
    seen = detections(5, (0.3, 0.3), 3)
    ratio = seen.located(loaded).covariance_m2 / seen.located(plain).covariance_m2
    for k, scale in enumerate(loaded.noise_scale.values()):
        torch.testing.assert_close(ratio[:, k], torch.full_like(ratio[:, k], scale**2), rtol=1e-6, atol=0)
    assert calibrate(loaded, scenes.held_out) == pytest.approx(numbers)  # what was fitted before does not matter


def test_a_model_from_before_calibration_still_loads(network: NetworkConfig, tmp_path: Path) -> None:
    registry = WeightsRegistry(tmp_path)
    manifest = ModelManifest(kind=MODEL_KIND, config=network.model_dump(mode="json"), metrics={NOISE_METRIC: 0.7})
    loaded = KeypointDetector.load(registry, registry.publish(KeypointNetwork(network).state_dict(), manifest))
    assert loaded.noise_scale == dict.fromkeys(NAMES, 1.0)


def test_frames_of_another_size_are_refused(network: NetworkConfig, scenes: Scenes) -> None:
    other = KeypointDetector(
        network.model_copy(update={"image_size_px": 128}), KeypointNetwork(network).state_dict(), noise_px=1.0
    )
    with pytest.raises(FrameError, match=r"two or more views of 128 x 128 px, got 6 of 3 view.* of 64 x 64 px"):
        calibrate(other, scenes.held_out)
