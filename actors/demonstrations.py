"""Recorded episodes become demonstrations once a keypoint model exists: features and rewards from their frames."""

from collections.abc import Iterable

from actors.insertion import InsertionTask
from actors.observation import FeatureSource, observed_version, with_state
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
        features: the served models.
        task: as the agent will meet it.

    Returns:
        The episode up to its claim; None if the keypoints never supported one: a demonstration that the task does not
        believe would teach nothing.
    """
    steps, models = [], []
    observation = task.config.observation
    for index, frame in enumerate(frames):
        seen = features.extract(frame)
        if observation == "state":
            seen = with_state(seen, episode.true_keypoints_m[index])
        models.append(observed_version(observation, seen))
        gripper = episode.gripper(index)
        steps.append(task.begin(gripper, seen) if index == 0 else task.advance(gripper, seen))
        if steps[-1].terminated:  # a person may take longer than the agent is given
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
