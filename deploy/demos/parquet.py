"""Demonstrations that a configuration names, from Parquet files."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from actors.insertion import ACTION_SIZE
from deploy.config import RunConfig
from learners.ddpg.offline import read_episodes
from s3k_dist.episodes import EpisodeChunk, EpisodeChunkError
from s3k_dist.errors import ConfigError


def configured_demonstrations(config: RunConfig) -> list[EpisodeChunk]:
    """Whole episodes of ``policy.demonstrations`` without those that say they failed; none where it is not set.

    Their features are of no model of this run: whatever model comes, they stay as they are.

    Raises:
        StorageError: there is no such file, or one is damaged.
        ConfigError: an episode was made with another observation, or does not begin at its first step.
    """
    path = config.policy.demonstrations
    if path is None:
        return []
    task = config.task
    episodes = [episode for episode in read_episodes(path) if episode.success is not False]
    if not episodes:
        raise ConfigError(
            f"policy.demonstrations: every episode of {path} is a failure; there is nothing to learn from"
        )
    for episode in episodes:
        size = episode.observations.shape[-1]
        if size != task.observation_size:
            raise ConfigError(
                f"policy.demonstrations: episode {episode.episode_id!r} of {path} has {size} numbers in an "
                f"observation, this run has {task.observation_size} (task.observation={task.observation})"
            )
        try:
            episode.check(task.observation_size, ACTION_SIZE)
        except EpisodeChunkError as error:
            raise ConfigError(f"policy.demonstrations: {path}: {error}") from error
        if episode.start_step != 0:
            raise ConfigError(
                f"policy.demonstrations: episode {episode.episode_id!r} of {path} starts at step {episode.start_step}, "
                "expected whole episodes"
            )
    return [replace(episode, model_versions=np.zeros(len(episode), np.int64)) for episode in episodes]


def under_names_of_their_own(episodes: Iterable[EpisodeChunk]) -> list[EpisodeChunk]:
    """The same episodes; one whose name is taken gets a number: runs of one seed name their episodes alike."""
    named: dict[str, EpisodeChunk] = {}
    for episode in episodes:
        name, number = episode.episode_id, 1
        while name in named:
            number += 1
            name = f"{episode.episode_id}~{number}"
        named[name] = replace(episode, episode_id=name)
    return list(named.values())
