"""Replayed cells against a real service, and what the page makes of measurements."""

from pathlib import Path

import pytest

from benchmarks.results import Results
from benchmarks.scale import page
from benchmarks.scale.parts import measure_frame_bytes, measure_service, recorded_frames


def test_replayed_cells_are_served_at_their_own_pace() -> None:
    found = measure_service(recorded_frames(64, 4), [1, 4], seconds=2.0)
    one, four = found["rows"]
    assert 2 <= one["frames_per_s"] <= 4.5
    assert one["frames_per_s"] < four["frames_per_s"] <= 17
    assert one["failed"] == four["failed"] == 0
    assert found["views"] == 4


def test_what_is_compressed_weighs_less() -> None:
    found = measure_frame_bytes(recorded_frames(64, 2))
    assert found["RAW"]["bytes"] > found["PNG"]["bytes"] > found["JPEG"]["bytes"]
    assert found["RAW"]["bytes"] > 4 * 64 * 64 * 3


def test_the_page_says_what_a_lab_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    results = Results(tmp_path / "runs")
    row = {"p50_ms": 10.0, "p99_ms": 20.0, "late": 0.0, "failed": 0, "cores": 0.5, "rss_mb": 300.0}
    results.keep("service", {"rows": [{"cells": 50, "frames_per_s": 200.0, **row}], "views": 4, "image_px": 128})
    learner = {"cells": 50, "steps_per_s": 400.0, "updates_per_s": 40.0, "dropped": 0, "cores": 1.0, "rss_mb": 500.0}
    results.keep("learner", {"rows": [learner]})
    page.write_page(results)
    assert "For 10, 100" not in (tmp_path / "docs/scaling.md").read_text(), "not before the frames are weighed"
    frames = {"RAW": {"bytes": 200e3, "ms": 0.1}, "PNG": {"bytes": 100e3, "ms": 5.0}, "JPEG": {"bytes": 25e3, "ms": 1}}
    results.keep("frames", frames)
    page.write_page(results)
    text = (tmp_path / "docs/scaling.md").read_text()
    # 40 frames/s over 70% of 200; 40 x 200 kB x 8 bits; 40 x 100 kB x 86,400 s.
    assert "| 10 | 0.3 | 0.06; 0.01 | 0.35; 0.09 | 40 (10% of one learner) | 1.00 |" in text
    assert "| 100 | 2.9 | 0.64; 0.08 | 3.46; 0.86 | 400 (100% of one learner) | 0.10 |" in text
