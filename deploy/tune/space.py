"""What is searched: ranges of the policy's settings, each around its default."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deploy.config import PolicyConfig
from deploy.tune.config import SearchConfig
from s3k_dist.errors import ConfigError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True)
class Span:
    """Numbers between two bounds, whole ones if both bounds are; evenly in the logarithm where ``log``."""

    low: float
    high: float
    log: bool = False

    def distribution(self) -> "BaseDistribution":
        """As Optuna draws it."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if isinstance(self.low, int) and isinstance(self.high, int):
            return IntDistribution(self.low, self.high, log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    values: tuple[Any, ...]

    def distribution(self) -> "BaseDistribution":
        """As Optuna draws it."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)


# Fields of PolicyConfig. Networks, pretraining and the kind of noise are left at their defaults.
SPACE: Mapping[str, Span | Choice] = {
    "actor_lr": Span(3e-5, 3e-3, log=True),
    "critic_lr": Span(1e-4, 3e-3, log=True),
    "gamma": Span(0.9, 0.995),  # an episode has up to 40 steps
    "n_step": Span(1, 10),  # 1: TD3; 10: DDPGfD
    "bc_coefficient": Span(0.1, 30.0, log=True),
    "bc_q_filter": Choice((False, True)),
    "demonstration_fraction": Span(0.0, 0.5),  # 0: by priority alone; 0.5: RLPD
    "exploration_sigma": Span(0.02, 0.3, log=True),
    "batch": Choice((64, 128, 256, 512)),
    "replay_ratio": Choice((0.5, 1.0, 2.0, 4.0)),
    "normalize_observations": Choice((False, True)),
}


def searched(config: SearchConfig) -> dict[str, Span | Choice]:
    """What a search draws: all but what was set by hand.

    Raises:
        ConfigError: everything was.
    """
    found = {name: span for name, span in SPACE.items() if name not in config.fixed}
    if not found:
        raise ConfigError("every setting is set by hand, nothing is left to search: leave out some --set")
    return found


def defaults(config: SearchConfig) -> dict[str, Any]:
    """The point of the space where the policy's own defaults are: what every search begins with."""
    policy = PolicyConfig()
    return {name: getattr(policy, name) for name in searched(config)}


def with_settings(config: SearchConfig, settings: Mapping[str, Any]) -> PolicyConfig:
    """The policy of a trial."""
    return PolicyConfig.model_validate({**config.policy.model_dump(), **settings})
