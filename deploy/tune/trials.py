"""What is known of each trial, one JSON file each, written as it goes: a killed search loses no finished trial."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from s3k_dist.atomic import write_atomic
from s3k_dist.errors import StorageError
from s3k_dist.folders import make_folder

State = Literal["running", "finished", "stopped", "failed"]


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        number: of the trial, from 0; names its file.
        settings: that were drawn.
        state: running, finished (judged on held-out episodes), stopped early, or failed.
        steps: environment steps at each report.
        rolling: success by truth of the last training episodes at each report.
        evaluation: success by truth of the held-out episodes; None if it was not finished.
        seconds: that it took.
        reason: why it failed.
    """

    number: int
    settings: Mapping[str, Any]
    state: State = "running"
    steps: list[int] = field(default_factory=list)
    rolling: list[float] = field(default_factory=list)
    evaluation: float | None = None
    seconds: float = 0.0
    reason: str = ""

    @property
    def score(self) -> float | None:
        """What the search goes by: held-out success, or the last rolling one of a trial that was stopped."""
        if self.evaluation is not None:
            return self.evaluation
        return self.rolling[-1] if self.rolling and self.state == "stopped" else None


class TrialFolder:
    """The trials of a search."""

    def __init__(self, folder: Path) -> None:
        """Raises StorageError: the folder cannot be made."""
        make_folder(folder)
        self._folder = folder

    def write(self, trial: Trial) -> None:
        """Keep what is known now, whole or not at all.

        Raises:
            StorageError: it cannot be written.
        """
        write_atomic(self._folder / f"{trial.number:05d}.json", json.dumps(asdict(trial), indent=1).encode())

    def read(self) -> list[Trial]:
        """All trials, by number.

        Raises:
            StorageError: a file is damaged; names it.
        """
        trials = []
        for path in sorted(self._folder.glob("[0-9]*.json")):
            try:
                trials.append(Trial(**json.loads(path.read_text())))
            except (OSError, ValueError, TypeError) as error:
                raise StorageError(f"{path} is not a trial: {error}; delete it to have it run again") from error
        return trials
