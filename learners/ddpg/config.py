"""Settings of DDPG from demonstrations."""

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack, get_args

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.connectors.module_to_env import NormalizeAndClipActions
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from learners.ddpg.exploration import NoiseKind
from learners.ddpg.exploration_connector import ExploreActions
from learners.ddpg.learner import DDPGLearner
from learners.ddpg.module import DDPGModule, require_boxes
from learners.ddpg.schedule import Schedule, check_schedule
from s3k_dist.errors import ConfigError

if TYPE_CHECKING:
    from ray.rllib.env.single_agent_episode import SingleAgentEpisode

    from s3k_dist.episodes import EpisodeChunk

Demonstrations = Sequence["SingleAgentEpisode | EpisodeChunk"]


class DDPGSettings(TypedDict, total=False):
    """What ``DDPGConfig.training`` takes, besides what every RLlib algorithm takes (gamma, grad_clip, ...)."""

    actor_lr: float
    critic_lr: float
    tau: float
    twin_critic: bool
    target_noise: float
    actor_delay: int
    l2: float
    hidden_sizes: tuple[int, ...]
    layer_norm: bool
    normalize_observations: bool
    exploration_noise: NoiseKind
    exploration_sigma: Schedule
    random_steps: int
    n_step: int
    lambda_n: float
    replay_capacity: int
    demonstration_capacity: int
    priority_exponent: float
    importance_exponent: float
    priority_epsilon: float
    demonstration_bonus: float
    lambda_actor: float
    min_demonstration_fraction: float
    demonstration_fraction: float | None
    demonstrations: "Demonstrations | Callable[[], Demonstrations] | None"
    bc_coefficient: float
    bc_q_filter: bool
    pretrain_updates: int
    policy_gradient_starts: int
    learning_starts: int
    replay_ratio: float
    max_updates_per_step: int
    max_feature_distance: float
    catch_up_updates: int
    inbox_capacity: int
    gamma: float
    grad_clip: float | None
    train_batch_size_per_learner: int


class DDPGConfig(AlgorithmConfig):
    """Configuration of ``DDPG``; build it like any RLlib algorithm.

    DDPGConfig().environment("Pendulum-v1").training(gamma=0.98).build_algo()
    """

    def __init__(self, algo_class: type | None = None) -> None:
        """Defaults. "Measured" means on the 2-D reaching task of ``tests/learners/ddpg/test_learning.py``."""
        if algo_class is None:
            from learners.ddpg.algorithm import DDPG

            algo_class = DDPG
        super().__init__(algo_class=algo_class)

        # Networks and optimisers.
        self.actor_lr = 3e-4  # measured: at TD3's 1e-3 a cloned policy dips before it improves
        self.critic_lr = 1e-3  # TD3
        self.tau = 0.005  # TD3
        self.twin_critic = True  # TD3: the lower of two targets
        self.target_noise = 0.0  # as in the insertion probe; TD3 has 0.2
        self.actor_delay = 1  # TD3 has 2
        self.l2 = 1e-5  # insertion probe; DDPGfD regularises both networks
        self.hidden_sizes = (256, 256)  # TD3
        self.layer_norm = True  # of the critics; measured: keeps unseen actions from looking good (as RLPD found)
        self.normalize_observations = False  # measured: no better on Pendulum; Nair et al. 2018 have it on
        self.grad_clip = None
        self.train_batch_size_per_learner = 256  # TD3; rows of one gradient step

        # Exploration, in units of the normalised action.
        self.exploration_noise: NoiseKind = "gaussian"  # TD3; DDPG (Lillicrap et al. 2016) has "ornstein_uhlenbeck"
        # TD3; DDPG has 0.2. Or a schedule over environment steps: [[0, 0.3], [50_000, 0.05]].
        self.exploration_sigma: Schedule = 0.1
        # Uniform actions first, as many as learning_starts (Spinning Up); none if demonstrations are configured.
        self.random_steps = 1000

        # Replay.
        self.n_step = 5  # insertion probe, 20-step episodes
        self.lambda_n = 0.5  # insertion probe
        self.replay_capacity = 100_000
        self.demonstration_capacity = 10_000
        self.priority_exponent = 0.3  # DDPGfD
        self.importance_exponent = 0.4  # Schaul et al. 2016
        self.priority_epsilon = 1e-3
        self.demonstration_bonus = 0.1  # insertion probe
        self.lambda_actor = 0.0  # insertion probe; DDPGfD adds the squared action gradient
        self.min_demonstration_fraction = 0.0
        self.demonstration_fraction = None  # a fixed share instead, as RLPD's 0.5; DDPGfD leaves it to the priorities

        # Demonstrations.
        self.demonstrations = None
        self.bc_coefficient = 1.0  # measured: 0.1 loses more of the cloned policy
        self.bc_q_filter = True  # Nair et al. 2018
        self.pretrain_updates = 0
        self.policy_gradient_starts = 1000  # measured; with demonstrations: the critic must see failures first

        # Pace.
        self.learning_starts = 1000  # environment steps before the first update on them
        self.replay_ratio = 1.0  # updates for each environment step (TD3)
        self.max_updates_per_step = 32  # bounds training_step() to about half a second
        self.inbox_capacity = 1024  # chunks; more than a minute of 50 cells sending a chunk each 4 s

        # Observations that a model makes, which is replaced now and then (``feature_versions``).
        self.max_feature_distance = 0.05  # 1 mm of the insertion task's keypoints: about the noise between two frames
        self.catch_up_updates = 500  # on what was computed anew, before the policy acts on a model far from the last

        # RLlib's own.
        self.lr = None
        self.rollout_fragment_length = 8
        self.min_time_s_per_iteration = 1.0

    def training(self, **settings: Unpack[DDPGSettings]) -> Self:
        """Set what is named in ``DDPGSettings``.

        Raises:
            ConfigError: a setting is unknown; names those available.
        """
        own = {name: value for name, value in settings.items() if name in DDPGSettings.__annotations__}
        inherited = {name: value for name, value in settings.items() if name not in own}
        known = set(inspect.signature(AlgorithmConfig.training).parameters) - {"self", "kwargs"}
        if unknown := set(inherited) - known:
            available = ", ".join(sorted(DDPGSettings.__annotations__))
            raise ConfigError(f"DDPG has no setting {', '.join(sorted(unknown))}; available are {available}")
        super().training(**inherited)
        for name, value in own.items():
            setattr(self, name, value)
        return self

    def validate(self) -> None:
        """Refuse settings that cannot work together.

        Raises:
            ConfigError: says which setting, what it is and what it may be.
        """
        super().validate()
        for name in ("actor_lr", "critic_lr", "tau", "replay_ratio", "priority_epsilon"):
            self._require(name, getattr(self, name) > 0, "above 0")
        for name in ("n_step", "actor_delay", "replay_capacity", "max_updates_per_step", "inbox_capacity"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        for name in ("l2", "lambda_n", "lambda_actor", "bc_coefficient", "target_noise", "max_feature_distance"):
            self._require(name, getattr(self, name) >= 0, "at least 0")
        for name in (
            "pretrain_updates",
            "policy_gradient_starts",
            "learning_starts",
            "demonstration_capacity",
            "random_steps",
            "catch_up_updates",
        ):
            self._require(name, getattr(self, name) >= 0, "at least 0")
        for name in ("priority_exponent", "importance_exponent", "min_demonstration_fraction", "tau", "gamma"):
            self._require(name, 0 <= getattr(self, name) <= 1, "in [0, 1]")
        share = self.demonstration_fraction
        self._require("demonstration_fraction", share is None or 0 <= share <= 1, "None or in [0, 1]")
        check_schedule("exploration_sigma", self.exploration_sigma)
        kinds = get_args(NoiseKind)
        self._require("exploration_noise", self.exploration_noise in kinds, f"one of {', '.join(kinds)}")
        self._require("num_learners", self.num_learners <= 1, "0 or 1: the replay's priorities have one owner")
        self._require("normalize_actions", self.normalize_actions, "True: the actor's actions lie in [-1, 1]")
        self._require("grad_clip", self.grad_clip is None or self.grad_clip > 0, "None or above 0")
        if self.is_multi_agent:
            raise ConfigError(
                "DDPG trains one agent, this configuration has several: use one of RLlib's for them, as SAC"
            )
        if not (self.enable_rl_module_and_learner and self.enable_env_runner_and_connector_v2):
            raise ConfigError("DDPG runs on RLlib's new API stack alone: leave api_stack() at its defaults")
        if self.observation_space is not None and self.action_space is not None:
            require_boxes(self.observation_space, self.action_space)

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise ConfigError(f"{name} must be {expected}, got {getattr(self, name)!r}")

    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """The module of this algorithm."""
        return RLModuleSpec(module_class=DDPGModule)

    def get_default_learner_class(self) -> type[DDPGLearner]:
        """The learner of this algorithm."""
        return DDPGLearner

    def build_module_to_env_connector(self, env: Any = None, spaces: Any = None) -> Any:
        """RLlib's pipeline with the user's own pieces, then exploration, then scaling to the environment's bounds."""
        pipeline = super().build_module_to_env_connector(env=env, spaces=spaces)
        # Who builds the whole pipeline also explores in it.
        if self.add_default_connectors_to_module_to_env_pipeline:
            explore = ExploreActions(
                noise=self.exploration_noise,
                sigma=self.exploration_sigma,
                # A demonstrated task is explored around what was cloned, not by flailing.
                random_steps=self.random_steps if self.demonstrations is None else 0,
            )
            pipeline.insert_before(NormalizeAndClipActions, explore)
        return pipeline

    @property
    def network_settings(self) -> dict[str, Any]:
        """Those that decide which weights there are; a checkpoint fits no other ones."""
        names = ("hidden_sizes", "layer_norm", "twin_critic", "normalize_observations")
        return {name: getattr(self, name) for name in names}

    @property
    def _model_config_auto_includes(self) -> dict[str, Any]:
        own = {**self.network_settings, "target_noise": self.target_noise}
        return {**super()._model_config_auto_includes, **own}
