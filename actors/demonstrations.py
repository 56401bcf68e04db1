"""Episodes through the eyes of a model that did not exist when they happened: features and rewards from their frames.

Recorded episodes become demonstrations once there is a keypoint model. Episodes that were learned from get the features
of the model that has replaced theirs.
"""

from collections.abc import Iterable

from actors.insertion import InsertionTask, TaskStep
from actors.observation import FeatureSource, observed_version, with_state
from actors.recording import RecordedEpisode
from actors.rollout import chunk_of_steps
from actors.track import Track
from s3k_dist.episodes import EpisodeChunk
from s3k_dist.features.types import FrameFeatures
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
    seen = (features.extract(frame) for frame in frames)
    if task.config.observation == "state":
        seen = (with_state(each, true_m) for each, true_m in zip(seen, episode.true_keypoints_m, strict=False))
    chunk = _retold(episode, seen, task)
    return chunk if chunk.success else None


def refreshed_chunk(
    track: Track, frames: Iterable[MultiViewFrame], features: FeatureSource, task: InsertionTask
) -> EpisodeChunk:
    """An episode as the task judges it by other features.

    Args:
        track: what the robot did.
        frames: its T + 1 frames, in order.
        features: the models.
        task: as the agent meets it.

    Returns:
        The episode up to the first end that these features see; cut short after its last step if they see none.
    """
    return _retold(track, (features.extract(frame) for frame in frames), task)


def _retold(episode: Track, features: Iterable[FrameFeatures], task: InsertionTask) -> EpisodeChunk:
    steps, models = list[TaskStep](), list[int]()
    for index, seen in enumerate(features):
        models.append(observed_version(task.config.observation, seen))
        gripper = episode.gripper(index)
        steps.append(task.begin(gripper, seen) if index == 0 else task.advance(gripper, seen))
        if steps[-1].terminated:  # a person may take longer than the agent is given, so truncation is no end here
            break
    return chunk_of_steps(
        episode.episode_id,
        episode.cell_id,
        steps,
        list(episode.actions[: len(steps) - 1]),
        models[:-1],
        start_step=0,
        policy_version=-1,
        truncated=not steps[-1].terminated,
        success=steps[-1].claimed,
    )
