"""Mean and deviation of all observations ever stored, without storing them."""

import numpy as np

# Below this, relative to the mean, a dimension is constant and its spread is rounding: it is shifted, not scaled.
CONSTANT = 1e-6


class ObservationStatistics:
    """Running moments in double precision (Chan et al. 1979): observations may come in pieces of any length."""

    def __init__(self, observation_size: int) -> None:
        """Start with none."""
        self.count = 0
        self.mean = np.zeros(observation_size)
        self.squares = np.zeros(observation_size)  # sums of squared distances from the mean

    def add(self, observations: np.ndarray) -> None:
        """Count observations, shape (T, observation_size)."""
        added = len(observations)
        if added == 0:
            return
        mean = observations.mean(axis=0, dtype=np.float64)
        squares = np.square(observations - mean).sum(axis=0)
        total = self.count + added
        apart = mean - self.mean
        self.mean = self.mean + apart * (added / total)
        self.squares = self.squares + squares + np.square(apart) * (self.count * added / total)
        self.count = total

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation, float32, shape (observation_size,) each. Where there is no deviation it is 1, not 0."""
        deviation = np.sqrt(self.squares / max(self.count, 1))
        constant = deviation <= CONSTANT * (1.0 + np.abs(self.mean))
        return self.mean.astype(np.float32), np.where(constant, 1.0, deviation).astype(np.float32)
