"""Dataclasses of texts, whole numbers and arrays as .npz files: whole or not at all, and without pickle."""

import io
import struct
import zipfile
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from s3k_dist.archives import require_modest
from s3k_dist.atomic import write_atomic
from s3k_dist.errors import StorageError

Episode = TypeVar("Episode")
# What reading a torn or foreign .npz raises, from its index down to its arrays.
DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    MemoryError,
)


def save_fields(path: Path, episode: Any) -> None:
    """Write all fields of a dataclass.

    Raises:
        StorageError: it cannot be written.
    """
    data = io.BytesIO()
    np.savez_compressed(data, **{field.name: getattr(episode, field.name) for field in fields(episode)})
    write_atomic(path, data.getvalue())


def load_fields(path: Path, kind: type[Episode]) -> Episode:
    """Read a dataclass that ``save_fields`` wrote.

    Raises:
        StorageError: the file is missing or damaged.
    """
    try:
        # np.load would leave a file open that it opened and then could not read.
        with path.open("rb") as opened:
            require_modest(opened)
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            stored = {field.name: file[field.name] for field in fields(kind)}  # type: ignore[arg-type]
        for name, array in stored.items():
            if array.ndim == 0:  # a text or a whole number
                stored[name] = array.item()
    except DAMAGED as error:
        raise StorageError(f"{path} is not a recorded episode: {' '.join(str(error).split())}") from error
    return kind(**stored)
