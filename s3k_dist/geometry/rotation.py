"""Rotation vectors and matrices."""

import cv2
import numpy as np


def rotation_matrix(vector: np.ndarray) -> np.ndarray:
    """The rotation by ``|vector|`` radians about ``vector``, shape (3,), as a matrix, shape (3, 3)."""
    return np.asarray(cv2.Rodrigues(np.asarray(vector, float))[0])


def rotation_vector(matrix: np.ndarray) -> np.ndarray:
    """Shape (3,), at most pi long, of a rotation matrix, shape (3, 3)."""
    return np.asarray(cv2.Rodrigues(np.asarray(matrix, float))[0])[:, 0]
