"""Recorded episodes become demonstrations once a keypoint model exists: features and rewards from their frames."""

from collections.abc import Iterable

from actors.environment import FeatureSource
from actors.insertion import InsertionTask
from actors.recording import RecordedEpisode
from actors.rollout import chunk_of_steps
from s3k_dist.episodes import EpisodeChunk
from s3k_dist.frames import MultiViewFrame


def demonstration_chunk(
    episode: RecordedEpisode, frames: Iterable[MultiViewFrame], features: FeatureSource, task: InsertionTask
) -> EpisodeChunk | None:
    """Replay a recorded episode through the task as if it happened now.

    Args:
        episode: what the robot did.
        frames: its T + 1 frames, in order.
        features: the keypoint model.
        task: as the agent will meet it.

    Returns:
        The episode up to its claim; None if the keypoints never supported one: a demonstration that the task does not
        believe would teach nothing.
    """
    steps, models = [], []
    for index, frame in enumerate(frames):
        seen = features.extract(frame)
        models.append(seen.model_version)
        gripper = episode.gripper(index)
        steps.append(task.begin(gripper, seen) if index == 0 else task.advance(gripper, seen))
        if steps[-1].terminated or steps[-1].truncated:
            break
    if not steps[-1].claimed:
        return None
    return chunk_of_steps(
        episode.episode_id,
        episode.cell_id,
        steps,
        list(episode.actions[: len(steps) - 1]),
        models[:-1],
        start_step=0,
        policy_version=-1,
        truncated=False,
        success=True,
    )
