"""The actor as a cell runs it: no ray, no critic, no shared random state.

policy = load_policy(path)                 # or Policy(shape, seed=cell_number)
policy.load(weights)                       # whenever weights.version differs from policy.version
policy.begin_episode()
action = policy.act(observation, explore=True, sigma=0.1)
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from learners.ddpg.exploration import NoiseKind, exploration_noise
from learners.ddpg.networks import Actor, ActorShape
from s3k_dist.atomic import write_atomic
from s3k_dist.errors import ConfigError, StorageError


@dataclass(frozen=True, eq=False)
class PolicyWeights:
    """One published set of actor weights.

    Attributes:
        version: counts publications of one learner. It falls when a learner is rolled back, so a cell takes any version
            that differs from its own, not only a higher one.
        arrays: the state dict of ``Actor``, float32 arrays by name, with the statistics to normalise observations by if
            it does. Not to be written to.
        env_steps: environment steps that the learner had received: the time of a schedule.
        fitting: models on whose features they have learned to act; None: any.
    """

    version: int
    arrays: dict[str, np.ndarray]
    env_steps: int = 0
    fitting: frozenset[int] | None = None


class Policy:
    """Maps observations to actions in [-1, 1], one at a time."""

    def __init__(self, shape: ActorShape, seed: int | None = None, noise: NoiseKind = "gaussian") -> None:
        """Build an actor with random weights, version -1.

        Args:
            shape: must be that of the learner's actor.
            seed: of the exploration noise, which is this policy's own.
            noise: kind of that noise.

        Raises:
            ConfigError: there is no such noise.
        """
        self.shape = shape
        self.version = -1
        self.fitting: frozenset[int] | None = None
        self._actor = Actor(shape).eval().requires_grad_(False)
        self._noise = exploration_noise(noise, shape.action_size, np.random.default_rng(seed))

    def begin_episode(self) -> None:
        """Forget the episode before: noise that is correlated in time starts from 0."""
        self._noise.begin_episode()

    def act(self, observation: np.ndarray, explore: bool = False, sigma: float = 0.0) -> np.ndarray:
        """Choose an action.

        Args:
            observation: flat, shape (observation_size,).
            explore: add noise.
            sigma: strength of that noise, in units of the normalised action; see ``learners.ddpg.exploration``.

        Returns:
            float32, shape (action_size,), in [-1, 1].

        Raises:
            ConfigError: the observation has another shape, or holds a NaN or an infinity.
        """
        flat = np.ascontiguousarray(observation, dtype=np.float32)
        if flat.shape != (self.shape.observation_size,):
            raise ConfigError(
                f"the policy takes observations of shape ({self.shape.observation_size},), got {flat.shape}"
            )
        if not np.isfinite(flat).all():
            raise ConfigError(f"observation entries {np.flatnonzero(~np.isfinite(flat)).tolist()} are not finite")
        with torch.inference_mode():
            action: np.ndarray = self._actor(torch.from_numpy(flat)[None])[0].numpy()
        if explore:
            action = action + self._noise.sample(sigma)
        return np.clip(action, -1.0, 1.0)

    def load(self, weights: PolicyWeights) -> None:
        """Take over published weights, all or none.

        Raises:
            ConfigError: names, shapes or values do not fit this actor; the old weights stay.
        """
        expected = {name: tuple(tensor.shape) for name, tensor in self._actor.state_dict().items()}
        offered = {name: tuple(array.shape) for name, array in weights.arrays.items()}
        if offered != expected:
            raise ConfigError(f"weights version {weights.version} do not fit: expected {expected}, got {offered}")
        if not all(np.isfinite(array).all() for array in weights.arrays.values()):
            raise ConfigError(f"weights version {weights.version} hold values that are not finite")
        if not (weights.arrays.get("normalizer.deviation", np.ones(1)) > 0).all():
            raise ConfigError(f"weights version {weights.version} normalise observations with a deviation of 0 or less")
        self._actor.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.arrays.items()})
        self.version, self.fitting = weights.version, weights.fitting

    def weights(self) -> PolicyWeights:
        """A copy of the weights in use."""
        arrays = {name: tensor.numpy().copy() for name, tensor in self._actor.state_dict().items()}
        return PolicyWeights(self.version, arrays, fitting=self.fitting)


def save_policy(path: Path, shape: ActorShape, weights: PolicyWeights) -> None:
    """Write an actor that ``load_policy`` can run with nothing else: safetensors, whole or not at all.

    Raises:
        StorageError: the file cannot be written.
    """
    metadata = {"shape": json.dumps(asdict(shape)), "version": str(weights.version)}
    write_atomic(path, save({name: np.ascontiguousarray(a) for name, a in weights.arrays.items()}, metadata=metadata))


def load_policy(path: Path, seed: int | None = None) -> Policy:
    """Read an actor written by ``save_policy``.

    Raises:
        StorageError: the file is missing, damaged, or not an actor.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            fields = json.loads(metadata["shape"])
            shape = ActorShape(**{**fields, "hidden_sizes": tuple(fields["hidden_sizes"])})
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
        policy = Policy(shape, seed)
        policy.load(PolicyWeights(int(metadata["version"]), arrays))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, ConfigError) as error:
        raise StorageError(f"{path} is not a saved policy: {error}") from error
    return policy
