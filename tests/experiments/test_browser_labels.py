"""Ten frames labelled in the browser, small: one frame, two steps; the page of made-up figures; no browser."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from experiments import browser_labels
from experiments.browser_labels_page import VIEWS, page
from experiments.labelling_person import require_browser
from s3k_dist.errors import PreflightError
from s3k_dist.labels.store import load_labels

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH, and CHROMIUM names none")
def test_what_a_scripted_person_clicks_is_trained_on_beside_the_truth_and_nothing_is_done_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("deploy.commands.parts.stop_on_signals", lambda kept: None)  # this process is that of all tests
    assert browser_labels.main(["--preset", "smoke", "--out", "runs"]) == 0
    root = tmp_path / "runs" / "smoke"
    (clicked,), (perfect,) = (load_labels(root / way / "labels.json").labels for way in ("clicked", "perfect"))
    assert (clicked.frame, clicked.split) == (perfect.frame, perfect.split)
    assert [len(clicks) for clicks in clicked.clicks.values()] == [3] * VIEWS
    assert len(perfect.points_m) == 3
    found = json.loads((tmp_path / "docs/experiments/browser_labels/smoke.json").read_text())
    assert found["labelling"]["clicks"] == found["labelling"]["acts"]["press"] - 3 == 3 * VIEWS
    assert found["labelling"]["stored_off_px"] < 0.5
    assert 0 < found["label_off_mm"]["median"] < 50
    assert found["label_off_mm"]["of_mean"].keys() == perfect.points_m.keys()
    text = (tmp_path / "docs/experiments/browser_labels_smoke.md").read_text()
    assert "labels the first 1 frame of the queue" in text
    assert (tmp_path / "docs/images/browser_labels_smoke.png").stat().st_size > 20_000
    capsys.readouterr()
    assert browser_labels.main(["--preset", "smoke", "--out", "runs"]) == 0
    assert capsys.readouterr().out.startswith("wrote docs/experiments/browser_labels_smoke.md")


def figures(clicked_mm: float, seconds: float) -> dict[str, Any]:
    """Of an experiment that might have been."""
    names = ("p95_mm", "rms_px", "rms_reprojected_px")
    return {
        "setting": {"image_px": 128, "steps": 1200},
        "seed": 0,
        "stream_frames": 1480,
        "machine": "a CPU",
        "labelling": {
            "frames": [f"cell0/{number:08d}" for number in range(10)],
            "clicks": 90,
            "acts": {"key": 64, "point": 93, "press": 93, "think": 103},
            "waited_s": 4.0,
            "defining_s": 15.0,
            "labelling_s": seconds,
            "stored_off_px": 0.02,
        },
        "label_off_mm": {"median": 3.1, "largest": 8.4, "of_mean": {"socket": 1.0}},
        "metrics": {
            "clicked": {
                "frames": 100,
                "median_mm": clicked_mm,
                "per_keypoint_median_mm": {"socket": 2.4},
                **dict.fromkeys(names, 1.2),
            },
            "perfect": {
                "frames": 100,
                "median_mm": 2.0,
                "per_keypoint_median_mm": {"socket": 1.9},
                **dict.fromkeys(names, 1.0),
            },
        },
    }


def test_the_page_says_whether_the_goals_are_reached() -> None:
    text = page("cpu", figures(2.5, 280.0), "one.png")
    assert "| clicked in the browser | 2.50 | 1.20 | 1.20 | 1.20 |" in text
    assert "| ratio | 1.25 | 1.20 | 1.20 | 1.20 |" in text
    assert "is reached: 1.25 for the median, 1.20 for the RMS" in text
    assert "4.7 minutes for the 10 frames" in text
    assert "under five minutes" in text
    assert "| socket | 1.00 | 2.40 | 1.90 |" in text
    assert "misses" not in text
    text = page("cpu", figures(3.2, 310.0), "one.png")
    assert "is missed: 1.60 for the median" in text
    assert "over five minutes" in text
    # 3.2 mm are 2 mm and what clicks add, in squares; 1.5 times 2 mm leaves room for 5 mm^2 of their 6.24.
    assert "it takes about 12 frames, or clicks of 1.3 px" in text


def test_without_a_browser_nothing_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    with pytest.raises(PreflightError, match="no chromium on the PATH"):
        require_browser()
    assert browser_labels.main(["--preset", "smoke", "--out", str(tmp_path / "runs")]) == 1
    assert "needs a browser" in capsys.readouterr().err
    assert not list((tmp_path / "runs").rglob("*.npz"))
