"""The page of several runs says what their summaries say."""

import json
import sys
from pathlib import Path

import pytest

from experiments import main_job


def summary(seed: int, success: float) -> dict[str, object]:
    return {
        "seed": seed,
        "wall_s": 600.0,
        "machine": {"cpu": "a CPU", "cores": 2, "ram_gib": 16.0, "os": "Linux"},
        "policy": {"eval_success_rate": success, "eval_episodes": 50, "env_steps": 5000, "false_success_rate": 0.004},
        "keypoints": {"median_mm": 0.51},
        "service": {"p99_ms": 42.0},
    }


def test_each_run_is_a_column_and_what_is_missing_a_dash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = []
    for seed, success in ((0, 0.98), (7, 0.92)):
        folder = tmp_path / f"run{seed}"
        folder.mkdir()
        (folder / "summary.json").write_text(json.dumps(summary(seed, success)))
        folders.append(str(folder))
    page = tmp_path / "page.md"
    monkeypatch.setattr(main_job, "PAGE", page)
    monkeypatch.setattr(sys, "argv", ["main_job", "--from", *folders])
    assert main_job.main() == 0
    text = page.read_text()
    assert "| | seed 0 | seed 7 | paper |" in text
    assert "| success by truth, held-out episodes | 0.98 | 0.92 | > 0.95 |" in text
    assert "| environment steps | 5,000 | 5,000 | 40,000 |" in text
    assert "| wall time, minutes | 10.0 | 10.0 |" in text
    assert "| mean steps to success | - | - |" in text
    assert "--seeds 0 7" in text
