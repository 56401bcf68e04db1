"""The state of a training in one file, read only if every byte is as it was written."""

import io
import pickle  # nosec B403  # only the name of its error
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from s3k_dist.atomic import write_atomic

# What loading, and taking what was loaded for a state, raise on a torn or foreign file.
DAMAGED = (
    OSError,
    EOFError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    IndexError,
    AttributeError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state, whole or not at all.

    Raises:
        StorageError: it cannot be written.
    """
    data = io.BytesIO()
    torch.save(dict(state), data)
    write_atomic(path, data.getvalue())


def load_state(path: Path) -> Any:
    """What :func:`save_state` wrote, on the CPU. Raises one of ``DAMAGED``."""
    data = path.read_bytes()
    # torch writes the sums of a zip archive, and reads past them: a flipped bit would be a weight.
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"{damaged} in it is not as it was written")
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def why_damaged(error: BaseException) -> str:
    """One of ``DAMAGED`` in one line."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
