"""A training half done, in one file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from learners.keypoint.state_file import DAMAGED, load_state, save_state, why_damaged
from s3k_dist.errors import ConfigError, StorageError

CHECKPOINT_NAME = "training.pt"


class Resumable(Protocol):
    """A trainer that can say where it is, and go on from there."""

    def state_dict(self) -> dict[str, object]:
        """Where it is."""

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on from there."""


class TrainingCheckpoint:
    """A training half done, in one file.

    Args:
        path: of the file.
        of: what training it is; a checkpoint of another one is refused.
    """

    def __init__(self, path: Path, of: dict[str, Any]) -> None:
        self.path = path
        self._of = of

    def save(self, trainer: Resumable) -> None:
        """Keep where the trainer is, whole or not at all.

        Raises:
            StorageError: it cannot be written.
        """
        save_state(self.path, {"of": self._of, "trainer": trainer.state_dict()})

    def restore(self, trainer: Resumable) -> None:
        """Put the trainer where the file says, if there is one.

        Raises:
            StorageError: the file is damaged.
            ConfigError: it is of another training.
        """
        if not self.path.exists():
            return
        try:
            state = load_state(self.path)
            there = dict(state["of"])
            if there == self._of:
                trainer.load_state_dict(state["trainer"])
                return
        except DAMAGED as error:
            raise StorageError(
                f"{self.path} is no checkpoint: {why_damaged(error)}; delete it to begin anew"
            ) from error
        other = [f"{key} {there.get(key)}, here {value}" for key, value in self._of.items() if there.get(key) != value]
        raise ConfigError(
            f"{self.path} is of another training, with {'; '.join(other) or 'more settings'}: "
            "finish that one with its command, or delete the file"
        )
