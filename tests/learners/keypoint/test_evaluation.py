"""Accuracy of a detector whose errors are known."""

import math

import pytest
import torch

from learners.keypoint.batches import LabelledFrames
from learners.keypoint.evaluation import KeypointMetrics, evaluate
from s3k_dist.errors import FrameError
from s3k_dist.geometry.projection import project
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.keypoints.heatmap import gaussian_log_target
from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig
from tests.learners.keypoint.conftest import NAMES, SIZE_PX, Scenes, labelled


def judged(
    network: NetworkConfig, frames: LabelledFrames, believed_m: torch.Tensor, noise_px: torch.Tensor | float = 0.0
) -> KeypointMetrics:
    """Metrics of a detector that believes in ``believed_m``, shape (frames, keypoints, 3), and sees it with noise."""
    detector = KeypointDetector(network, KeypointNetwork(network).state_dict())
    pixels = project(believed_m, frames.cameras)[0] + noise_px
    cells = SIZE_PX // 2
    drawn = iter(gaussian_log_target(pixels, cells, cells, sigma=network.sigma, stride=2))

    def heatmaps(images: torch.Tensor) -> torch.Tensor:
        return torch.stack([next(drawn) for _ in images])

    detector.heatmaps = heatmaps  # type: ignore[method-assign]
    return evaluate(detector, frames)


def test_a_perfect_detector_has_no_error(network: NetworkConfig, scenes: Scenes) -> None:
    metrics = judged(network, scenes.held_out, scenes.held_out.points_m)
    assert metrics.frames == len(scenes.held_out)
    assert metrics.rms_px < 0.1
    assert metrics.p95_mm < 0.3


def test_errors_are_in_millimetres_for_each_keypoint(network: NetworkConfig, scenes: Scenes) -> None:
    frames = scenes.held_out
    offset = torch.tensor([[0.0, 0.0, 0.010], [0.0, 0.002, 0.0]])
    metrics = judged(network, frames, frames.points_m + offset)
    assert metrics.per_keypoint_median_mm == {
        NAMES[0]: pytest.approx(10.0, abs=0.4),
        NAMES[1]: pytest.approx(2.0, abs=0.4),
    }
    assert 2 < metrics.median_mm < 10
    assert metrics.p95_mm == pytest.approx(10.0, abs=0.5)
    assert 0 < metrics.noise_px < metrics.median_px < metrics.rms_px
    assert metrics.per_keypoint_p95_mm[NAMES[1]] == pytest.approx(2.0, abs=0.4)
    assert metrics.per_keypoint_rms_px[NAMES[0]] > 4 * metrics.per_keypoint_rms_px[NAMES[1]]
    # Views that all say the same wrong point: together they are no better.
    assert metrics.rms_reprojected_px == pytest.approx(metrics.rms_px, rel=0.05)


def test_together_the_views_are_better_than_each(network: NetworkConfig) -> None:
    frames = labelled(30, 8)
    exact, _ = project(frames.points_m, frames.cameras)
    noise = torch.randn(exact.shape, generator=torch.Generator().manual_seed(0))
    metrics = judged(network, frames, frames.points_m, noise_px=0.5 * noise)
    assert metrics.rms_px == pytest.approx(0.5 * 2**0.5, rel=0.15)
    assert metrics.rms_reprojected_px < 0.85 * metrics.rms_px
    assert metrics.noise_px == pytest.approx(0.5, rel=0.15)


def test_more_frames_than_a_batch_all_count(network: NetworkConfig) -> None:
    frames = labelled(37, 8)
    offset = torch.zeros(37, 2, 3)
    offset[-3:] = 0.03
    metrics = judged(network, frames, frames.points_m + offset)
    assert metrics.frames == 37
    assert metrics.median_mm < 0.3
    assert metrics.p95_mm > 30


def test_a_keypoint_outside_an_image_does_not_count_in_its_pixels(network: NetworkConfig) -> None:
    frames = labelled(4, 8)
    frames.points_m[0, 0] = torch.tensor([0.4, 0.0, 0.0])
    believed = frames.points_m.clone()
    believed[0, 0] = 0
    metrics = judged(network, frames, believed)
    assert metrics.rms_px < 0.2
    assert metrics.p95_mm > 100


def test_a_keypoint_that_no_image_shows_has_no_error_in_pixels(network: NetworkConfig) -> None:
    frames = labelled(4, 8)
    frames.points_m[:, 0] = torch.tensor([0.4, 0.0, 0.0])
    metrics = judged(network, frames, frames.points_m)
    assert math.isnan(metrics.per_keypoint_rms_px[NAMES[0]])
    assert metrics.per_keypoint_rms_px[NAMES[1]] < 0.2
    assert metrics.rms_px < 0.2


@pytest.mark.parametrize("part", [slice(0, 0), slice(0, 2)])
def test_nothing_to_judge_by_is_refused(network: NetworkConfig, part: slice) -> None:
    whole = labelled(3, 8)
    views = slice(0, 3) if part == slice(0, 0) else slice(0, 1)
    few = LabelledFrames(whole.images[part, views], whole.cameras[part, views], whole.points_m[part])
    with pytest.raises(FrameError, match=rf"two or more views of 64 x 64 px, got {len(few)} of {few.images.shape[1]}"):
        evaluate(KeypointDetector(network, KeypointNetwork(network).state_dict()), few)
