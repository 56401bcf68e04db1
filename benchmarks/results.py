"""What was measured, one JSON file each, with the machine and the libraries it was measured with."""

import json
import os
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from experiments.machine import machine
from s3k_dist.atomic import write_atomic
from s3k_dist.folders import make_folder

LIBRARIES = ("torch", "numpy", "gymnasium", "ray", "stable_baselines3", "mujoco")


class Results:
    """A folder of measurements."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, name: str) -> bool:
        """Whether it was measured."""
        return self._path(name).exists()

    def read(self, name: str) -> dict[str, Any] | None:
        """A measurement, if it was made."""
        if not self.has(name):
            return None
        found: dict[str, Any] = json.loads(self._path(name).read_text())
        return found

    def keep(self, name: str, values: dict[str, Any]) -> None:
        """Write a measurement, whole or not at all.

        Raises:
            StorageError: it cannot be written.
        """
        make_folder(self._path(name).parent)
        setting = {
            "machine": machine(),
            "libraries": versions(),
            "busy": round(os.getloadavg()[0], 1),
            "day": time.strftime("%Y-%m-%d"),
        }
        write_atomic(self._path(name), json.dumps({**values, **setting}, indent=1).encode())

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def versions() -> dict[str, str]:
    """Of the libraries that take part, those that are installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            continue
    return found
