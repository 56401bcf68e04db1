"""What a run needs of a machine: one check for each thing, and one line on what to do where it is missing."""

import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

# Ray's services take 0.7 GiB, the driver 0.6, five workers up to 0.5 each: about 4 GiB, and some for the page cache.
WANTED_MEMORY_GIB, LEAST_MEMORY_GIB = 6.0, 4.0
WANTED_DISK_GIB, LEAST_DISK_GIB = 5.0, 1.0
WANTED_SHM_GIB = 1.0
PROBE_DEADLINE_S = 60.0
# The dispatch libraries that MuJoCo loads, and Mesa's drivers, software ones included; tried on a bare Debian 12.
GL_PACKAGES = "libegl1 libgl1 libgl1-mesa-dri"
INSTALL = "pip install -c constraints.txt -e '.[dev]'"


@dataclass(frozen=True)
class Check:
    """What was found of one thing a run needs.

    Attributes:
        name: of the thing.
        ok: True if it is as a run wants it, None if a run works without it or works worse, False if it stops a run.
        detail: what was found.
        advice: what to do, in one line; empty where there is nothing to do.
    """

    name: str
    ok: bool | None
    detail: str
    advice: str = ""


def check_python() -> Check:
    """The interpreter that the pinned packages are made for."""
    fits = (3, 11) <= sys.version_info[:2] < (3, 13)
    advice = "use Python 3.11 or 3.12: remove .venv, then PYTHON=/path/to/python3.11 make run"
    return Check("Python", fits, platform.python_version(), advice)


def check_packages() -> Check:
    """Every dependency, at a version that the project declares; imports none of them."""
    from packaging.requirements import Requirement

    try:
        declared = [Requirement(line) for line in metadata.requires("s3k-dist") or []]
    except metadata.PackageNotFoundError:
        return Check("packages", False, "s3k-dist itself is not installed", INSTALL)
    versions, wrong = {}, []
    for requirement in declared:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = versions[requirement.name] = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} is {version}, expected {requirement.specifier}")
    if wrong:
        return Check("packages", False, ", ".join(wrong), INSTALL)
    telling = ", ".join(f"{name} {versions[name]}" for name in ("torch", "ray", "mujoco", "grpcio") if name in versions)
    return Check("packages", True, f"{len(versions)} found: {telling}")


def check_cores() -> Check:
    """Two cores carry the cells, the service and two learners; with one they wait for each other."""
    cores = _cores()
    return Check(
        "cores", True if cores >= 2 else None, str(cores), "a run wants two cores; with one it takes twice as long"
    )


def check_memory() -> Check:
    """What is free now, within the limit of a container."""
    from s3k_dist.memory import available_bytes

    free_gib = available_bytes() / 2**30
    ok = True if free_gib >= WANTED_MEMORY_GIB else None if free_gib >= LEAST_MEMORY_GIB else False
    advice = f"close programs, or give the container more: a run wants {WANTED_MEMORY_GIB:g} GiB"
    return Check("memory", ok, f"{free_gib:.1f} GiB free", advice)


def check_disk(folder: Path) -> Check:
    """Room for the stream, the models and the checkpoints."""
    free_gib = shutil.disk_usage(_nearest(folder)).free / 2**30
    ok = True if free_gib >= WANTED_DISK_GIB else None if free_gib >= LEAST_DISK_GIB else False
    advice = f"free some disk, or choose another folder: a run wants {WANTED_DISK_GIB:g} GiB"
    return Check("disk", ok, f"{free_gib:.1f} GiB free for {folder}", advice)


def check_writable(folder: Path) -> Check:
    """Whether the folder can be made and written; leaves nothing behind."""
    advice = "choose a folder that you may write"
    nearest = _nearest(folder)
    if not nearest.is_dir():
        return Check("run folder", False, f"{nearest} is a file, not a folder", advice)
    try:
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(bytes(4096))
    except OSError as error:
        return Check("run folder", False, f"cannot write {nearest}: {error.strerror or error}", advice)
    return Check("run folder", True, f"{folder} can be written")


def check_shared_memory() -> Check:
    """Ray keeps its objects in /dev/shm, and on the slower disk where that is small."""
    shm = Path("/dev/shm")  # nosec B108  # only its size is looked at
    if not shm.is_dir():
        return Check("shared memory", None, "no /dev/shm", "Ray will use the disk, which is slower")
    size_gib = shutil.disk_usage(shm).total / 2**30
    advice = "Ray will use the disk, which is slower; in Docker: docker run --shm-size=2g"
    return Check(
        "shared memory", True if size_gib >= WANTED_SHM_GIB else None, f"{size_gib:.1f} GiB in /dev/shm", advice
    )


def check_port() -> Check:
    """The feature service and Ray speak over the loopback."""
    try:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
    except OSError as error:
        advice = "allow processes here to listen on the loopback interface"
        return Check("loopback", False, f"no port on 127.0.0.1 can be bound: {error.strerror or error}", advice)
    return Check("loopback", True, f"127.0.0.1:{port} can be bound")


def check_rendering() -> Check:
    """Render a small scene in a process of its own, which a broken OpenGL may take down."""
    asked = os.environ.get("MUJOCO_GL", "egl")
    advice = f"install Mesa's software renderer; on Debian: apt-get install {GL_PACKAGES}"
    if asked != "egl":
        advice = f"MUJOCO_GL is {asked!r} here: unset it; and if that does not help, {advice}"
    return _ask("rendering", [sys.executable, "-m", "deploy.render_probe"], advice, fatal=True)


def check_pylon() -> Check:
    """Basler's driver; simulated cells do without it."""
    code = "from pypylon import pylon; print('pylon', pylon.GetPylonVersionString())"
    advice = "only needed for Basler cameras, real or emulated: pip install -c constraints.txt pypylon"
    return _ask("pylon", [sys.executable, "-c", code], advice, fatal=False)


def check_load() -> Check:
    """What makes a run slower than it need be."""
    cores, load, nice = _cores(), os.getloadavg()[0], os.nice(0)
    threads = os.environ.get("OMP_NUM_THREADS", "")
    slow = {}
    if load > cores:
        slow[f"the machine is busy (load {load:.1f} on {cores} cores)"] = "stop other work"
    if nice > 0:
        slow[f"this shell is niced by {nice}"] = "start another shell"
    if threads.isdecimal() and int(threads) > cores:
        slow[f"OMP_NUM_THREADS={threads} on {cores} cores"] = "unset OMP_NUM_THREADS"
    if not slow:
        return Check("load", True, f"{load:.1f} on {cores} cores")
    return Check("load", None, ", ".join(slow), f"a run will be slower: {', '.join(slow.values())}")


def _ask(name: str, command: list[str], advice: str, *, fatal: bool) -> Check:
    """Run a probe; it passes if it ends with status 0 in time, and its first line is the detail."""
    bad = False if fatal else None
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_DEADLINE_S, check=False)
    except subprocess.TimeoutExpired:
        return Check(name, bad, f"no answer within {PROBE_DEADLINE_S:g} s", advice)
    except OSError as error:
        return Check(name, bad, f"cannot start {command[0]}: {error.strerror}", advice)
    if answer.returncode < 0:
        return Check(name, bad, f"crashed ({signal.Signals(-answer.returncode).name})", advice)
    if answer.returncode:
        lines = answer.stderr.strip().splitlines() or ["failed without a word"]
        return Check(name, bad, lines[-1], advice)
    return Check(name, True, answer.stdout.strip().partition("\n")[0])


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
