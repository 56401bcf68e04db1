"""A data set is a folder with a stream and its labels. The folder of a run is one, too."""

from dataclasses import dataclass
from pathlib import Path

from s3k_dist.errors import StorageError
from s3k_dist.folders import make_folder
from s3k_dist.labels.store import LabelFile, load_labels
from s3k_dist.stream.reader import StreamReader


@dataclass(frozen=True)
class DatasetFolder:
    """Paths of one data set.

    Attributes:
        root: the data set's folder.
    """

    root: Path

    @property
    def stream(self) -> Path:
        """Shards of all cells (`stream/shard.py`)."""
        return self.root / "stream"

    @property
    def labels(self) -> Path:
        """The labels (`labels/store.py`); missing where nothing is labelled."""
        return self.root / "labels.json"

    def create(self) -> None:
        """Make the folders.

        Raises:
            StorageError: they cannot be made.
        """
        make_folder(self.stream)

    def open_stream(self) -> StreamReader:
        """All frames of the data set.

        Raises:
            StorageError: there are none, or a shard is damaged.
        """
        if not self.stream.is_dir():
            raise StorageError(
                f"{self.root} is no data set: it has no folder {self.stream.name}; "
                "`s3k collect` and `s3k import` make data sets"
            )
        reader = StreamReader(self.stream)
        reader.refresh()
        for path, reason in reader.damaged.items():
            raise StorageError(f"{path} is damaged: {reason}; without this file the other frames can be read")
        if len(reader) == 0:
            raise StorageError(f"{self.stream} holds no frames")
        return reader

    def read_labels(self) -> LabelFile | None:
        """The labels; None where nothing is labelled.

        Raises:
            StorageError: the file is damaged.
        """
        return load_labels(self.labels) if self.labels.exists() else None
