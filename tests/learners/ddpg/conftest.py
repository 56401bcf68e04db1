"""Episode chunks to order, and one small Ray for the tests that build an algorithm."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from s3k_dist.episodes import EpisodeChunk

MakeChunk = Callable[..., EpisodeChunk]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Small networks on a busy machine: threads that wait for each other cost ten times what they save."""
    torch.set_num_threads(1)


@pytest.fixture
def make_chunk() -> MakeChunk:
    """Chunks of 3 observations and 2 actions whose numbers tell where they come from."""

    def make(
        episode_id: str = "episode",
        steps: int = 5,
        start_step: int = 0,
        terminated: bool = False,
        truncated: bool = False,
        **fields: object,
    ) -> EpisodeChunk:
        # Observation t of an episode is t + its id's offset, so that a mix-up of steps or episodes shows.
        offset = 1000.0 * (sum(map(ord, episode_id)) % 97)
        times = np.arange(start_step, start_step + steps + 1, dtype=np.float32)
        values: dict[str, object] = {
            "episode_id": episode_id,
            "cell_id": "cell-0",
            "observations": np.stack([times + offset, times, np.full_like(times, offset)], axis=1),
            "actions": np.sin(np.outer(times[:-1] + 1.0, [1.0, 2.0])).astype(np.float32),
            "rewards": np.cos(times[:-1]).astype(np.float32),
            "terminated": terminated,
            "truncated": truncated,
            "start_step": start_step,
            "policy_version": 1,
            "model_versions": np.full(steps, 7, dtype=np.int64),
            "success": None,
        }
        return EpisodeChunk(**{**values, **fields})  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="module")
def small_ray() -> Iterator[None]:
    """A Ray of two CPUs for one module."""
    import ray

    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=150_000_000,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield
    ray.shutdown()
