"""What makes a chunk of steps a demonstration."""

import hashlib
from dataclasses import replace

import numpy as np

from s3k_dist.episodes import EpisodeChunk, EpisodeChunkError


def as_demonstration(chunk: EpisodeChunk) -> EpisodeChunk:
    """The chunk as a whole episode, truncated where it does not terminate: one that was cut short still bootstraps.

    Raises:
        EpisodeChunkError: it does not start at step 0, or has no steps.
    """
    if len(chunk) == 0:
        raise EpisodeChunkError("length", f"demonstration {chunk.episode_id!r} has no steps")
    if chunk.start_step != 0:
        raise EpisodeChunkError(
            "partial", f"demonstration {chunk.episode_id!r} starts at step {chunk.start_step}; send it whole"
        )
    return replace(chunk, truncated=not chunk.terminated)


def digest(chunk: EpisodeChunk) -> str:
    """Of what happened, not of the episode's name: RLlib names an episode anew whenever it is built."""
    hashed = hashlib.blake2b(bytes([chunk.terminated]), digest_size=16)
    for array in (chunk.observations, chunk.actions, chunk.rewards):
        hashed.update(np.ascontiguousarray(array, dtype=np.float32).tobytes())
    return hashed.hexdigest()
