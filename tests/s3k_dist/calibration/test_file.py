"""Calibration files: what is written comes back, every camera names its version, and what was changed is noticed."""

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.calibration_scene import draw_cameras, draw_poses
from s3k_dist.calibration.file import Calibration, Registration, read_calibration
from s3k_dist.calibration.pose import Pose
from s3k_dist.calibration.solve import solve
from s3k_dist.calibration.verdict import Level, Verdict, judge
from s3k_dist.datasets.exchange_format import CameraEntry
from s3k_dist.errors import CalibrationError
from tests.s3k_dist.calibration.sightings import BOARD, seen


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    rng = np.random.default_rng(21)
    cameras = draw_cameras(rng, 640)
    solution = solve(seen(cameras, draw_poses(rng, BOARD, 14, reach_m=0.2), rng, 0.03))
    verdict = judge(solution)
    fair = Verdict(Level.USABLE, (), verdict.cameras, verdict.expected)
    return Calibration.of(solution, fair, {"cam0": "24811234"})


def test_a_calibration_comes_back_to_the_last_bit(calibration: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    calibration.write(path)
    found = read_calibration(path)
    assert found == calibration
    assert found.facts["cam0"].serial == "24811234"
    for camera in found.as_cameras():
        assert camera.calibration == calibration.version
        np.testing.assert_array_equal(camera.intrinsics, np.array(calibration.cameras[camera.name].K))


def test_its_cameras_are_those_of_an_exchange_folder(calibration: Calibration, tmp_path: Path) -> None:
    calibration.write(tmp_path / "calibration.json")
    cameras = json.loads((tmp_path / "calibration.json").read_text())["cameras"]
    for name, entry in cameras.items():
        assert CameraEntry.model_validate_json(json.dumps(entry)).camera(name).name == name


def test_the_version_is_of_the_numbers(calibration: Calibration) -> None:
    later = calibration.model_copy(update={"made_at": "2030-01-01T00:00:00+00:00"})
    assert later.version == calibration.version
    moved = calibration.registered(
        Pose.of_vector(np.array([0, 0, 0.1]), np.array([0.3, 0, 0])),
        Registration(method="touch", poses=4, residual_mm=0.3, from_version=calibration.version),
    )
    assert moved.version != calibration.version
    assert moved.registration is not None
    assert moved.registration.from_version == calibration.version


def test_in_the_robots_base_every_camera_sees_what_it_saw(calibration: Calibration) -> None:
    place = Pose.of_vector(np.array([0.2, -0.1, 1.0]), np.array([0.3, 0.1, -0.2]))
    facts = Registration(method="hand-eye", poses=12, residual_mm=0.3, from_version=calibration.version)
    moved = calibration.registered(place, facts)
    assert moved.world == "robot base"
    point = np.array([0.1, 0.05, 0.02])
    for before, after in zip(calibration.as_cameras(), moved.as_cameras(), strict=True):
        np.testing.assert_allclose(Pose.of(after).apply(place.apply(point)), Pose.of(before).apply(point), atol=1e-12)


def test_a_number_changed_by_hand_is_noticed(calibration: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    calibration.write(path)
    fields = json.loads(path.read_text())
    fields["cameras"]["cam0"]["t_m"][0] += 0.001
    path.write_text(json.dumps(fields))
    with pytest.raises(CalibrationError, match="was changed by hand"):
        read_calibration(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [("", "is no calibration file"), ("{}", "version: Field required"), ('{"cameras": 3}', "Field required")],
)
def test_what_is_no_calibration_is_refused(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(content)
    with pytest.raises(CalibrationError, match=says):
        read_calibration(path)
    with pytest.raises(CalibrationError, match="cannot be read"):
        read_calibration(tmp_path / "missing.json")


def test_a_bad_calibration_makes_no_file() -> None:
    rng = np.random.default_rng(22)
    cameras = draw_cameras(rng, 640)
    solution = solve(seen(cameras, draw_poses(rng, BOARD, 4), rng, 0.05))
    with pytest.raises(CalibrationError, match="the calibration is bad and makes no file"):
        Calibration.of(solution, judge(solution))
