"""Faults of an emulated cell, two of them: what is noticed, that the arm is still, that all is back."""

import pytest

from experiments import cell_faults
from experiments.cell_faults import CAMERA_FAULTS, SENSOR_FAULTS, allowed_s, measure_all, page


def test_a_camera_and_a_sensor_that_fail_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell_faults, "WARM_UP_S", 1.0)
    camera, sensor = CAMERA_FAULTS[2], SENSOR_FAULTS[1]
    found = measure_all([camera, sensor])
    unplugged, lies = found[camera.name], found[sensor.name]
    assert unplugged.noticed_s is not None
    assert unplugged.still_s is None
    assert unplugged.said == ""
    assert lies.still_s is not None
    assert "numbers that are none" in lies.said
    told = page(found)
    assert "a camera unplugged" in told
    assert f"{allowed_s():.2f} s" in told
