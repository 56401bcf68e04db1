"""What starts fast stays fast: which imports pull in what."""

import subprocess
import sys

import pytest

HEAVY = {"ray", "torch", "mujoco", "gymnasium", "pypylon", "cv2", "grpc", "matplotlib"}
GUARD_S = 60


def imported(code: str) -> set[str]:
    """Top-level packages that a fresh interpreter has loaded after ``code``."""
    answer = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, timeout=GUARD_S, check=True
    )
    lines = [line for line in answer.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import s3k_dist", HEAVY | {"numpy", "pydantic"}),
        ("import actors, learners, learners.keypoint, deploy, experiments", HEAVY | {"numpy", "pydantic"}),
        ("import learners.vae, s3k_dist.embeddings", HEAVY | {"numpy", "pydantic"}),
        ("import deploy.cli", HEAVY | {"numpy", "pydantic", "yaml", "rich"}),
        ("import deploy.config", HEAVY - {"cv2"}),
        ("import s3k_dist.weights", HEAVY),
        ("import s3k_dist.drift.watch, s3k_dist.features.figures", HEAVY),
        ("import s3k_dist.features.client", {"ray", "torch", "mujoco", "gymnasium", "pypylon", "matplotlib"}),
        ("import deploy.demos.record, deploy.demos.table", {"ray", "torch", "gymnasium", "pypylon", "matplotlib"}),
        ("import actors.sim.cell", {"ray", "torch", "gymnasium", "pypylon", "grpc"}),
        ("import actors.sim.scenes.simulate", {"ray", "torch", "gymnasium", "pypylon", "grpc", "matplotlib"}),
        ("import learners.keypoint.trainer", {"ray", "mujoco", "gymnasium", "pypylon", "grpc"}),
        ("import learners.vae.trainer", {"ray", "mujoco", "gymnasium", "pypylon", "grpc", "matplotlib"}),
    ],
)
def test_nothing_heavier_than_needed_is_imported(code: str, heavy: set[str]) -> None:
    assert imported(code) & heavy == set()


def test_help_lists_the_commands() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "--help"], capture_output=True, text=True, timeout=GUARD_S, check=False
    )
    assert answer.returncode == 0
    for command in ("run", "doctor", "collect", "simulate", "labels", "train", "evaluate", "serve"):
        assert f"\n    {command} " in answer.stdout
