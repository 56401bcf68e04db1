"""Episode chunks: what a cell sends and the replay stores. NumPy only, so a cell needs no ray to make one."""

import hashlib
from dataclasses import dataclass

import numpy as np

from s3k_dist.errors import S3KError

MAX_CHUNK_STEPS = 10_000
MAX_ID_LENGTH = 256
# float32 tanh and a unit conversion may land a few ulp outside of [-1, 1].
ACTION_TOLERANCE = 1e-5


class EpisodeChunkError(S3KError):
    """A chunk that says something impossible; nothing of it is stored.

    Attributes:
        reason: short name to count by, such as "shape", "not_finite", "duplicate".
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, eq=False)
class EpisodeChunk:
    """Some consecutive steps of one episode; T steps.

    An episode is sent as any number of chunks. A chunk without steps may close an episode as truncated.

    Attributes:
        episode_id: names the episode among those of all cells.
        cell_id: where it was acted.
        observations: shape (T + 1, observation_size); the last row follows the last action.
        actions: shape (T, action_size), normalised to [-1, 1].
        rewards: shape (T,).
        terminated: the last step ended the task: no value beyond it.
        truncated: the episode was cut short after the last step: its value goes on (bootstraps).
        start_step: index within the episode of this chunk's first step.
        policy_version: version of the weights that acted, -1 if no published weights did.
        model_versions: int, shape (T,): version of the model that made the features of each observation; 0 if none did.
        success: the task's own verdict on a finished episode; None where there is none.
        intervened: bool, shape (T,): a person chose the action of this step; nobody did by default.
    """

    episode_id: str
    cell_id: str
    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    terminated: bool
    truncated: bool
    start_step: int
    policy_version: int
    model_versions: np.ndarray
    success: bool | None = None
    intervened: np.ndarray = None  # type: ignore[assignment]  # its default has the length of the others

    def __post_init__(self) -> None:
        if self.intervened is None:
            object.__setattr__(self, "intervened", np.zeros(_steps(self.rewards), dtype=bool))

    def __len__(self) -> int:
        """Number of steps T."""
        return len(self.rewards)

    @property
    def is_done(self) -> bool:
        """Whether the episode ends here."""
        return self.terminated or self.truncated

    def check(self, observation_size: int, action_size: int) -> None:
        """Refuse what cannot be true.

        Raises:
            EpisodeChunkError: an id is unusable, a shape or type does not fit, a number is not finite, an action leaves
                [-1, 1], the chunk is empty or too long.
        """
        for name, text in (("episode_id", self.episode_id), ("cell_id", self.cell_id)):
            if not isinstance(text, str) or not 0 < len(text) <= MAX_ID_LENGTH:
                raise EpisodeChunkError("id", f"{name} must be a text of 1 to {MAX_ID_LENGTH} characters, got {text!r}")
        where = f"chunk of episode {self.episode_id!r} from cell {self.cell_id!r}"
        if not (_is_count(self.start_step) and _is_integer(self.policy_version)):
            raise EpisodeChunkError(
                "step",
                f"{where}: start_step must be an integer from 0 and policy_version an integer, "
                f"got {self.start_step!r} and {self.policy_version!r}",
            )
        steps = _steps(self.rewards)
        for name, kinds, expected in (
            ("observations", "fiu", (steps + 1, observation_size)),
            ("actions", "fiu", (steps, action_size)),
            ("rewards", "fiu", (steps,)),
            ("model_versions", "iu", (steps,)),
            ("intervened", "b", (steps,)),
        ):
            array = getattr(self, name)
            if not isinstance(array, np.ndarray) or array.shape != expected or array.dtype.kind not in kinds:
                came = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
                raise EpisodeChunkError("shape", f"{where}: expected {name} of shape {expected}, got {came}")
            # A double beyond float32 would be stored as an infinity, hence the test on the narrower type.
            with np.errstate(over="ignore"):
                if not np.isfinite(array.astype(np.float32)).all():
                    raise EpisodeChunkError("not_finite", f"{where}: {name} holds values that are not finite")
        if steps > MAX_CHUNK_STEPS:
            raise EpisodeChunkError("length", f"{where}: {steps} steps, at most {MAX_CHUNK_STEPS} are taken")
        if steps == 0 and (self.terminated or not self.truncated):
            raise EpisodeChunkError("length", f"{where}: a chunk without steps may only truncate its episode")
        if steps and np.abs(self.actions).max(initial=0.0) > 1.0 + ACTION_TOLERANCE:
            raise EpisodeChunkError(
                "action_range", f"{where}: actions reach {np.abs(self.actions).max():.3g}, expected [-1, 1]"
            )


def episode_key(episode_id: str) -> int:
    """A number of 63 bits that stands for an episode's name where there is no room for the name."""
    digest = hashlib.blake2b(episode_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def _steps(rewards: object) -> int:
    return rewards.shape[0] if isinstance(rewards, np.ndarray) and rewards.ndim else 0


def _is_integer(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return _is_integer(value) and value >= 0  # type: ignore[operator]
