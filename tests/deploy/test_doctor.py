"""The doctor: says what is missing and what to do, and stops a run before it starts."""

import shutil
import socket
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from deploy import checks as machine
from deploy.checks import Check
from deploy.doctor import checks, preflight, run_doctor
from s3k_dist.errors import PreflightError

GIB = 2**30
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def renders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares a test that is about something else the seconds of real rendering."""
    monkeypatch.setattr("deploy.doctor.check_rendering", lambda: Check("rendering", True, "some renderer"))


def test_this_machine_passes_and_every_note_says_what_to_do(tmp_path: Path) -> None:
    found = {check.name: check for check in checks(tmp_path / "runs")}
    for name in ("Python", "packages", "run folder", "loopback", "rendering"):
        assert found[name].ok, found[name]
    assert "torch" in found["packages"].detail
    assert all(check.advice for check in found.values() if not check.ok)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("broken", ["bogus", "osmesa"])
def test_broken_opengl_is_named_with_what_to_install(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUJOCO_GL", broken)
    monkeypatch.setenv("PYOPENGL_PLATFORM", "nothing")
    with pytest.raises(PreflightError, match=f"(?s)rendering.*{broken}.*apt-get install libegl1") as refused:
        preflight(tmp_path)
    assert "\n" not in str(refused.value)


def test_opengl_that_crashes_the_process_is_a_failed_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    crash = tmp_path / "crash"
    crash.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crash.chmod(0o755)
    monkeypatch.setattr(machine.sys, "executable", str(crash))
    check = machine.check_rendering()
    assert check.ok is False
    assert check.detail == "crashed (SIGSEGV)"


def test_opengl_that_hangs_is_a_failed_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hang = tmp_path / "hang"
    hang.write_text("#!/bin/sh\nexec sleep 60\n")
    hang.chmod(0o755)
    monkeypatch.setattr(machine.sys, "executable", str(hang))
    monkeypatch.setattr(machine, "PROBE_DEADLINE_S", 0.2)
    assert machine.check_rendering().detail == "no answer within 0.2 s"


@pytest.mark.usefixtures("renders")
def test_a_machine_that_is_well_may_run(tmp_path: Path) -> None:
    preflight(tmp_path / "runs" / "first")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("renders")
def test_a_file_in_the_way_stops_a_run(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(PreflightError, match="runs is a file"):
        preflight(tmp_path / "runs" / "first")


@pytest.mark.usefixtures("renders")
def test_a_read_only_folder_stops_a_run() -> None:
    with pytest.raises(PreflightError, match=r"cannot write /proc.*choose a folder"):
        preflight(Path("/proc/runs"))


@pytest.mark.usefixtures("renders")
def test_a_full_disk_stops_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(100 * GIB, 99.9 * GIB, 0.1 * GIB))
    with pytest.raises(PreflightError, match=r"disk: 0.1 GiB free"):
        preflight(tmp_path)


@pytest.mark.usefixtures("renders")
def test_too_little_memory_stops_a_run_and_little_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=5 * GIB))
    assert machine.check_memory().ok is None
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1 * GIB))
    with pytest.raises(PreflightError, match=r"memory: 1.0 GiB free"):
        preflight(tmp_path)


@pytest.mark.usefixtures("renders")
def test_no_loopback_stops_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(PreflightError, match=r"loopback.*Permission denied"):
        preflight(tmp_path)


def test_missing_and_outdated_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        machine.metadata, "requires", lambda name: ["torch<2", "no-such-package>=1", "x; extra == 'dev'"]
    )
    check = machine.check_packages()
    assert check.ok is False
    assert "torch is 2" in check.detail
    assert "no-such-package is missing" in check.detail
    assert "constraints.txt" in check.advice


def test_threads_beyond_the_cores_are_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4096")
    check = machine.check_load()
    assert check.ok is None
    assert "unset OMP_NUM_THREADS" in check.advice


@pytest.mark.usefixtures("renders")
def test_the_page_of_the_doctor_and_its_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("deploy.doctor.check_pylon", lambda: Check("pylon", None, "not installed", "only for cameras"))
    assert run_doctor(tmp_path) == 0
    assert "ready" in capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "200")
    broken = Check("rendering", False, "no picture", "apt-get install [something]")
    monkeypatch.setattr("deploy.doctor.check_rendering", lambda: broken)
    assert run_doctor(tmp_path) == 1
    out = capsys.readouterr().out
    assert "no picture" in out
    assert "apt-get install [something]" in out
