"""The demonstrations of a search, made once and kept."""

from pathlib import Path

from actors.sim.demonstrate import ATTEMPTS_EACH, demonstrate, unrendered_cell
from learners.ddpg.offline import read_episodes, write_episodes
from s3k_dist.episodes import EpisodeChunk

SEEDS = 800_000  # of demonstrations, away from those of training and evaluation


def kept_demonstrations(path: Path, level: str, noise_m: float, episodes: int, seed: int) -> list[EpisodeChunk]:
    """Those in a file, which is written first where it is missing.

    Raises:
        ConfigError: there is no such level.
        StorageError: the file is damaged or cannot be written.
        S3KError: the expert succeeds too rarely.
    """
    if not path.exists():
        cell = unrendered_cell(level)
        try:
            first_seed = SEEDS + 1000 * ATTEMPTS_EACH * seed
            found, _ = demonstrate(cell, noise_m, episodes, first_seed=first_seed, noise_seed=seed)
        finally:
            cell.stop()
        write_episodes(path, found)
    return read_episodes(path)
