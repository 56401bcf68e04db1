"""What a container allows counts, not what its host has; files that the kernel merely caches do not count as used."""

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from s3k_dist import memory

GIB = 2**30


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=64 * GIB))
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    return tmp_path


def limit(container: Path, limit: object, used: object) -> None:
    (container / "memory.max").write_text(f"{limit}\n")
    (container / "memory.current").write_text(f"{used}\n")


def test_without_a_container_the_machine_counts(container: Path) -> None:
    assert memory.available_bytes() == 64 * GIB


def test_a_container_without_limit_has_the_machine(container: Path) -> None:
    limit(container, "max", GIB)
    assert memory.available_bytes() == 64 * GIB


def test_a_limit_counts_and_cached_files_do_not(container: Path) -> None:
    limit(container, 8 * GIB, 7 * GIB)
    assert memory.available_bytes() == GIB
    (container / "memory.stat").write_text(f"anon {2 * GIB}\ninactive_file {4 * GIB}\n")
    assert memory.available_bytes() == 5 * GIB


def test_a_container_over_its_limit_has_nothing(container: Path) -> None:
    limit(container, GIB, 2 * GIB)
    assert memory.available_bytes() == 0
