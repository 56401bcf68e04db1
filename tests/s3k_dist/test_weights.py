"""The registry as its users meet it: publish, promote, roll back, crash, race, damage."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from s3k_dist.access.audit import AuditLog, read_audit
from s3k_dist.errors import StorageError
from s3k_dist.weights import ModelManifest, WeightsRegistry

HANG_GUARD_S = 60.0
NOBODY = 65534
MANIFEST = ModelManifest(kind="keypoints", config={"channels": [16, 32], "sigma_px": 2.0}, metrics={"rms_px": 0.9})

PUBLISH_FOR_EVER = """
import sys, torch
from pathlib import Path
from s3k_dist.weights import ModelManifest, WeightsRegistry
registry = WeightsRegistry(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    version = registry.publish({"w": torch.full((64, 64), 1.0)}, ModelManifest(kind="keypoints"))
    registry.promote(version)
    print(version, flush=True)
"""


@pytest.fixture
def registry(tmp_path: Path) -> WeightsRegistry:
    return WeightsRegistry(tmp_path / "weights")


def some_weights(value: float = 1.0) -> dict[str, torch.Tensor]:
    return {"conv.weight": torch.full((4, 3, 3, 3), value), "conv.bias": torch.arange(4.0)}


def publisher(root: Path, count: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", PUBLISH_FOR_EVER, str(root), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_what_is_published_is_loaded(registry: WeightsRegistry) -> None:
    version = registry.publish(some_weights(), MANIFEST)

    tensors, manifest = registry.load(version)

    assert version == 1
    assert set(tensors) == {"conv.weight", "conv.bias"}
    assert all(torch.equal(tensors[name], value) for name, value in some_weights().items())
    assert manifest.config == MANIFEST.config
    assert manifest.metrics == MANIFEST.metrics
    assert manifest.version == 1
    assert len(manifest.sha256) == 64


def test_strided_shared_and_odd_tensors_are_published(registry: WeightsRegistry) -> None:
    shared = torch.randn(2, 3, 4, 5)
    tensors = {
        "tied.a": shared,
        "tied.b": shared,
        "channels_last": shared.to(memory_format=torch.channels_last),
        "count": torch.tensor(7),
        "half": shared.bfloat16(),
        "trained": torch.nn.Parameter(shared),
    }

    loaded, _ = registry.load(registry.publish(tensors, MANIFEST))

    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)


def test_an_empty_folder_has_no_version(registry: WeightsRegistry) -> None:
    assert registry.current() is None
    assert registry.versions() == []
    with pytest.raises(StorageError, match=r"no version 3 in .*; available: none"):
        registry.load(3)
    with pytest.raises(StorageError, match="no version is promoted"):
        registry.roll_back()
    assert not registry.root.exists()


def test_publishing_does_not_promote(registry: WeightsRegistry) -> None:
    registry.publish(some_weights(), MANIFEST)

    assert registry.versions() == [1]
    assert registry.current() is None


def test_roll_back_goes_back_through_the_promotions_and_keeps_the_history(registry: WeightsRegistry) -> None:
    for value in (1.0, 2.0, 3.0):
        registry.promote(registry.publish(some_weights(value), MANIFEST))

    assert registry.roll_back() == 2
    assert registry.roll_back() == 1
    with pytest.raises(StorageError, match="1 was promoted first"):
        registry.roll_back()
    registry.promote(3)
    assert registry.roll_back() == 1

    assert registry.current() == 1
    assert registry.versions() == [1, 2, 3]
    moves = [(event.action, event.version) for event in registry.history()]
    assert moves[:4] == [("promoted", 1), ("promoted", 2), ("promoted", 3), ("rolled back", 2)]
    assert len(moves) == 7


def test_promoting_what_serves_changes_nothing(registry: WeightsRegistry) -> None:
    registry.promote(registry.publish(some_weights(), MANIFEST))
    registry.promote(1)

    assert len(registry.history()) == 1


def test_a_version_number_is_never_given_out_twice(registry: WeightsRegistry) -> None:
    for _ in range(2):
        registry.promote(registry.publish(some_weights(), MANIFEST))
    for file in (registry.root / "v000002").iterdir():
        file.unlink()
    (registry.root / "v000002").rmdir()

    assert registry.publish(some_weights(), MANIFEST) == 3


def test_a_metric_may_be_nan(registry: WeightsRegistry) -> None:
    version = registry.publish(some_weights(), ModelManifest(kind="keypoints", metrics={"rms_px": float("nan")}))

    assert str(registry.manifest(version).metrics["rms_px"]) == "nan"


def test_a_config_that_is_not_json_is_refused_before_anything_is_written(registry: WeightsRegistry) -> None:
    with pytest.raises(StorageError, match="must be JSON"):
        registry.publish(some_weights(), ModelManifest(kind="keypoints", config={"network": object()}))

    assert registry.versions() == []
    assert registry.publish(some_weights(), MANIFEST) == 1


@pytest.mark.parametrize(
    ("name", "damage", "says"),
    [
        ("weights.safetensors", b"torn", "does not match the sha256"),
        ("weights.safetensors", None, "No such file"),
        ("manifest.json", b"{", "manifest.json: "),
        ("manifest.json", b'{"kind": "keypoints", "version": 9}', "says version 9"),
    ],
)
def test_a_damaged_version_says_what_else_there_is(
    registry: WeightsRegistry, name: str, damage: bytes | None, says: str
) -> None:
    for _ in range(3):
        registry.publish(some_weights(), MANIFEST)
    registry.promote(1)
    path = registry.root / "v000002" / name
    path.unlink() if damage is None else path.write_bytes(damage)

    for use in (registry.load, registry.promote):
        with pytest.raises(StorageError, match=f"version 2 .*damaged: .*{says}.*; available: 1, 3") as raised:
            use(2)
        assert "\n" not in str(raised.value)
    assert registry.current() == 1


def test_a_roll_back_passes_over_what_is_damaged(registry: WeightsRegistry) -> None:
    for _ in range(3):
        registry.promote(registry.publish(some_weights(), MANIFEST))
    (registry.root / "v000002" / "weights.safetensors").write_bytes(b"damaged")
    with pytest.raises(StorageError, match=r"version 2 .* is damaged"):
        registry.verify(2)
    registry.verify(1)
    assert registry.roll_back() == 1
    registry.promote(3)
    (registry.root / "v000001" / "weights.safetensors").write_bytes(b"damaged")
    with pytest.raises(StorageError, match=r"version 1 .* is damaged"):
        registry.roll_back()
    assert registry.current() == 3


def test_a_damaged_pointer_is_named(registry: WeightsRegistry) -> None:
    registry.promote(registry.publish(some_weights(), MANIFEST))
    (registry.root / "promoted.json").write_text(json.dumps({"current": "newest"}))

    with pytest.raises(StorageError, match=r"cannot read .*promoted\.json: .*; available: 1"):
        registry.current()


def test_a_folder_that_cannot_be_made_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StorageError, match="cannot make the folder"):
        WeightsRegistry(tmp_path / "file" / "weights").publish(some_weights(), MANIFEST)


@pytest.fixture
def read_only_folder(registry: WeightsRegistry) -> Iterator[Path]:
    """A folder that this process may read and not write; root, who may write anywhere, becomes nobody meanwhile."""
    registry.publish(some_weights(), MANIFEST)  # and with it all that is imported late
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(registry.root / "v000001", folder / "v000001")
        folder.chmod(0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            os.seteuid(user)
            folder.chmod(0o700)


def test_a_read_only_folder_is_refused_in_one_line_and_still_read(read_only_folder: Path) -> None:
    registry = WeightsRegistry(read_only_folder)

    with pytest.raises(StorageError, match=r"cannot write .*Permission denied"):
        registry.publish(some_weights(), MANIFEST)
    with pytest.raises(StorageError, match=r"cannot write .*Permission denied"):
        registry.promote(1)
    assert registry.load(1)[1].version == 1


def test_a_full_disk_leaves_nothing_half_written(registry: WeightsRegistry) -> None:
    registry.publish(some_weights(), MANIFEST)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # stands for the last free bytes of a disk
    try:
        with pytest.raises(StorageError, match=r"cannot publish version 2 .*File too large"):
            registry.publish({"w": torch.zeros(100_000)}, MANIFEST)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert sorted(path.name for path in registry.root.iterdir()) == [".lock", "v000001"]
    assert registry.publish(some_weights(), MANIFEST) == 2


def test_a_kill_in_the_middle_of_publishing_leaves_whole_versions_only(registry: WeightsRegistry) -> None:
    with publisher(registry.root, 100_000) as process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(5)]
        time.sleep(0.0137)  # somewhere inside the next publications
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout.read().split()]

    assert set(acknowledged) <= set(registry.versions())
    assert all(torch.equal(registry.load(v)[0]["w"], torch.ones(64, 64)) for v in registry.versions())
    current = registry.current()
    assert current is not None
    assert current >= acknowledged[-1]
    assert registry.publish(some_weights(), MANIFEST) == registry.versions()[-1]
    assert not list(registry.root.glob(".publishing-*"))


def test_two_processes_publish_without_clobbering_each_other(registry: WeightsRegistry) -> None:
    processes = [publisher(registry.root, 20) for _ in range(2)]
    published = [process.communicate(timeout=HANG_GUARD_S)[0].split() for process in processes]

    assert sorted(int(version) for lines in published for version in lines) == list(range(1, 41))
    assert registry.versions() == list(range(1, 41))
    assert len(registry.history()) == 40


def test_asking_for_the_current_version_loads_no_torch(registry: WeightsRegistry) -> None:
    registry.promote(registry.publish(some_weights(), MANIFEST))
    script = (
        "import sys; from pathlib import Path; from s3k_dist.weights import WeightsRegistry;"
        f"assert WeightsRegistry(Path({str(registry.root)!r})).current() == 1; assert 'torch' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", script], check=True, timeout=HANG_GUARD_S)


def test_a_version_is_tried_and_promoted_or_rejected_with_the_reason(registry: WeightsRegistry) -> None:
    for _ in range(4):
        registry.publish(some_weights(), MANIFEST)
    registry.promote(1)
    assert registry.status(2).state == "candidate"
    registry.start_trial(2, 0.25)
    canary = registry.canary()
    assert canary is not None
    assert (canary.version, canary.share) == (2, 0.25)
    assert registry.current() == 1
    registry.promote(2, before={"residual_px": 0.5, "jitter_mm": float("nan")})
    assert registry.canary() is None
    assert registry.history()[-1].before["residual_px"] == 0.5
    registry.start_trial(3, 1.0)
    registry.reject(3, "views disagree by 3.0 px, 0.5 px before")
    assert registry.canary() is None
    registry.reject(3, "another reason, too late")
    registry.promote(4)
    registry.roll_back("it sees nothing", withdraw=4)
    states = {version: registry.status(version) for version in registry.versions()}
    assert {version: status.state for version, status in states.items()} == {
        1: "replaced",
        2: "promoted",
        3: "rejected",
        4: "rolled back",
    }
    assert states[3].reason == "views disagree by 3.0 px, 0.5 px before"
    assert states[4].reason == "it sees nothing"


def test_decisions_that_came_too_late_are_refused(registry: WeightsRegistry) -> None:
    for _ in range(3):
        registry.publish(some_weights(), MANIFEST)
    with pytest.raises(StorageError, match="no version is promoted yet"):
        registry.start_trial(1, 0.5)
    registry.promote(1)
    registry.promote(2)
    registry.start_trial(3, 0.5)
    with pytest.raises(StorageError, match="version 3 is on trial"):
        registry.start_trial(1, 0.5)
    with pytest.raises(StorageError, match=r"version 2 .* serves: it can be rolled back, not rejected"):
        registry.reject(2, "late")
    registry.roll_back(withdraw=2)
    with pytest.raises(StorageError, match=r"version 2 .* serves no more: 1 does"):
        registry.roll_back(withdraw=2)
    assert registry.current() == 1
    assert registry.canary() is not None, "the trial of another version goes on"


def test_a_registry_written_before_there_were_trials_is_read(registry: WeightsRegistry) -> None:
    for _ in range(3):
        registry.publish(some_weights(), MANIFEST)
    events = [
        {"action": "promoted", "version": 1, "at_ns": 1},
        {"action": "promoted", "version": 2, "at_ns": 2},
        {"action": "rolled back", "version": 1, "at_ns": 3},
    ]
    (registry.root / "promoted.json").write_text(json.dumps({"current": 1, "previous": [], "events": events}))
    assert registry.current() == 1
    assert registry.canary() is None
    assert [registry.status(version).state for version in (1, 2, 3)] == ["promoted", "rolled back", "candidate"]
    registry.start_trial(3, 0.5)
    assert len(registry.history()) == 3


def test_decisions_are_in_the_audit_log_with_who_and_why(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    registry = WeightsRegistry(tmp_path / "models", log, "anna")
    versions = [registry.publish({"w": torch.ones(1)}, ModelManifest(kind="test")) for _ in range(3)]
    registry.promote(versions[0], reason="the first")
    registry.promote(versions[1])
    registry.promote(versions[1])
    registry.start_trial(versions[2], 0.1)
    registry.reject(versions[2], "blurred")
    registry.roll_back("worse on the bench")
    entries = read_audit(log.path)
    assert [(each.who, each.action, each.facts["version"], each.facts.get("reason")) for each in entries] == [
        ("anna", "model.promote", 1, "the first"),
        ("anna", "model.promote", 2, ""),
        ("anna", "model.trial", 3, None),
        ("anna", "model.reject", 3, "blurred"),
        ("anna", "model.roll_back", 1, "worse on the bench"),
    ]
    assert registry.history()[0].reason == "the first"


def test_what_cannot_be_noted_is_not_promoted(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    registry = WeightsRegistry(tmp_path / "models", AuditLog(tmp_path / "file" / "audit.jsonl"), "anna")
    version = registry.publish({"w": torch.ones(1)}, ModelManifest(kind="test"))
    with pytest.raises(StorageError, match="cannot write the audit log"):
        registry.promote(version)
    assert registry.current() is None
