"""Demonstrations of the scripted expert on true keypoints, seen with the same noise as the agent sees them."""

from actors.insertion import InsertionConfig, InsertionTask
from actors.rollout import EpisodeOutcome, Rollout
from actors.sim.cell import CableCell, CableCellSpec
from actors.sim.expert import ExpertPolicy
from actors.sim.levels import at_level
from actors.sim.true_features import TrueFeatures
from s3k_dist.episodes import EpisodeChunk
from s3k_dist.errors import S3KError

IMAGE_PX = 64  # nothing is rendered
ATTEMPTS_EACH = 20
WHOLE_EPISODE = 1_000_000  # steps of a chunk


def unrendered_cell(level: str) -> CableCell:
    """A cell that costs its physics alone.

    Raises:
        ConfigError: there is no such level.
    """
    return CableCell(at_level(CableCellSpec(image_px=IMAGE_PX, rendered=False), level))


def demonstrate(
    cell: CableCell, noise_m: float, episodes: int, *, first_seed: int, noise_seed: int
) -> tuple[list[EpisodeChunk], list[EpisodeOutcome]]:
    """Successful episodes, by truth and by the task's own claim, and how all went that it took.

    Args:
        cell: of the task's level.
        noise_m: standard deviation of each keypoint coordinate, metres.
        episodes: how many.
        first_seed: of the starts, which count up.
        noise_seed: of the noise.

    Raises:
        S3KError: the expert succeeds too rarely.
    """
    task = InsertionTask(InsertionConfig(), cell.cameras[0].width_px)
    expert = ExpertPolicy(cell)
    rollout = Rollout(cell, TrueFeatures(cell, noise_m, noise_seed), task, chunk_steps=WHOLE_EPISODE)
    found, outcomes = list[EpisodeChunk](), list[EpisodeOutcome]()
    while len(found) < episodes:
        if len(outcomes) == episodes * ATTEMPTS_EACH:
            raise S3KError(
                f"the expert succeeded in {len(found)} of {len(outcomes)} episodes; "
                f"{episodes} demonstrations are wanted"
            )
        outcomes.append(rollout.run(expert, first_seed + len(outcomes)))
        if outcomes[-1].claimed and outcomes[-1].truly_inserted:
            found.append(expert.chunks[-1])
    return found, outcomes
