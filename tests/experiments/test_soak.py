"""What the soak counts as lost, in which order it tries things, and what its page says."""

from collections import Counter
from pathlib import Path

import pytest
import torch

from deploy.run_folder import RunFolder
from experiments.soak import __main__ as soak
from experiments.soak.damage import damage_served_weights, damage_shard, flip_a_bit
from experiments.soak.faults import FAULTS
from experiments.soak.ledger import Ledger
from experiments.soak.page import page
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter
from s3k_dist.weights import ModelManifest, WeightsRegistry
from tests.scenes import frame, ring


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A run's folder with two shards, labels, a recording and a version."""
    folder = RunFolder(tmp_path / "run")
    folder.create()
    with StreamWriter(folder.stream, "cell0") as writer:
        for sequence in range(6):
            writer.append(StreamRecord(frame(ring(2, size_px=16), sequence=sequence, seed=sequence), "e", sequence, 0))
            if sequence == 2:
                writer.flush()
    folder.labels.write_text("labels")
    (folder.recordings / "cell0-demonstration-0.npz").write_bytes(b"what the robot did")
    registry = WeightsRegistry(folder.models)
    registry.promote(registry.publish({"weight": torch.ones(4)}, ModelManifest(kind="keypoints")))
    return folder.root


@pytest.fixture
def ledger(root: Path) -> Ledger:
    ledger = Ledger(root)
    ledger.note()
    return ledger


def test_nothing_is_lost_where_nothing_happened(ledger: Ledger) -> None:
    assert ledger.counts == {"frames": 6, "files": 2, "versions": 1}
    assert ledger.lost(all_frames=True) == []


def test_every_loss_is_told(root: Path, ledger: Ledger) -> None:
    folder = RunFolder(root)
    first, second = sorted((folder.stream / "cell0").glob("*.s3k"))
    first.unlink()
    flip_a_bit(second)
    folder.labels.write_text("others")
    (folder.recordings / "cell0-demonstration-0.npz").unlink()
    flip_a_bit(folder.models / "v000001" / "weights.safetensors")
    lost = ledger.lost(all_frames=True)
    assert lost[:3] == [f"frame cell0/0000000{number} is gone" for number in range(3)]
    assert "CRC" in lost[3]
    assert lost[4:] == [
        "labels.json is gone or changed",
        "cell0-demonstration-0.npz is gone or changed",
        "version 1 of the weights is gone or damaged",
    ]


def test_a_frame_that_is_replaced_is_lost(root: Path, ledger: Ledger) -> None:
    for shard in (RunFolder(root).stream / "cell0").glob("*.s3k"):
        shard.unlink()
    with StreamWriter(RunFolder(root).stream, "cell0") as writer:
        for sequence in range(6):
            writer.append(StreamRecord(frame(ring(2, size_px=16), sequence=sequence, seed=99), "e", sequence, 0))
    assert ledger.lost(all_frames=True) == [f"frame cell0/0000000{number} is another one" for number in range(6)]


def test_what_is_damaged_on_purpose_is_not_lost(root: Path, ledger: Ledger) -> None:
    assert damage_shard(root, "cell0/00000004", ledger) == [f"cell0/0000000{number}" for number in (3, 4, 5)]
    assert damage_served_weights(root, ledger) == 1
    ledger.note()
    assert ledger.counts == {"frames": 3, "files": 2, "versions": 0}
    assert ledger.lost(all_frames=True) == []


def test_all_faults_come_up_as_often_as_any_other_in_an_order_of_the_seed() -> None:
    faults = list(FAULTS)
    tried = list(soak.order(2 * len(faults) + 3, faults, seed=1))
    assert len(tried) == 2 * len(faults) + 3
    assert set(Counter(tried).values()) <= {2, 3}
    assert tried == list(soak.order(len(tried), faults, seed=1))
    assert tried != list(soak.order(len(tried), faults, seed=2))


def test_the_page_says_what_was_measured() -> None:
    def trial(fault: str, noticed_s: float | None, recovered_s: float | None, **more: object) -> dict[str, object]:
        return {
            "fault": fault,
            "on": [],
            "noticed_s": noticed_s,
            "recovered_s": recovered_s,
            "lost": [],
            "others": [],
            "error": "",
            **more,
        }

    measured = {
        "seed": 3,
        "only": ["cell killed"],
        "settings": ["stream.shard_frames=8"],
        "machine": "a CPU, 2 cores",
        "kept": {"frames": 1234, "files": 14, "versions": 5},
        "trials": [
            trial("cell killed", 1.0, 6.0),
            trial("cell killed", 2.0, 8.0, lost=["frame cell0/00000001 is gone"]),
            trial("disk full", None, 3.0),
            trial("policy learner stopped", None, None, error="the run has ended"),
        ],
    }
    text = page(measured)
    assert '`python -m experiments.soak --kills 4 --seed 3 --only "cell killed" --set stream.shard_frames=8`' in text
    assert "| cell killed | 2 | 1.5 (2.0) | 7.0 (8.0) | none | frame cell0/00000001 is gone |" in text
    assert "| disk full | 1 | – | 3.0 | none | nothing |" in text
    assert "1,234 frames" in text
    assert "- policy learner stopped: the run has ended" in text
