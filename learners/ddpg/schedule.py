"""Settings that change with training: a number, or points between which it is interpolated."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from s3k_dist.errors import ConfigError

Schedule = float | Sequence[Sequence[float]]


def schedule_value(schedule: Schedule, env_steps: int) -> float:
    """The value after so many environment steps.

    Args:
        schedule: a number, or ``[[env_steps, value], ...]`` as RLlib writes schedules: linear between the points,
            constant after the last.
        env_steps: environment steps received so far, over all cells.
    """
    if isinstance(schedule, int | float):
        return float(schedule)
    steps, values = zip(*schedule, strict=True)
    return float(np.interp(env_steps, steps, values))


def check_schedule(name: str, schedule: Schedule) -> None:
    """Refuse a schedule that says nothing definite, or a value below 0.

    Raises:
        ConfigError: names the setting and says what it may be.
    """
    expected = f"{name} must be a number from 0 or [[0, value], [env_steps, value], ...] with growing steps"
    if isinstance(schedule, int | float):
        points: list[Sequence[float]] = [(0, schedule)]
    else:
        try:
            points = [(float(step), float(value)) for step, value in schedule]
        except (TypeError, ValueError):
            raise ConfigError(f"{expected}, got {schedule!r}") from None
    growing = all(earlier[0] < later[0] for earlier, later in pairwise(points))
    if not points or points[0][0] != 0 or not growing or not all(0 <= value < np.inf for _, value in points):
        raise ConfigError(f"{expected}, got {schedule!r}")
