"""`s3k calibrate` on rendered boards: captured from a watched folder, solved, checked, registered; bad sets refused."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from deploy.calibration.capture import FolderSource, LiveSource, capture
from deploy.cli import main
from experiments.calibration_scene import MOVED, Poses, draw_cameras, draw_poses, errors, rendered
from s3k_dist.calibration.file import read_calibration
from s3k_dist.calibration.guide import Guide
from s3k_dist.calibration.images import read_poses, read_set, set_names, write_set
from s3k_dist.calibration.pose import Pose
from s3k_dist.geometry.camera import Camera
from tests.s3k_dist.calibration.sightings import BOARD

SIZE_PX = 400
SETS = 14
HELD = Pose.of_vector(np.array([0.1, 0.2, -0.3]), np.array([-0.1, -0.1, 0.05]))  # board to tool
BASE = Pose.of_vector(np.array([0.0, 0.1, 0.7]), np.array([0.6, -0.1, 0.02]))  # base from the true world


@dataclass(frozen=True)
class Cell:
    """Three cameras, and the folder of their images."""

    cameras: dict[str, Camera]
    poses: Poses
    sets: Path
    board: Path


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Cell:
    root = tmp_path_factory.mktemp("cell")
    rng = np.random.default_rng(61)
    cameras = dict(list(draw_cameras(rng, SIZE_PX).items())[:3])
    poses = draw_poses(rng, BOARD, SETS, reach_m=0.2)
    for name, images in rendered(cameras, poses, BOARD, rng):
        write_set(root / "sets" / name, images)
    BOARD.write(root / "board.json")
    return Cell(cameras, poses, root / "sets", root / "board.json")


@pytest.fixture(scope="module")
def solved(cell: Cell) -> Path:
    out = cell.board.with_name("calibration.json")
    assert main(["calibrate", "solve", str(cell.sets), "--board", str(cell.board), "--out", str(out)]) == 0
    return out


def test_solve_finds_the_cameras_and_writes_a_report(cell: Cell, solved: Path) -> None:
    found = {camera.name: camera for camera in read_calibration(solved).as_cameras()}
    for place_mm, turn_deg, focal_percent in errors(found, cell.cameras).values():
        assert place_mm < 2, "small images and few sets"
        assert turn_deg < 0.2
        assert focal_percent < 0.2
    page = solved.with_suffix(".html").read_text()
    assert read_calibration(solved).version in page
    assert page.index("calibration</h1>") < page.index("What each camera saw") < page.index("The error to expect")
    for name in cell.cameras:
        assert f"<h3>{name}</h3>" in page
    assert not re.search(r'(?:src|href)="https?:', page), "it works offline"


def test_check_holds_and_names_a_camera_that_was_knocked(
    cell: Cell, solved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = read_calibration(solved).version
    some = tmp_path / "fresh"
    for name in set_names(cell.sets)[:5]:
        write_set(some / name, read_set(cell.sets / name))
    assert main(["calibrate", "check", str(solved), str(some)]) == 0
    assert f"{version}: it holds" in capsys.readouterr().out
    rng = np.random.default_rng(62)
    camera = cell.cameras["cam1"]
    off = {"cam1": Camera(**(vars(camera) | {"translation_m": camera.translation_m + np.array([0.012, 0, 0])}))}
    poses = draw_poses(rng, BOARD, 5, reach_m=0.06, tilt_deg=20)
    for name, images in rendered(cell.cameras | off, poses, BOARD, rng):
        write_set(tmp_path / "knocked" / name, images)
    assert main(["calibrate", "check", str(solved), str(tmp_path / "knocked")]) == 1
    assert "camera cam1 has moved by" in capsys.readouterr().out


def test_base_puts_the_cameras_into_the_robots_frame(cell: Cell, solved: Path, tmp_path: Path) -> None:
    # The board as the gripper would hold it: the same images, with the robot's pose of each.
    for name, pose in cell.poses.items():
        write_set(tmp_path / "held" / name, read_set(cell.sets / name), BASE @ pose @ HELD.inverse())
    out = tmp_path / "base.json"
    assert main(["calibrate", "base", str(solved), str(tmp_path / "held"), "--out", str(out)]) == 0
    found = read_calibration(out)
    assert found.world == "robot base"
    for camera in found.as_cameras():
        centre = BASE.apply(cell.cameras[camera.name].centre_m)
        np.testing.assert_allclose(camera.centre_m, centre, atol=0.003)


def test_base_from_corners_that_were_touched(cell: Cell, solved: Path, tmp_path: Path) -> None:
    touched = []
    for set_name in ("0000", "0001"):
        for column, row in ((1, 1), (8, 1), (1, 6)):
            corner = cell.poses[set_name].apply(np.array([column, row, 0]) * BOARD.square_m)
            touched.append({"tool_m": BASE.apply(corner).tolist(), "set": set_name, "corner": [column, row]})
    (tmp_path / "touched.json").write_text(json.dumps(touched))
    arguments = ["--touched", str(tmp_path / "touched.json"), "--out", str(tmp_path / "base.json")]
    assert main(["calibrate", "base", str(solved), str(cell.sets), *arguments]) == 0
    for camera in read_calibration(tmp_path / "base.json").as_cameras():
        np.testing.assert_allclose(camera.centre_m, BASE.apply(cell.cameras[camera.name].centre_m), atol=0.005)


def test_a_bad_set_is_called_bad_and_makes_no_file(
    cell: Cell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in set_names(cell.sets)[:4]:
        write_set(tmp_path / "few" / name, read_set(cell.sets / name))
    out = tmp_path / "calibration.json"
    assert main(["calibrate", "solve", str(tmp_path / "few"), "--board", str(cell.board), "--out", str(out)]) == 1
    said = capsys.readouterr().out
    assert "The calibration is bad." in said
    assert "images show the board. Take more" in said
    assert not out.exists()
    assert "A bad calibration" in out.with_suffix(".html").read_text()


def test_capture_takes_what_appears_and_stores_it(cell: Cell, tmp_path: Path) -> None:
    lines: list[str] = []
    source = FolderSource(cell.sets, tuple(cell.cameras), settled_s=0.0)
    guide = Guide(BOARD, tuple(cell.cameras))
    tool = Pose.of_vector(np.array([0, 0, 0.5]), np.array([0.1, 0.2, 0.3]))
    capture(source, guide, tmp_path / "kept", lines.append, idle_s=0.0, tool=lambda: tool)
    assert set_names(tmp_path / "kept")
    assert len(read_poses(tmp_path / "kept")) == len(guide.kept)
    assert any(": kept, seen by" in line for line in lines)
    again = Guide(BOARD, tuple(cell.cameras))
    capture(FolderSource(tmp_path / "nothing"), again, tmp_path / "kept", lines.append, idle_s=0.0)
    assert again.kept == guide.kept, "what is there counts"


def test_a_live_source_waits_until_the_board_is_still(cell: Cell, tmp_path: Path) -> None:
    rng = np.random.default_rng(63)
    pose = draw_poses(rng, BOARD, 1, tilt_deg=5, reach_m=0.01)["0000"]
    steps = {"0": pose, "1": MOVED @ pose, "2": MOVED @ pose}
    images = iter([each for _, each in rendered(cell.cameras, steps, BOARD, rng)])
    guide = Guide(BOARD, tuple(cell.cameras))
    assert not capture(LiveSource(lambda: next(images, {})), guide, tmp_path, lambda _: None, idle_s=0.1)
    assert guide.kept == ("0000",)
    np.testing.assert_array_equal(sorted(read_set(tmp_path / "0000")), sorted(cell.cameras))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["solve", "nowhere", "--board", "{board}"], "nowhere holds no image sets; expected <set>/<camera>.png"),
        (["solve", "{sets}", "--board", "nowhere.json"], "nowhere.json cannot be read"),
        (["check", "nowhere.json", "{sets}"], "nowhere.json cannot be read"),
        (["solve", "{sets}", "--board", "{board}", "--ruler", "200", "20"], "expected two lengths within a tenth"),
        (["solve", "{sets}", "--board", "{board}", "--serial", "cam0"], "--serial takes CAMERA=SERIAL"),
    ],
)
def test_what_is_wrong_is_one_line(
    cell: Cell, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [each.format(board=cell.board, sets=cell.sets) for each in arguments]
    assert main(["calibrate", *filled]) == 1
    assert says in capsys.readouterr().err
