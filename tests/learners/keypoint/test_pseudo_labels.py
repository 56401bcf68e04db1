"""What a model says of frames without labels, and when it is believed."""

import pytest
import torch

from learners.keypoint.config import TrainerConfig
from learners.keypoint.pseudo_labels import PseudoLabels, pseudo_labels
from s3k_dist.geometry.projection import Cameras, project
from s3k_dist.keypoints.heatmap import gaussian_log_target
from s3k_dist.keypoints.network import NetworkConfig
from tests.scenes import ring

SIZE_PX, CELLS, SIGMA = 128, 64, 1.0
WIDTH = NetworkConfig(keypoint_names=("one",), image_size_px=SIZE_PX, sigma=SIGMA)
MASS = WIDTH.model_copy(update={"sharpness": "mass"})
POINT = torch.tensor([[[0.02, -0.01, 0.03]]])
PUBLISHED = TrainerConfig(decoding="map", outlier_px=None, gate_residual_px=None)
OURS = TrainerConfig(decoding="peak", outlier_px=3.0, gate_residual_px=2.0, gate_confidence=0.25)


def cameras() -> Cameras:
    single = Cameras.stack(ring(4, size_px=SIZE_PX), torch.float32)
    return Cameras(*(part[None] for part in vars(single).values()))


def seen(*, off_px: float = 0.0, stray: float = 0.0) -> torch.Tensor:
    """Heatmaps of the point; in view 0 it is off by some pixels, in all views a share of it is somewhere else."""
    pixels, _ = project(POINT, cameras())
    pixels = pixels.clone()
    pixels[:, 0] += off_px
    here = gaussian_log_target(pixels, CELLS, CELLS, sigma=SIGMA, stride=2).exp()
    elsewhere = gaussian_log_target(torch.full_like(pixels, 8.0), CELLS, CELLS, sigma=SIGMA, stride=2).exp()
    return ((1 - stray) * here + stray * elsewhere + 1e-12).log()


def guess(log_heatmaps: torch.Tensor, config: TrainerConfig, network: NetworkConfig | None = None) -> PseudoLabels:
    network = network or (WIDTH if config is PUBLISHED else MASS)
    return pseudo_labels(log_heatmaps, cameras(), CELLS, network, config)


def off_mm(found: PseudoLabels) -> float:
    return 1e3 * (found.points_m - POINT).norm().item()


@pytest.mark.parametrize("config", [PUBLISHED, OURS], ids=["published", "ours"])
def test_clean_views_give_the_point(config: TrainerConfig) -> None:
    found = guess(seen(), config)
    assert off_mm(found) < 0.2
    assert found.trust.item() == 1


def test_a_view_that_is_wrong_is_left_out_and_the_rest_believed() -> None:
    assert off_mm(guess(seen(off_px=25), OURS)) < 0.2
    assert guess(seen(off_px=25), OURS).trust.item() == 1


def test_as_published_every_view_counts_and_everything_is_believed() -> None:
    found = guess(seen(off_px=25), PUBLISHED)
    assert off_mm(found) > 2
    assert found.trust.item() == 1


def test_without_robust_triangulation_the_gate_refuses_a_wrong_view() -> None:
    found = guess(seen(off_px=25), OURS.model_copy(update={"outlier_px": None}))
    assert found.trust.item() == 0


def test_a_stray_tenth_is_sharp_enough_by_mass_and_too_wide_for_the_width() -> None:
    by_mass = guess(seen(stray=0.1), OURS)
    by_width = guess(seen(stray=0.1), OURS.model_copy(update={"gate_confidence": 0.5}), WIDTH)
    assert off_mm(by_mass) < 0.2
    assert by_mass.trust.item() == 1
    assert by_width.trust.item() == 0


def test_the_mean_of_the_whole_map_goes_after_the_stray_part_and_the_peak_does_not() -> None:
    assert off_mm(guess(seen(stray=0.1), PUBLISHED)) > 3
    assert off_mm(guess(seen(stray=0.1), PUBLISHED.model_copy(update={"decoding": "peak"}))) < 0.2


def test_a_map_that_is_flat_is_not_believed() -> None:
    flat = torch.full((1, 4, 1, CELLS * CELLS), -float(torch.tensor(CELLS * CELLS).log()))
    assert guess(flat, OURS).trust.item() == 0


def test_no_gradient_flows_through_an_estimate() -> None:
    heatmaps = seen().requires_grad_(True)
    assert not guess(heatmaps, OURS).points_m.requires_grad
