"""The files of deploy/ that other programs read, and that their check finds what is wrong with one."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def check(deploy: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "check_manifests.py"), "--deploy", str(deploy)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)


def changed(path: str, old: str, new: str) -> Callable[[Path], None]:
    def change(deploy: Path) -> None:
        text = (deploy / path).read_text()
        assert old in text
        (deploy / path).write_text(text.replace(old, new))

    return change


MISTAKES = {
    "a field that Kubernetes does not have": ("kubernetes/web.yaml", "replicas: 1", "replicae: 1", "replicae"),
    "a field that KubeRay does not have": ("kubernetes/cluster.yaml", "upscalingMode", "upscaleMode", "upscaleMode"),
    "a mistake in a pod template": ("kubernetes/cluster.yaml", "runAsUser: 10001", "runAsUser: s3k", "headGroupSpec"),
    "a flag that s3k does not have": ("kubernetes/service.yaml", "--metrics-port", "--metric-port", "metric-port"),
    "a setting that no preset has": ("kubernetes/run.yaml", "metrics.address", "metrics.adress", "adress"),
    "a compose file": ("docker/compose.yaml", "network_mode: host", "network_mod: host", "network_mod"),
    "a Dockerfile": ("docker/Dockerfile", "USER 10001", "MAINTAINER me", "DL4000"),
    "an alarm of a metric that nobody has": (
        "prometheus/alerts.yml",
        "s3k_policy_q_mean",
        "s3k_q_mean",
        "s3k_q_mean",
    ),
    "an alarm that is no PromQL": ("prometheus/alerts.yml", "s3k_part_up == 0", "s3k_part_up == ", "s3k_part_up"),
    "a cluster file": ("ray/cluster.yaml", "idle_timeout_minutes", "idle_timeout", "idle_timeout"),
    "a unit": ("systemd/s3k-robot.service", "s3k robot serve", "s3k robot server", "server"),
}


def test_every_mistake_is_found(tmp_path: Path) -> None:
    deploy = tmp_path / "deploy"
    folders = ("kubernetes", "docker", "prometheus", "ray", "systemd")
    for folder in folders:
        shutil.copytree(ROOT / "deploy" / folder, deploy / folder)
    assert check(deploy).stderr == ""
    for path, old, new, _ in MISTAKES.values():
        changed(path, old, new)(deploy)
    told = check(deploy)
    assert told.returncode == 1
    for name, (path, _, _, word) in MISTAKES.items():
        assert any(Path(path).name in line and word in line for line in told.stderr.splitlines()), (name, told.stderr)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on the PATH")
def test_the_manifests_are_one_kustomization() -> None:
    told = subprocess.run(
        ["kubectl", "kustomize", str(ROOT / "deploy" / "kubernetes")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "kind: RayCluster" in told.stdout
    assert "image: s3k-dist\n" not in told.stdout
