"""The tool gives way to force: velocity admittance control from a force-torque sensor (App. C)."""

import numpy as np


def yielding(wanted: np.ndarray, force_n: np.ndarray, yield_force_n: float, yield_m_s_n: float) -> np.ndarray:
    """The wanted twist, and on top of it a velocity away from what pushes.

    Args:
        wanted: linear then angular velocity, shape (6,).
        force_n: that the surroundings exert on the tool, same frame, shape (3,), newtons.
        yield_force_n: below this nothing is added.
        yield_m_s_n: metres a second for each newton above it.

    Returns:
        Shape (6,). While something pushes, what is wanted against it is taken back as far as the force is above.
    """
    size = float(np.linalg.norm(force_n))
    if size <= yield_force_n:
        return wanted
    away = force_n / size
    result = wanted.copy()
    result[:3] += yield_m_s_n * (size - yield_force_n) * away
    return result
