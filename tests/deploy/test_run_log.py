"""The log of a run: what was added is read back, across crashes, resumes and threads."""

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from deploy.run_log import RunLog, read_series
from s3k_dist.errors import StorageError


def test_scalars_come_back_by_series_in_order(tmp_path: Path) -> None:
    with RunLog(tmp_path / "runs" / "a") as log:
        log.add("policy/success_rate", 0.25, step=100)
        log.add("keypoints/median_mm", 0.8)
        log.add("policy/success_rate", 0.75, step=200)
    series = read_series(tmp_path / "runs" / "a")
    assert set(series) == {"policy/success_rate", "keypoints/median_mm"}
    rate = series["policy/success_rate"]
    np.testing.assert_array_equal(rate.value, [0.25, 0.75])
    np.testing.assert_array_equal(rate.step, [100, 200])
    assert 0 <= rate.t_s[0] <= rate.t_s[1] < 60
    assert np.isnan(series["keypoints/median_mm"].step).all()


def test_a_line_is_on_disk_before_add_returns(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.add("phase", 1)
        line = json.loads((tmp_path / "metrics.jsonl").read_text())
    assert line["series"] == "phase"
    assert line["value"] == 1
    assert line["step"] is None


def test_a_line_torn_by_a_crash_costs_only_itself(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.add("a", 1, step=1)
        log.add("a", 2, step=2)
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-12])
    np.testing.assert_array_equal(read_series(tmp_path)["a"].value, [1])
    with RunLog(tmp_path) as log:
        log.add("a", 3, step=3)
    np.testing.assert_array_equal(read_series(tmp_path)["a"].value, [1, 3])


def test_time_goes_on_after_a_resume(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        time.sleep(0.2)
        log.add("a", 1)
    with RunLog(tmp_path) as log:
        log.add("a", 2)
    first_s, second_s = read_series(tmp_path)["a"].t_s
    assert 0.2 <= first_s <= second_s < first_s + 0.2


def test_a_value_that_is_not_finite_is_missing_and_the_file_stays_json(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.add("a", float("nan"), step=1)
        log.add("a", 2.0, step=2)
    assert "NaN" not in (tmp_path / "metrics.jsonl").read_text()
    np.testing.assert_array_equal(read_series(tmp_path)["a"].value, [np.nan, 2.0])


def test_threads_never_mix_their_lines(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        threads = [
            threading.Thread(target=lambda name=name: [log.add(name, i, step=i) for i in range(200)])
            for name in ("a", "b", "c")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
    for name, series in read_series(tmp_path).items():
        np.testing.assert_array_equal(series.step, np.arange(200), err_msg=name)


def test_tensorboard_shows_the_same_scalars(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    with RunLog(tmp_path) as log:
        log.add("policy/success_rate", 0.5, step=1234)
    (file,) = (tmp_path / "tensorboard").iterdir()
    (event,) = [event for event in EventFileLoader(str(file)).Load() if event.HasField("summary")]
    assert event.step == 1234
    assert event.summary.value[0].tag == "policy/success_rate"


def test_no_log_is_no_series(tmp_path: Path) -> None:
    assert read_series(tmp_path) == {}


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageError, match="taken"):
        RunLog(tmp_path / "taken")


def test_a_closed_log_says_so(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.close()
    log.close()
    with pytest.raises(StorageError, match="closed"):
        log.add("a", 1)
