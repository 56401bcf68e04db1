"""Eq. 2 and its covariance."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from s3k_dist.errors import TooFewViewsError
from s3k_dist.geometry.projection import Cameras, project
from s3k_dist.geometry.triangulation import (
    covariance,
    reprojection_residual,
    triangulate,
    triangulate_labels,
    triangulate_robust,
)
from tests.scenes import ring

coordinates = st.floats(-0.08, 0.08)
points = st.lists(st.tuples(coordinates, coordinates, coordinates), min_size=1, max_size=5).map(
    lambda p: torch.tensor(p, dtype=torch.float64)
)


@given(points, st.integers(2, 6), st.lists(st.floats(0.05, 0.95), min_size=30, max_size=30))
@settings(max_examples=60, deadline=None)
def test_project_then_triangulate_is_the_identity(points, views, weights):
    cameras = Cameras.stack(ring(views, distortion=(-0.1, 0.02, 0.003, -0.002, 0.0)))
    pixels, _ = project(points, cameras)
    weight = torch.tensor(weights[: views * len(points)], dtype=torch.float64).reshape(views, len(points))
    found = triangulate(pixels, weight, cameras)
    torch.testing.assert_close(found, points, atol=1e-9, rtol=0)
    assert reprojection_residual(found, pixels, cameras).max() < 1e-5


def test_it_is_vectorised_over_any_batch():
    single = Cameras.stack(ring())
    batch = Cameras(*(part.expand(5, 2, *part.shape) for part in vars(single).values()))
    points = torch.rand(5, 2, 3, 3, dtype=torch.float64) * 0.1
    pixels, _ = project(points, batch)
    torch.testing.assert_close(triangulate(pixels, torch.ones(5, 2, 4, 3, dtype=torch.float64), batch), points)


def test_it_minimises_the_weighted_distance_to_the_rays():
    cameras = Cameras.stack(ring())
    torch.manual_seed(0)
    pixels = project(torch.zeros(1, 3, dtype=torch.float64), cameras)[0] + 4 * torch.randn(4, 1, 2).double()
    weights = torch.rand(4, 1).double() + 0.1

    def cost(point: torch.Tensor) -> torch.Tensor:
        from s3k_dist.geometry.projection import rays

        direction, offset = rays(pixels, cameras)[:, 0], point - cameras.centre_m
        sideways = offset - (offset * direction).sum(-1, keepdim=True) * direction
        return (weights[:, 0] * sideways.square().sum(-1)).sum()

    point = triangulate(pixels, weights, cameras)[0].requires_grad_()
    (slope,) = torch.autograd.grad(cost(point), point)
    assert slope.abs().max() < 1e-12
    assert all(cost(point + step) > cost(point) for step in 1e-4 * torch.eye(3).double())


@pytest.mark.parametrize("pair", list(itertools.combinations(range(4), 2)))
def test_labels_in_any_two_of_four_views_suffice(pair):
    cameras = Cameras.stack(ring())
    points = torch.tensor([[0.01, 0.02, -0.03], [0.0, -0.05, 0.02]], dtype=torch.float64)
    pixels, _ = project(points, cameras)
    clicked = torch.zeros(4, 2, dtype=torch.bool)
    clicked[list(pair)] = True
    pixels[~clicked] = 1e6
    torch.testing.assert_close(triangulate_labels(pixels, clicked, cameras), points)


def test_labels_in_one_view_are_refused():
    cameras = Cameras.stack(ring())
    clicked = torch.ones(4, 3, dtype=torch.bool)
    clicked[1:, 2] = False
    with pytest.raises(TooFewViewsError, match=r"keypoint 2 is labelled in 1 view\(s\); expected at least 2 of the 4"):
        triangulate_labels(torch.zeros(4, 3, 2, dtype=torch.float64), clicked, cameras)


def test_the_covariance_is_what_noise_does():
    cameras = Cameras.stack(ring())
    truth = torch.tensor([[0.02, -0.01, 0.03]], dtype=torch.float64)
    pixels, _ = project(truth, cameras)
    weights = torch.tensor([[0.95], [0.5], [0.9], [0.2]], dtype=torch.float64)
    noise = torch.tensor([[0.5], [1.5], [0.7], [3.0]], dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    draws = pixels + noise[..., None] * torch.randn(20_000, 4, 1, 2, generator=generator, dtype=torch.float64)
    many = Cameras(*(part.expand(20_000, *part.shape) for part in vars(cameras).values()))
    estimates = triangulate(draws, weights.expand(20_000, 4, 1), many)[:, 0]
    predicted = covariance(pixels, weights, cameras, truth, noise)[0]
    measured = torch.from_numpy(np.cov(estimates.numpy().T))
    assert (measured - predicted).norm() / predicted.norm() < 0.05


def test_more_views_make_a_smaller_covariance():
    truth = torch.zeros(1, 3, dtype=torch.float64)

    def volume(views: int) -> float:
        cameras = Cameras.stack(ring(views))
        pixels, _ = project(truth, cameras)
        ones = torch.ones(views, 1, dtype=torch.float64)
        return torch.linalg.det(covariance(pixels, ones, cameras, truth, ones))[0].item()

    assert volume(8) < volume(4) < volume(2)


@pytest.mark.parametrize("blocked", range(4))
def test_one_wrong_view_of_four_is_left_out(blocked):
    cameras = Cameras.stack(ring())
    truth = torch.tensor([[0.01, 0.02, -0.03], [0.0, -0.05, 0.02]], dtype=torch.float64)
    pixels, _ = project(truth, cameras)
    pixels[blocked, 1] += torch.tensor([25.0, -12.0])
    weights = torch.full((4, 2), 0.9, dtype=torch.float64)
    points, used = triangulate_robust(pixels, weights, cameras, outlier_px=3.0)
    torch.testing.assert_close(points, truth)
    expected = weights.clone()
    expected[blocked, 1] = 0
    torch.testing.assert_close(used, expected)
    assert (triangulate(pixels, weights, cameras)[1] - truth[1]).norm() > 5e-3


@given(points, st.integers(2, 5))
@settings(max_examples=30, deadline=None)
def test_views_that_agree_are_all_used(points, views):
    cameras = Cameras.stack(ring(views))
    torch.manual_seed(0)
    pixels = project(points, cameras)[0] + 0.3 * torch.randn(views, len(points), 2, dtype=torch.float64)
    weights = torch.rand(views, len(points), dtype=torch.float64) + 0.1
    robust, used = triangulate_robust(pixels, weights, cameras, outlier_px=3.0)
    torch.testing.assert_close(used, weights)
    torch.testing.assert_close(robust, triangulate(pixels, weights, cameras))
