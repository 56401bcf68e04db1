"""DDPG from demonstrations as an RLlib algorithm: gather, store, learn, publish."""

import logging
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.core import COMPONENT_LEARNER, COMPONENT_RL_MODULE, DEFAULT_MODULE_ID
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from ray.rllib.utils.metrics import (
    ENV_RUNNER_RESULTS,
    LEARNER_RESULTS,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    TD_ERROR_KEY,
)

from learners.ddpg.checkpoint import read_progress, write_progress
from learners.ddpg.config import DDPGConfig, Demonstrations
from learners.ddpg.episodes import chunk_from_episode
from learners.ddpg.feature_refresh import FeatureRefresh
from learners.ddpg.ingest import IngestEnvRunner
from learners.ddpg.module import ACTOR_PREFIX
from learners.ddpg.outcomes import EpisodeOutcomes
from learners.ddpg.policy import PolicyWeights
from learners.ddpg.replay import DemonstrationReplay
from learners.ddpg.sampling import sample_episodes
from learners.ddpg.schedule import schedule_value
from s3k_dist.episodes import EpisodeChunk, EpisodeChunkError
from s3k_dist.errors import ConfigError, StorageError

logger = logging.getLogger(__name__)

IDLE_WAIT_S = 0.05
COUNTERS = ("env_steps", "updates", "pretrain_updates", "policy_version")
SETTINGS, OUTCOMES, FEATURES = "networks", "outcomes", "features"


class DDPG(Algorithm):
    """Learns from environments that RLlib steps, or from episodes that cells push (``IngestEnvRunner``).

    Attributes:
        replay: the stored transitions.
        outcomes: how the last episodes went.
        feature_refresh: where new features of stored episodes are handed in.
        env_steps: environment steps received.
        updates: gradient steps taken on experience.
        pretrain_updates: gradient steps taken on demonstrations before that.
        policy_version: counts publications of the actor's weights.
    """

    @classmethod
    def get_default_config(cls) -> DDPGConfig:
        """The default configuration."""
        return DDPGConfig()

    def setup(self, config: DDPGConfig) -> None:
        """Build runners and learner, then the replay, and load the configured demonstrations.

        Raises:
            ConfigError: a space or setting does not fit.
            PreflightError: the replay does not fit into memory.
        """
        super().setup(config)
        observation_space, action_space = self.env_runner_group.get_spaces()[DEFAULT_MODULE_ID]
        self.replay = DemonstrationReplay(
            observation_size=observation_space.shape[0],
            action_size=math.prod(action_space.shape),
            capacity=self.config.replay_capacity,
            demonstration_capacity=self.config.demonstration_capacity,
            n_step=self.config.n_step,
            gamma=self.config.gamma,
            priority_exponent=self.config.priority_exponent,
            importance_exponent=self.config.importance_exponent,
            seed=self.config.seed,
        )
        self.outcomes = EpisodeOutcomes(self.config.metrics_num_episodes_for_smoothing)
        self.feature_refresh = FeatureRefresh(
            self.replay, self.config.max_feature_distance, self.config.catch_up_updates
        )
        self.env_steps = 0
        self.updates = 0
        self.pretrain_updates = 0
        self.policy_version = 0
        demonstrations = self.config.demonstrations
        if demonstrations is not None:
            self.load_demonstrations(demonstrations() if callable(demonstrations) else demonstrations)
        if self.pretrain_updates >= self.config.pretrain_updates:
            self._publish_weights()

    def load_demonstrations(self, episodes: Demonstrations) -> int:
        """Store demonstrations for good.

        Args:
            episodes: whole episodes, RLlib's or chunks from step 0, with actions normalised to [-1, 1].

        Returns:
            How many transitions were stored.

        Raises:
            EpisodeChunkError: an episode is malformed; those before it are stored.
            ConfigError: ``demonstration_capacity`` is too small.
        """
        stored = sum(self.replay.add_demonstration(_as_chunk(episode, "demonstration")) for episode in episodes)
        logger.info("%d demonstration transitions loaded, %d in replay", stored, self.replay.demonstration_size)
        return stored

    def training_step(self) -> None:
        """Gather what came, learn as much as is due, publish. Returns within about a second.

        Call it directly for a finer pace than ``train()``, which repeats it for ``min_time_s_per_iteration``.
        """
        cloned = self.pretrain_updates >= self.config.pretrain_updates
        if self.feature_refresh.take() and cloned:
            self._publish_weights()
        if not cloned:
            self._pretrain()
            return
        self._store(self._gather())
        due = self._updates_due()
        if due:
            self._learn(due)
            self.updates += self.feature_refresh.count(due)
            self._publish_weights()
        else:
            self._wait_for_experience()
        self._log_progress()

    def _pretrain(self) -> None:
        if self.replay.demonstration_size == 0:
            raise ConfigError(
                f"pretrain_updates is {self.config.pretrain_updates}, but there are no demonstrations: "
                "set demonstrations=..., or call load_demonstrations(...) before training"
            )
        if self.replay.drawable == 0:  # the model that made them has just been replaced
            time.sleep(IDLE_WAIT_S)
            return
        steps = min(self.config.max_updates_per_step, self.config.pretrain_updates - self.pretrain_updates)
        self._learn(steps, pretraining=True)
        self.pretrain_updates += steps
        # Cells must not act on a half-cloned policy: the first weights go out when pretraining is done.
        if self.pretrain_updates >= self.config.pretrain_updates:
            self._publish_weights()
        self._log_progress()

    def _gather(self) -> list[Any]:
        episodes, metrics = sample_episodes(self.env_runner_group)
        if metrics:
            self.metrics.aggregate(metrics, key=ENV_RUNNER_RESULTS)
        return episodes

    def _store(self, episodes: Iterable[Any]) -> None:
        for episode in episodes:
            chunk = _as_chunk(episode, "env")
            try:
                self.replay.add(chunk)
            except EpisodeChunkError as error:
                logger.warning("refused: %s", error)
                continue
            self.env_steps += len(chunk)
            self.outcomes.record(chunk, self.policy_version)

    def _updates_due(self) -> int:
        """Updates that are to catch up with new features, or that the replay ratio allows now, and one call takes."""
        if self.replay.drawable == 0:
            return 0
        owed = int(self.config.replay_ratio * max(self.env_steps - self.config.learning_starts, 0)) - self.updates
        return max(min(self.feature_refresh.owed or owed, self.config.max_updates_per_step), 0)

    def _learn(self, steps: int, pretraining: bool = False) -> None:
        rows = self.config.train_batch_size_per_learner
        fixed = None if pretraining else self.config.demonstration_fraction
        least = 1.0 if pretraining else self.config.min_demonstration_fraction
        sample = self.replay.sample(steps, rows, least if fixed is None else fixed, exactly=fixed is not None)
        results = self.learner_group.update(
            batch=MultiAgentBatch({DEFAULT_MODULE_ID: SampleBatch(sample.columns)}, env_steps=steps * rows),
            minibatch_size=rows,
            timesteps={NUM_ENV_STEPS_SAMPLED_LIFETIME: self.env_steps},
            cloning_only=pretraining or self._critic_is_green(),
            observation_moments=self.replay.statistics.moments() if self.config.normalize_observations else None,
        )
        series = results[0][DEFAULT_MODULE_ID].pop(TD_ERROR_KEY).peek()
        self.replay.update_priorities(sample.slots, np.concatenate([np.asarray(part) for part in series]))
        self.metrics.aggregate(results, key=LEARNER_RESULTS)

    def _critic_is_green(self) -> bool:
        """Whether the critic knows little but demonstrations: it has seen no failure and finds every action good."""
        return self.replay.demonstration_size > 0 and self.env_steps < self.config.policy_gradient_starts

    def _publish_weights(self) -> None:
        """Hand the actor's weights to whoever acts."""
        self.policy_version += 1
        group = self.env_runner_group
        runner = group.local_env_runner
        if isinstance(runner, IngestEnvRunner):
            runner.publish(self.policy_weights)
            return
        # Without a sequence number a runner takes the weights whatever it had before, as it must after a roll-back.
        state = {COMPONENT_RL_MODULE: self._module_state(), NUM_ENV_STEPS_SAMPLED_LIFETIME: self.env_steps}
        if group.num_remote_env_runners() == 0:
            runner.set_state(state)
        else:
            group.foreach_env_runner_async_fetch_ready(
                func="set_state", tag="set_state", kwargs={"state": state}, timeout_seconds=0.0
            )

    def _wait_for_experience(self) -> None:
        runner = self.env_runner_group.local_env_runner
        if isinstance(runner, IngestEnvRunner):
            runner.inbox.wait(IDLE_WAIT_S)
        elif self.env_runner_group.num_remote_env_runners():
            time.sleep(IDLE_WAIT_S / 10)

    def _log_progress(self) -> None:
        progress: dict[str, float] = {
            **self.outcomes.means(),
            "exploration_sigma": schedule_value(self.config.exploration_sigma, self.env_steps),
            "env_steps": self.env_steps,
            "episodes": self.outcomes.episodes,
            "updates": self.updates,
            "pretrain_updates": self.pretrain_updates,
            "policy_version": self.policy_version,
            "replay_agent_size": self.replay.agent_size,
            **self.feature_refresh.metrics(),
            "replay_demonstration_size": self.replay.demonstration_size,
            "interventions_spilled": self.replay.spilled,
            "replay_open_episodes": self.replay.open_episodes,
            "chunks_refused": sum(self.replay.refused.values()),
        }
        runner = self.env_runner_group.local_env_runner
        if isinstance(runner, IngestEnvRunner):
            progress["chunks_refused"] += sum(runner.inbox.refused.values())
            progress["chunks_dropped"] = runner.inbox.dropped
            progress["chunks_waiting"] = len(runner.inbox)
        self.metrics.log_dict(progress, key="ddpg", window=1)

    @property
    def policy_weights(self) -> PolicyWeights:
        """The actor's weights as they are now, under the version last published."""
        arrays = _actor_arrays(self._module_state()[DEFAULT_MODULE_ID])
        return PolicyWeights(self.policy_version, arrays, self.env_steps, self.feature_refresh.versions.fitting)

    def _module_state(self) -> dict[str, Any]:
        component = f"{COMPONENT_LEARNER}/{COMPONENT_RL_MODULE}"
        state = self.learner_group.get_state(components=component, inference_only=True)
        module: dict[str, Any] = state[COMPONENT_LEARNER][COMPONENT_RL_MODULE]
        return module

    def save_to_path(self, path: Any = None, **kwargs: Any) -> str:
        """Save all it takes to go on exactly: RLlib's state, replay with priorities, counters, random states.

        Overwriting a folder is not atomic; ``learners.ddpg.checkpoint.save_checkpoint`` is.

        Raises:
            StorageError: a file cannot be written.
        """
        folder = Path(super().save_to_path(path, **kwargs))
        if "state" not in kwargs:
            write_progress(folder, self.replay.get_state(), self._progress())
        return str(folder)

    def restore_from_path(self, path: Any, *args: Any, **kwargs: Any) -> None:
        """Go on from a saved state, newer or older than the present one.

        Raises:
            StorageError: replay or counters are missing or damaged, or the checkpoint was made under other networks:
                resuming without them would not be resuming. Nothing has changed then.
        """
        if kwargs.get("component") is not None:
            super().restore_from_path(path, *args, **kwargs)
            return
        replay_state, progress = read_progress(Path(path), self._progress())
        # First what may be refused, and must leave the weights alone then. RLlib itself would keep random weights,
        # without a word, for what a checkpoint lacks.
        if progress[SETTINGS] != self._network_settings():
            raise StorageError(
                f"{path} was saved with networks {progress[SETTINGS]}, this algorithm has {self._network_settings()}"
            )
        self.replay.set_state(replay_state)
        self.outcomes.set_state(progress[OUTCOMES])
        self.feature_refresh.versions.set_state(progress[FEATURES])
        super().restore_from_path(path, *args, **kwargs)
        newest_version = max(self.policy_version, progress["policy_version"])
        for name in COUNTERS:
            setattr(self, name, int(progress[name]))
        if self.pretrain_updates >= self.config.pretrain_updates:
            # Cells that outlived the roll-back must see a version they do not have.
            self.policy_version = newest_version
            self._publish_weights()

    def _progress(self) -> dict[str, Any]:
        counters = {name: getattr(self, name) for name in COUNTERS}
        return {
            **counters,
            SETTINGS: self._network_settings(),
            OUTCOMES: self.outcomes.get_state(),
            FEATURES: self.feature_refresh.versions.get_state(),
        }

    def _network_settings(self) -> dict[str, Any]:
        return {**self.config.network_settings, "hidden_sizes": list(self.config.hidden_sizes)}

    def _create_local_replay_buffer_if_necessary(self, config: DDPGConfig) -> None:
        """None of RLlib's buffers: ``replay`` is built once the spaces are known."""


def _as_chunk(episode: Any, cell_id: str) -> EpisodeChunk:
    return episode if isinstance(episode, EpisodeChunk) else chunk_from_episode(episode, cell_id)


def _actor_arrays(module_state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The actor's part of a module state, under the names that ``networks.Actor`` uses. Copies."""
    return {
        name.removeprefix(ACTOR_PREFIX): np.array(array)
        for name, array in module_state.items()
        if name.startswith(ACTOR_PREFIX)
    }
