"""Eqs. 1, 3 and 4."""

import pytest
import torch
from torch import nn

from s3k_dist.geometry.projection import Cameras, project
from s3k_dist.keypoints.heatmap import gaussian_log_target
from s3k_dist.keypoints.loss import (
    divergence,
    estimate,
    self_supervised_loss,
    supervised_loss,
    total_loss,
    weight_penalty,
)
from tests.scenes import ring

SHAPE = {"height": 64, "width": 64, "sigma": 2.0, "stride": 2}


@pytest.fixture
def cameras() -> Cameras:
    single = Cameras.stack(ring(), torch.float32)
    return Cameras(*(part.expand(2, *part.shape) for part in vars(single).values()))


@pytest.fixture
def points() -> torch.Tensor:
    return 0.05 * torch.tensor([[[0.1, 0.2, 0.3], [-0.4, 0.1, 0.0]], [[0.5, -0.5, 0.2], [0.0, 0.3, -0.3]]])


def drawn(points: torch.Tensor, cameras: Cameras) -> torch.Tensor:
    pixels, _ = project(points, cameras)
    return gaussian_log_target(pixels, 64, 64, sigma=2.0, stride=2)


def test_the_loss_is_zero_at_the_truth_and_grows_away_from_it(points, cameras):
    at_truth = supervised_loss(drawn(points, cameras), points, cameras, **SHAPE)
    assert at_truth.item() == pytest.approx(0.0, abs=1e-4)
    losses = [
        supervised_loss(drawn(points + torch.tensor([0.0, 0.0, offset]), cameras), points, cameras, **SHAPE).item()
        for offset in (0.001, 0.003, 0.01, 0.02)
    ]
    assert 0 < losses[0] < losses[1] < losses[2] < losses[3]


def test_gradient_descent_on_free_heatmaps_ends_at_the_truth(points, cameras):
    logits = torch.zeros(2, 4, 2, 64 * 64, requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=0.5)
    for _ in range(150):
        optimiser.zero_grad()
        supervised_loss(logits.log_softmax(-1), points, cameras, **SHAPE).backward()
        optimiser.step()
    found = estimate(logits.log_softmax(-1), cameras, **SHAPE)
    assert (found - points).norm(dim=-1).max() < 1e-3


def test_the_estimate_of_drawn_heatmaps_is_where_they_were_drawn(points, cameras):
    assert (estimate(drawn(points, cameras), cameras, **SHAPE) - points).norm(dim=-1).max() < 1e-4


def test_the_self_supervised_loss_vanishes_when_views_agree_and_not_otherwise(points, cameras):
    agreed = drawn(points, cameras)
    assert self_supervised_loss(agreed, cameras, **SHAPE).item() == pytest.approx(0.0, abs=1e-3)
    moved = drawn(points + 0.02, cameras)
    torn = torch.cat([agreed[:, :2], moved[:, 2:]], dim=1)
    assert self_supervised_loss(torn, cameras, **SHAPE).item() > 0.5


def test_no_gradient_flows_through_the_estimate(points, cameras):
    logits = drawn(points, cameras).clone()
    logits[:, :2] = drawn(points + 0.01, cameras)[:, :2]
    logits.requires_grad_()
    self_supervised_loss(logits.log_softmax(-1), cameras, **SHAPE).backward()
    frozen = estimate(logits.log_softmax(-1), cameras, **SHAPE)
    assert not frozen.requires_grad
    again = logits.detach().clone().requires_grad_()
    supervised_loss(again.log_softmax(-1), frozen, cameras, **SHAPE).backward()
    torch.testing.assert_close(logits.grad, again.grad)


def test_masked_terms_do_not_count(points, cameras):
    wrong = drawn(points + 0.02, cameras)
    mask = torch.ones(2, 4, 2)
    whole = supervised_loss(wrong, points, cameras, **SHAPE)
    torch.testing.assert_close(supervised_loss(wrong, points, cameras, **SHAPE, mask=mask), whole)
    mask[:, :, 1] = 0
    assert supervised_loss(wrong, points, cameras, **SHAPE, mask=mask) < whole
    assert supervised_loss(wrong, points, cameras, **SHAPE, mask=0 * mask).item() == 0


def test_the_divergence_is_positive_and_zero_only_for_equals():
    p, q = torch.randn(5, 30).log_softmax(-1), torch.randn(5, 30).log_softmax(-1)
    assert (divergence(p, q) > 0).all()
    torch.testing.assert_close(divergence(p, p), torch.zeros(5))


def test_the_penalty_leaves_biases_alone():
    layer = nn.Linear(3, 2)
    nn.init.constant_(layer.weight, 2.0)
    nn.init.constant_(layer.bias, 100.0)
    assert weight_penalty(layer).item() == pytest.approx(24.0)
    total = total_loss(torch.tensor(1.0), torch.tensor(2.0), layer, alpha=0.5, l2=0.1)
    assert total.item() == pytest.approx(1 + 1 + 2.4)
