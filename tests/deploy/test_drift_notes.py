"""What a run keeps and shows of its cells' alarms."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from deploy.config import load_config
from deploy.live_view import LiveView
from deploy.run_folder import RunFolder
from deploy.run_log import RunLog, read_series
from deploy.session import Session
from deploy.summary import drift_facts
from s3k_dist.drift.monitor import DriftEvent
from s3k_dist.drift.moved_camera import MovedCamera, NotMoved
from s3k_dist.drift.pose_fit import CameraMotion, moved
from s3k_dist.drift.watch import DriftReport
from tests.scenes import ring


def event(state: Any = "began") -> DriftEvent:
    return DriftEvent("cell1", state, "residual", "camera", "cam2", 0.5, 6.0, 100, 25 * 10**9, 120, 30 * 10**9, 4)


def finding(move_m: float) -> MovedCamera:
    camera = ring()[2]
    motion = CameraMotion(np.array([move_m, 0, 0]), np.zeros(3), 1e-8 * np.eye(6), settled=True)
    return MovedCamera("cam2", motion, moved(camera, motion), 6.0, 0.5)


def test_alarms_and_findings_are_shown_logged_and_counted(tmp_path: Path) -> None:
    folder, output = RunFolder(tmp_path), io.StringIO()
    with RunLog(tmp_path) as log, LiveView("test", (), Console(file=output)) as view:
        session = Session(load_config("smoke"), folder, None, log, view)  # type: ignore[arg-type]
        assert drift_facts(folder) == {"alarms": 0, "by_signal": {}, "moved_cameras": {}}
        session.note_drift("cell0", DriftReport(levels={"residual": 0.2, "confidence": 0.0, "missing": 0.1}), 10)
        session.note_drift("cell1", DriftReport((event(),), None, 1, {"residual": 1.3}), 20)
        session.note_drift("cell1", DriftReport((), finding(0.008), 1, {"residual": 2.0}), 30)
        session.note_drift("cell1", DriftReport((), finding(0.010), 1, {"residual": 2.0}), 40)
        session.note_drift("cell1", DriftReport((event("over"),), NotMoved("all agree"), 0, {}), 50)
        session.close()
    shown = output.getvalue()
    assert "drift: cell1, camera cam2: residual 6.00 px, was 0.50 px, since 5 s" in shown
    assert "cell1: camera cam2 has moved by 10.0 mm" in shown
    assert "drift over: cell1, camera cam2" in shown
    assert "no camera has moved" in shown
    assert "drift alarms 1" in shown
    series = read_series(tmp_path)
    assert series["drift/alarms"].value.tolist() == [0, 1, 1, 1, 1]
    assert series["drift/active"].value.tolist() == [0, 1, 1, 1, 0]
    assert series["drift/residual"].value.tolist() == pytest.approx([0.2, 1.3, 2.0, 2.0])
    facts = drift_facts(folder)
    assert (facts["alarms"], facts["by_signal"]) == (1, {"residual": 1})
    camera = facts["moved_cameras"]["cell1/cam2"]
    assert camera["moved_mm"] == 10.0  # the last word counts
    np.testing.assert_allclose(camera["proposed"]["rotation"], finding(0.01).proposed.rotation)
    lines = [json.loads(line) for line in folder.drift.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["alarm", "moved camera", "moved camera", "alarm", "no moved camera"]
