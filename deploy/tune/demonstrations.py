"""Demonstrations of the scripted expert on true keypoints, seen with the same noise as the agent sees them."""

from pathlib import Path

from actors.insertion import InsertionConfig, InsertionTask
from actors.rollout import Rollout
from actors.sim.cell import CableCell, CableCellSpec
from actors.sim.expert import ExpertPolicy
from actors.sim.levels import at_level
from actors.sim.true_features import TrueFeatures
from learners.ddpg.offline import read_episodes, write_episodes
from s3k_dist.episodes import EpisodeChunk
from s3k_dist.errors import S3KError

IMAGE_PX = 64  # nothing is rendered
SEEDS = 800_000  # of demonstrations, away from those of training and evaluation
ATTEMPTS_EACH = 20


def unrendered_cell(level: str) -> CableCell:
    """A cell that costs its physics alone.

    Raises:
        ConfigError: there is no such level.
    """
    return CableCell(at_level(CableCellSpec(image_px=IMAGE_PX, rendered=False), level))


def demonstrate(level: str, noise_m: float, episodes: int, seed: int) -> list[EpisodeChunk]:
    """Successful episodes, by truth and by the task's own claim; the others are thrown away.

    Args:
        level: of the task.
        noise_m: standard deviation of each keypoint coordinate, metres.
        episodes: how many.
        seed: of starts and noise.

    Raises:
        S3KError: the expert succeeds too rarely.
    """
    cell = unrendered_cell(level)
    task = InsertionTask(InsertionConfig(), IMAGE_PX)
    features = TrueFeatures(cell, noise_m, seed)
    found: list[EpisodeChunk] = []
    try:
        for attempt in range(episodes * ATTEMPTS_EACH):
            expert = ExpertPolicy(cell)
            rollout = Rollout(cell, features, task, chunk_steps=1_000_000)
            outcome = rollout.run(expert, SEEDS + 1000 * ATTEMPTS_EACH * seed + attempt)
            if outcome.claimed and outcome.truly_inserted:
                found.extend(expert.chunks)
            if len(found) == episodes:
                return found
    finally:
        cell.stop()
    raise S3KError(f"the expert succeeded in {len(found)} of {episodes * ATTEMPTS_EACH} episodes of level {level!r}")


def kept_demonstrations(path: Path, level: str, noise_m: float, episodes: int, seed: int) -> list[EpisodeChunk]:
    """Those in a file, which is written first where it is missing.

    Raises:
        StorageError: the file is damaged or cannot be written.
        S3KError: the expert succeeds too rarely.
    """
    if not path.exists():
        write_episodes(path, demonstrate(level, noise_m, episodes, seed))
    return read_episodes(path)
