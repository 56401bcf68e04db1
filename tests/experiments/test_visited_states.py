"""Errors over a training's visited states, from made-up runs."""

import json
from pathlib import Path

import numpy as np
import pytest

from deploy.run_folder import RunFolder
from experiments import visited_states


def test_the_page_sets_a_following_detector_beside_a_frozen_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(visited_states, "SETTINGS", {"cpu": visited_states.SETTINGS["smoke"]})
    for name, last_mm in (("one", 1.0), ("other", 2.0), ("frozen", 8.0)):
        _write_run(Path(name), 4.0, last_mm)
    folders = ["--following", "one", "--following", "other", "--frozen", "frozen"]
    assert visited_states.main(folders) == 0
    text = (tmp_path / "docs/experiments/visited_states.md").read_text()
    # Of each run the error is 4 mm for the first half, and another one for the second.
    assert "| following | 2 | 4.00 (4.00 to 4.00) | 4.0 (4.0 to 4.0) | 4.0 (4.0 to 4.0) | 1.50 (1.00 to 2.00) |" in text
    assert "| frozen | 1 | 4.00 | 4.0 | 8.0 | 8.00 | 8.0 | 100% |" in text
    assert "is reached (1.5 (1.0 to 2.0) mm)" in text
    assert (tmp_path / "docs/images/visited_states_cpu.png").stat().st_size > 5000
    assert visited_states.main(["--following", "frozen", "--frozen", "one"]) == 0
    assert "is not reached (8.0 mm)" in (tmp_path / "docs/experiments/visited_states.md").read_text()
    assert visited_states.main(["--following", "one", "--frozen", "nowhere"]) == 1
    assert "nowhere is not a finished run" in capsys.readouterr().err


def _write_run(root: Path, first_mm: float, last_mm: float) -> None:
    """Forty episodes of two cells, 9 steps each."""
    folder = RunFolder(root)
    folder.create()
    lines = [
        {
            "t_s": 5.0 * number,
            "stage": "train",
            "first_sequence": 100 + 10 * (number // 2),
            "steps": 9,
            "truly_inserted": True,
            "model_version": 1,
            "error_mm": np.full((3, 10), first_mm if number < 20 else last_mm).tolist(),
        }
        for number in range(40)
    ]
    folder.episodes.write_text("".join(json.dumps(line) + "\n" for line in lines))
    folder.summary.write_text(json.dumps({"machine": {"cpu": "a CPU", "cores": 2}}))
