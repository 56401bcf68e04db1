"""Rotation vectors and matrices belong to each other, at tiny angles and at half a turn too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3k_dist.geometry.rotation import cross, rotation_matrix, rotation_vector

units = st.lists(st.floats(-1, 1), min_size=3, max_size=3).map(np.array).filter(lambda v: np.linalg.norm(v) > 0.1)
angles = st.floats(0, np.pi) | st.floats(0, 1e-8) | st.floats(np.pi - 1e-8, np.pi)


@given(units, angles)
def test_a_vector_comes_back(direction: np.ndarray, angle: float) -> None:
    matrix = rotation_matrix(angle * direction / np.linalg.norm(direction))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)
    again = rotation_vector(matrix)
    assert np.linalg.norm(again) == pytest.approx(angle, abs=1e-6 if angle > 3.1 else 1e-9)
    np.testing.assert_allclose(rotation_matrix(again), matrix, atol=1e-7)


@given(units, units)
def test_the_cross_product_is_a_matrix(one: np.ndarray, other: np.ndarray) -> None:
    np.testing.assert_allclose(cross(one) @ other, np.cross(one, other), atol=1e-12)
