"""How much memory this process may still take."""

from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")


def available_bytes() -> int:
    """What the machine has available, within the limit of a container (cgroup v2)."""
    available = int(psutil.virtual_memory().available)
    limit, used = _number("memory.max"), _number("memory.current")
    if limit is not None and used is not None:
        available = min(available, limit - used + _cached_files())
    return max(available, 0)


def _number(name: str) -> int | None:
    try:
        return int((CGROUP / name).read_text())
    except (OSError, ValueError):  # no container, or "max"
        return None


def _cached_files() -> int:
    """Files the kernel keeps because there is room, and drops when there is not; they count as used."""
    try:
        lines = (CGROUP / "memory.stat").read_text().splitlines()
        return int(dict(line.split() for line in lines)["inactive_file"])
    except (OSError, ValueError, KeyError):
        return 0
