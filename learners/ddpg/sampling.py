"""Episodes from RLlib's env runners, whether they run here or in other processes; never waits for a slow one."""

import logging
from typing import Any

import ray

logger = logging.getLogger(__name__)

FETCH_DEADLINE_S = 30.0


def sample_episodes(group: Any) -> tuple[list[Any], list[Any]]:
    """What the env runners have acted since the last call.

    Args:
        group: RLlib's EnvRunnerGroup. Without remote runners the local one acts now; remote ones act in the background,
            and those that are ready are asked again at once.

    Returns:
        Episodes (or chunks, from an ``IngestEnvRunner``), and metrics, one for each runner that answered.
    """
    if group.num_remote_env_runners() == 0:
        runner = group.local_env_runner
        return list(runner.sample()), [runner.get_metrics()]
    ready = group.foreach_env_runner_async_fetch_ready(
        func="sample_get_state_and_metrics", tag="sample", timeout_seconds=0.0
    )
    episodes: list[Any] = []
    metrics = []
    for episodes_ref, _, runner_metrics in ready:
        try:
            episodes.extend(ray.get(episodes_ref, timeout=FETCH_DEADLINE_S))
        except ray.exceptions.RayError as error:
            logger.warning("the episodes of an env runner were lost: %s", error)
            continue
        metrics.append(runner_metrics)
    return episodes, metrics
