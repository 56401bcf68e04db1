"""Heatmaps: what is drawn is read back, and Eq. 5."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from s3k_dist.keypoints.heatmap import (
    cells_from_pixels,
    decode,
    detection_weight,
    gaussian_log_target,
    pixels_from_cells,
)


@given(st.floats(20, 107), st.floats(20, 107), st.sampled_from([1, 2, 4]))
@settings(max_examples=40, deadline=None)
def test_decoding_a_target_returns_its_centre_and_width(u, v, stride):
    pixels = torch.tensor([u, v], dtype=torch.float64)
    size, sigma = 128 // stride, 1.5
    decoded = decode(gaussian_log_target(pixels, size, size, sigma=sigma, stride=stride), size, size, stride=stride)
    torch.testing.assert_close(decoded.pixels, pixels, atol=2e-3 * stride, rtol=0)
    assert decoded.deviation.item() == pytest.approx(sigma, rel=1e-2)


def test_a_target_is_a_distribution_even_for_a_point_outside():
    target = gaussian_log_target(torch.tensor([[500.0, -40.0]]), 32, 48, sigma=2.0, stride=2)
    assert torch.isfinite(target).all()
    assert target.exp().sum().item() == pytest.approx(1.0)


@given(st.floats(-50, 200))
def test_cells_and_pixels_convert_without_a_slip(pixel):
    value = torch.tensor(pixel, dtype=torch.float64)
    assert pixels_from_cells(cells_from_pixels(value, 2), 2).item() == pytest.approx(pixel)
    assert cells_from_pixels(torch.tensor(0.5), 2).item() == 0.0  # between the first two pixels lies the first cell


def test_the_weight_is_equation_5():
    sigma = 2.0
    for deviation in (0.5, 2.0, 4.0, 6.0, 20.0):
        expected = 1 / (1 + math.exp(-3 * math.tanh(5 * (1 - deviation / 2 / sigma))))
        assert detection_weight(torch.tensor(deviation), sigma=sigma).item() == pytest.approx(expected)


def test_the_weight_falls_beyond_twice_sigma_and_never_to_zero():
    weights = detection_weight(torch.linspace(0, 100, 500), sigma=2.0)
    assert (weights.diff() <= 0).all()
    assert detection_weight(torch.tensor(4.0), sigma=2.0).item() == pytest.approx(0.5)
    assert weights.min() > 0.04
