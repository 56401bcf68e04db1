"""Holds a run's stream to its budgets while the run goes on."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from actors.recording import load_recording
from deploy.cells import MB
from deploy.config import StreamConfig
from deploy.run_folder import RunFolder
from s3k_dist.errors import S3KError
from s3k_dist.labels.store import load_labels
from s3k_dist.stream.retention import Retention
from s3k_dist.stream.retention_plan import RetentionPolicy

STOP_S = 5.0  # a pass may be under way; it is safe to leave it


class StreamKeeper:
    """Prunes in a thread, for as long as the block lasts; does nothing where the configuration sets no budget.

    Args:
        config: the budgets.
        folder: of the run.
        tell: takes what a person should know.
    """

    def __init__(self, config: StreamConfig, folder: RunFolder, tell: Callable[[str], None]) -> None:
        self._config = config
        self._folder = folder
        self._tell = tell
        self._told: set[str] = set()
        self._recorded: dict[str, frozenset[str]] = {}
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._config.max_mb is not None or self._config.max_age_s is not None:
            self._thread = threading.Thread(target=self._run, name="stream-keeper", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ending.set()
        if self._thread is not None:
            self._thread.join(STOP_S)

    def wanted(self) -> frozenset[str]:
        """The frames that something else of the run names."""
        return named_frames(self._folder, self._recorded)

    def _run(self) -> None:
        retention: Retention | None = None
        while not self._ending.wait(self._config.prune_every_s):
            try:
                retention = retention or Retention(self._folder.stream, retention_policy(self._config))
                report = retention.prune(self.wanted())
            except S3KError as error:
                self._tell_once(f"the stream was not pruned: {error}")
                continue
            for shard, reason in report.set_aside.items():
                self._tell_once(f"{shard} is damaged and was moved aside: {reason}")
            for cell in report.over_budget:
                self._tell_once(f"the frames of {cell} that labels and recordings name exceed stream.max_mb")

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._tell(text)


def named_frames(folder: RunFolder, known: dict[str, frozenset[str]] | None = None) -> frozenset[str]:
    """The frames that a run's or data set's labels and recorded episodes name.

    Args:
        folder: of it.
        known: what was read before, by file, and is not read again; files that are new are added.

    Raises:
        StorageError: the labels or a recording are damaged.
    """
    known = {} if known is None else known
    labelled = [label.frame for label in load_labels(folder.labels).labels] if folder.labels.exists() else []
    for path in folder.recordings.glob("*.npz"):
        if path.name not in known:
            episode = load_recording(path)
            known[path.name] = frozenset(f"{episode.cell_id}/{int(number):08d}" for number in episode.sequences)
    return frozenset(labelled).union(*known.values())


def retention_policy(config: StreamConfig) -> RetentionPolicy:
    """The budgets of a configuration."""
    return RetentionPolicy(
        max_bytes=None if config.max_mb is None else int(config.max_mb * MB),
        max_age_s=config.max_age_s,
        past_share=config.past_share,
        reservoir_frames=config.reservoir_frames,
        still_levels=config.still_levels,
        shard_frames=config.shard_frames,
        shard_bytes=int(config.shard_mb * MB),
    )
