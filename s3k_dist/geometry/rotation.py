"""Rotation vectors, rotation matrices, and the matrices of cross products."""

import numpy as np

TINY = 1e-9


def cross(vectors: np.ndarray) -> np.ndarray:
    """The matrices that take the cross product with ``vectors``, shape (..., 3), from the left, shape (..., 3, 3)."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = np.zeros_like(x)
    return np.stack([np.stack([zero, -z, y], -1), np.stack([z, zero, -x], -1), np.stack([-y, x, zero], -1)], -2)


def rotation_matrix(vector: np.ndarray) -> np.ndarray:
    """The rotation by ``|vector|`` radians about ``vector``, shape (3,), as a matrix, shape (3, 3) (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    axis = cross(np.asarray(vector, float) / angle)
    return np.asarray(np.eye(3) + np.sin(angle) * axis + (1 - np.cos(angle)) * axis @ axis)


def rotation_vector(rotation: np.ndarray) -> np.ndarray:
    """Shape (3,), at most pi long, of a rotation matrix, shape (3, 3)."""
    skew = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    sine, cosine = float(np.linalg.norm(skew)) / 2, (float(np.trace(rotation)) - 1) / 2
    if sine > TINY:
        return np.asarray(skew / 2 * np.arctan2(sine, cosine) / sine)
    if cosine > 0:
        return np.asarray(skew / 2)
    # Half a turn: either direction of the axis is right.
    onto_axis = (rotation + np.eye(3)) / 2
    axis = onto_axis[:, int(np.argmax(np.diag(onto_axis)))]
    return np.asarray(np.pi * axis / np.linalg.norm(axis))
