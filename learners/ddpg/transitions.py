"""What the replay keeps of one step, and the memory that takes."""

import logging

import numpy as np

from s3k_dist.errors import PreflightError
from s3k_dist.memory import available_bytes

# Below Ray's own logger, whose lines reach the terminal unless ray.init(logging_level=...) says otherwise: one should
# read what is about to be taken.
logger = logging.getLogger("ray.learners.ddpg")


def column_shapes(observation_size: int, action_size: int) -> dict[str, tuple[tuple[int, ...], type]]:
    """Shape and type of each column of one transition.

    "reward_n" is the discounted sum over the window of up to n steps that "next_obs_n" ends, "discount_n" is gamma to
    the length of that window. "terminated" and "terminated_n" are 1.0 where no value follows.
    "episode" is the `episode_key` of its episode, "step" its index there.
    """
    scalar: tuple[int, ...] = ()
    return {
        "obs": ((observation_size,), np.float32),
        "actions": ((action_size,), np.float32),
        "reward": (scalar, np.float32),
        "next_obs": ((observation_size,), np.float32),
        "terminated": (scalar, np.float32),
        "reward_n": (scalar, np.float32),
        "next_obs_n": ((observation_size,), np.float32),
        "terminated_n": (scalar, np.float32),
        "discount_n": (scalar, np.float32),
        "model_version": (scalar, np.int64),
        "episode": (scalar, np.int64),
        "step": (scalar, np.int32),
    }


def replay_bytes(slots: int, observation_size: int, action_size: int) -> int:
    """Memory of a replay of ``slots`` transitions with its sum tree."""
    columns = column_shapes(observation_size, action_size).values()
    stored = sum(int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in columns)
    tree = 4 * np.dtype(np.float64).itemsize  # two nodes a leaf, and up to twice as many leaves as slots
    return slots * (stored + tree)


def require_memory(slots: int, needed: int) -> None:
    """Log the memory of a replay of ``slots`` transitions.

    A checkpoint is written from a copy, so that it is of one moment: twice the memory must be there.

    Raises:
        PreflightError: it is more than this machine has available; says which capacity would fit.
    """
    available = available_bytes()
    logger.info(
        "replay of %d transitions takes %.2f GiB, as much again while a checkpoint is written; %.1f GiB are available",
        slots,
        needed / 2**30,
        available / 2**30,
    )
    if 2 * needed > available:
        raise PreflightError(
            f"a replay of {slots} transitions needs {needed / 2**30:.1f} GiB, and as much again while a checkpoint is "
            f"written; {available / 2**30:.1f} are available: lower replay_capacity so that it and "
            f"demonstration_capacity stay under {int(slots * available / (2 * needed))} together"
        )
