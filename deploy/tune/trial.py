"""One trial: a policy trained on the insertion task with true keypoints, in one process, and judged by truth."""

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from actors.insertion import InsertionConfig, InsertionTask
from actors.rollout import Rollout
from actors.sim.demonstrate import IMAGE_PX, unrendered_cell
from actors.sim.true_features import TrueFeatures
from deploy.config import PolicyConfig, RunConfig
from deploy.in_place import LearnsInPlace
from deploy.policy import algorithm_config
from deploy.tune.config import SearchConfig
from s3k_dist.episodes import EpisodeChunk

TRAINING_SEEDS, HELD_OUT_SEEDS = 100_000, 900_000
CHUNK_STEPS = 8


def train_trial(
    search: SearchConfig,
    policy: PolicyConfig,
    demonstrations: Sequence[EpisodeChunk],
    seed: int,
    report: Callable[[int, float], None],
) -> float:
    """Train, then play the held-out episodes.

    Args:
        search: level, noise, and how often to report.
        policy: of this trial.
        demonstrations: to clone.
        seed: of networks, exploration, starts and noise.
        report: called with environment steps and the rolling success, by truth, of the last training episodes; it may
            end the trial by raising.

    Returns:
        Share of the held-out episodes that succeed by truth, without exploration.
    """
    config = RunConfig(seed=seed, policy=policy)
    cell = unrendered_cell(search.level)
    task = InsertionTask(InsertionConfig(), IMAGE_PX)
    rollout = Rollout(cell, TrueFeatures(cell, search.noise_mm * 1e-3, seed), task, chunk_steps=CHUNK_STEPS)
    algorithm = algorithm_config(config).training(demonstrations=demonstrations).build_algo()
    try:
        while algorithm.pretrain_updates < policy.pretrain_updates:
            algorithm.training_step()
        acting = LearnsInPlace(algorithm, config, seed)
        succeeded: deque[bool] = deque(maxlen=search.window)
        episode, reported = 0, 0
        while algorithm.env_steps < policy.env_steps:
            outcome = rollout.run(acting, seed * 1_000_000 + TRAINING_SEEDS + episode)
            episode += 1
            succeeded.append(outcome.truly_inserted)
            # All but the last report, which is that of the held-out episodes.
            due = min(algorithm.env_steps * search.reports // policy.env_steps, search.reports - 1)
            while reported < due:
                reported += 1
                report(algorithm.env_steps, float(np.mean(succeeded)))
        acting.exploring = False
        played = [
            # The same starts for every trial.
            rollout.run(acting, search.seed * 1_000_000 + HELD_OUT_SEEDS + number).truly_inserted
            for number in range(search.evaluation_episodes)
        ]
        return float(np.mean(played))
    finally:
        algorithm.stop()
        cell.stop()
