"""Builds the DDPG learner of a run from its folder."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gymnasium.spaces import Box
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.utils.metrics import LEARNER_RESULTS

from actors.insertion import ACTION_SIZE
from actors.observation import OBSERVATION_LIMIT
from deploy.config import RunConfig
from deploy.model_check import ModelCheck
from deploy.run_folder import RunFolder
from learners.ddpg.algorithm import DDPG
from learners.ddpg.config import DDPGConfig
from learners.ddpg.ingest import IngestEnvRunner, Refusals
from learners.ddpg.networks import ActorShape
from learners.ddpg.schedule import schedule_value
from s3k_dist.embeddings.encoder import ENCODER_KINDS
from s3k_dist.weights import WeightsRegistry


def build_algorithm(config: RunConfig, folder: RunFolder, checkpoint: Path | None) -> DDPG:
    """The DDPG learner, fed by cells, from a checkpoint on if there is one."""
    algorithm = algorithm_config(config).build_algo()
    kind = config.task.observation
    if kind != "state":  # the truth has no version
        registry = WeightsRegistry(folder.encoder(kind) if kind in ENCODER_KINDS else folder.models)
        algorithm.env_runner.inbox.require(ModelCheck(registry, config.policy.max_model_lag))
    if checkpoint is not None:
        algorithm.restore_from_path(str(checkpoint))
    return algorithm


def algorithm_config(config: RunConfig) -> DDPGConfig:
    """Settings of a learner without environment, fed by cells."""
    policy = config.policy
    return (
        DDPGConfig()
        .environment(
            observation_space=Box(-OBSERVATION_LIMIT, OBSERVATION_LIMIT, (config.task.observation_size,), np.float32),
            action_space=Box(-1.0, 1.0, (ACTION_SIZE,), np.float32),
        )
        .env_runners(env_runner_cls=IngestEnvRunner, num_env_runners=0)
        .training(
            gamma=policy.gamma,
            train_batch_size_per_learner=policy.batch,
            actor_lr=policy.actor_lr,
            critic_lr=policy.critic_lr,
            hidden_sizes=policy.hidden_sizes,
            n_step=policy.n_step,
            bc_coefficient=policy.bc_coefficient,
            bc_q_filter=policy.bc_q_filter,
            min_demonstration_fraction=policy.demonstration_fraction,
            demonstration_capacity=policy.demonstration_capacity,
            pretrain_updates=policy.pretrain_updates,
            learning_starts=0,
            replay_ratio=policy.replay_ratio,
            normalize_observations=policy.normalize_observations,
            exploration_noise=policy.exploration_noise,
            exploration_sigma=policy.exploration_sigma,
            max_feature_distance=policy.max_feature_distance,
            catch_up_updates=policy.catch_up_updates,
        )
        .debugging(log_level="ERROR", seed=config.seed)
    )


def actor_shape(config: RunConfig) -> ActorShape:
    """Shape of the actor that a run trains."""
    policy = config.policy
    size = config.task.observation_size
    return ActorShape(size, ACTION_SIZE, policy.hidden_sizes, policy.normalize_observations)


@dataclass(frozen=True)
class PolicyProgress:
    """How far the learner is.

    Attributes:
        numbers: counters, rolling means, and the losses of the last updates; by metric name.
        refused: what was turned away, by cell.
        news: since the progress before, for a person.
    """

    numbers: dict[str, float]
    refused: dict[str, Refusals]
    news: tuple[str, ...] = ()


def progress_of(algorithm: DDPG) -> PolicyProgress:
    """How far the learner is now."""
    means = algorithm.outcomes.means()
    # How the episodes went is counted where the truth is known.
    means.pop("success_rate", None)
    inbox = algorithm.env_runner.inbox
    numbers = {
        **means,
        "env_steps": float(algorithm.env_steps),
        "updates": float(algorithm.updates),
        "pretrain_updates": float(algorithm.pretrain_updates),
        "exploration_sigma": schedule_value(algorithm.config.exploration_sigma, algorithm.env_steps),
        "replay_size": float(algorithm.replay.agent_size),
        "replay_demonstrations": float(algorithm.replay.demonstration_size),
        **algorithm.feature_refresh.metrics(),
        "chunks_refused": float(sum(algorithm.replay.refused.values()) + sum(inbox.refused.values())),
    }
    losses = algorithm.metrics.peek((LEARNER_RESULTS, DEFAULT_MODULE_ID), default={})
    for name in ("critic_loss", "actor_loss", "bc_loss", "q_mean"):
        if name in losses:
            numbers[name] = float(losses[name])
    return PolicyProgress(numbers, inbox.refused_by_cell)
