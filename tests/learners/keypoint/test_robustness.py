"""Fewer views, a spoilt view, a covered object: what is left of the accuracy."""

import pytest
import torch

from learners.keypoint.batches import LabelledFrames
from learners.keypoint.detections import Detections, look
from learners.keypoint.evaluation import evaluate
from learners.keypoint.occlusion import cover
from learners.keypoint.robustness import by_view_count, occlusion_curve, one_view_corrupted
from s3k_dist.geometry.projection import Cameras, project
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig
from tests.learners.keypoint.conftest import COLOURS, SIZE_PX, draw, points
from tests.scenes import ring


def scene(frames: int, views: int = 4, seed: int = 5) -> LabelledFrames:
    single = Cameras.stack(ring(views, size_px=SIZE_PX, focal_px=150.0), torch.float32)
    cameras = Cameras(*(part.expand(frames, *part.shape).contiguous() for part in vars(single).values()))
    truth = points(frames, seed)
    return LabelledFrames(draw(truth, cameras, seed), cameras, truth)


@pytest.fixture
def detector(network: NetworkConfig) -> KeypointDetector:
    """Finds each blob by its colour: as good as trained, in no time."""
    made = KeypointDetector(network, KeypointNetwork(network).state_dict(), noise_px=0.3)

    def heatmaps(images: torch.Tensor) -> torch.Tensor:
        likeness = torch.einsum("fvhwc,kc->fvkhw", images.float() / 255, 2 * COLOURS - COLOURS.sum(0))
        cells = torch.nn.functional.avg_pool2d(likeness.flatten(0, 1), 2)
        return (12 * cells).flatten(2).log_softmax(-1).unflatten(0, images.shape[:2])

    made.heatmaps = heatmaps  # type: ignore[method-assign]
    return made


def test_the_detector_of_these_tests_sees(detector: KeypointDetector) -> None:
    assert evaluate(detector, scene(20)).p95_mm < 4


def test_every_choice_of_views_counts_and_more_views_are_better(detector: KeypointDetector) -> None:
    frames = scene(60)
    seen = look(detector, frames)
    noise = 0.3 * torch.randn(seen.pixels.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    exact = project(seen.truth_m, seen.cameras)[0]
    noisy = Detections(exact + noise, torch.ones_like(seen.weights), seen.cameras, seen.truth_m)
    found = by_view_count(detector, noisy)
    assert {count: error.choices for count, error in found.items()} == {2: 6, 3: 4, 4: 1}
    assert found[2].median_mm > found[3].median_mm > found[4].median_mm
    assert found[2].p95_mm > found[3].p95_mm > found[4].p95_mm
    assert found[4].median_mm == pytest.approx(noisy.error_mm(detector).median().item(), rel=0.02)
    for error in found.values():
        assert 0.85 <= error.coverage_90 <= 0.99


def test_one_spoilt_view_of_four_is_outvoted(detector: KeypointDetector) -> None:
    frames = scene(20)
    seen = look(detector, frames)
    found = one_view_corrupted(detector, frames, seen)
    assert set(found) == {"noise", "blackout", "another frame"}
    clean = evaluate(detector, frames)
    for error in found.values():
        assert error.median_mm == pytest.approx(error.ratio * clean.median_mm, rel=1e-6)
        assert error.p95_mm == pytest.approx(error.p95_ratio * clean.p95_mm, rel=1e-6)
        assert error.ratio < 1.5


def test_a_spoilt_view_shows_where_it_cannot_be_outvoted(detector: KeypointDetector) -> None:
    three, two = scene(20, views=3), scene(20, views=2)
    assert one_view_corrupted(detector, three, look(detector, three))["another frame"].ratio > 3
    assert one_view_corrupted(detector, two, look(detector, two)) == {}


def test_a_single_frame_has_no_other_to_take_a_view_from(detector: KeypointDetector) -> None:
    one = scene(1)
    assert set(one_view_corrupted(detector, one, look(detector, one))) == {"noise", "blackout"}
    assert len(occlusion_curve(detector, one, look(detector, one))) == 7


def test_the_curve_begins_clean_and_the_seed_decides_it(detector: KeypointDetector) -> None:
    frames = scene(12)
    seen = look(detector, frames)
    curve = occlusion_curve(detector, frames, seen, seed=3)
    assert [point.share for point in curve] == [0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4]
    assert curve[0].one_view == curve[0].all_views
    assert curve[0].one_view.median_mm == pytest.approx(evaluate(detector, frames).median_mm)
    assert curve[-1].all_views.median_mm > 5 * curve[-1].one_view.median_mm
    assert curve[-1].one_view.median_mm < 2 * curve[0].one_view.median_mm
    assert occlusion_curve(detector, frames, seen, seed=3) == curve
    assert occlusion_curve(detector, frames, seen, seed=4) != curve


def test_a_patch_lies_over_the_keypoints_and_leaves_the_rest() -> None:
    frames = scene(10)
    covered = cover(frames, 0.25, seed=1)
    changed = (covered != frames.images).any(-1)
    assert 0.5 * 16**2 < changed.sum((-1, -2)).float().mean() <= 16**2
    middles = project(frames.points_m, frames.cameras)[0].mean(-2)
    for frame in range(10):
        for view in range(4):
            rows, columns = changed[frame, view].nonzero().unbind(-1)
            assert rows.max() - rows.min() < 16
            assert columns.max() - columns.min() < 16
            middle = torch.stack([(columns.max() + columns.min()) / 2, (rows.max() + rows.min()) / 2])
            assert (middle - middles[frame, view]).abs().max() < 4


def test_half_of_the_patches_are_of_one_colour() -> None:
    frames = scene(40)
    covered = cover(frames, 0.1, seed=1)
    flat = 0
    for before, after in zip(frames.images.flatten(0, 1), covered.flatten(0, 1), strict=True):
        patch = after[(before != after).any(-1)]
        flat += len(patch.unique(dim=0)) == 1
    assert 0.35 < flat / 160 < 0.65


def test_larger_patches_are_the_same_patches_grown() -> None:
    frames = scene(6)
    small, large = (cover(frames, share, seed=2) for share in (0.1, 0.3))
    for before, less, more in zip(*(each.flatten(0, 1) for each in (frames.images, small, large)), strict=True):
        patch, grown = less[(before != less).any(-1)], more[(before != more).any(-1)]
        if len(patch.unique(dim=0)) == 1:
            assert len(grown.unique(dim=0)) == 1
            assert torch.equal(patch[0], grown[0])


def test_a_patch_stays_whole_at_an_edge_and_covers_the_middle_of_an_image_without_keypoints() -> None:
    frames = scene(2)
    frames.points_m[0] = torch.tensor([9.0, 0.0, 0.0])
    changed = (cover(frames, 0.5, seed=0) != frames.images).any(-1)
    rows, columns = changed[0, 0].nonzero().unbind(-1)
    assert (rows.min().item(), rows.max().item()) == pytest.approx((16, 47), abs=1)
    assert (columns.min().item(), columns.max().item()) == pytest.approx((16, 47), abs=1)
