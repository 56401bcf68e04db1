"""A physical cell from its file: emulated cameras that play images, a served robot, and mistakes in the files."""

import socket
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from actors.cell import Cell
from actors.collector import Collector
from deploy.cells import collector_spec
from deploy.config import RunConfig, load_config
from deploy.fleet.cell_file import read_cell_file
from deploy.physical_cell import PhysicalCellSpec
from deploy.run_folder import RunFolder
from s3k_dist.datasets.exchange_format import CameraEntry, cameras_text
from s3k_dist.errors import CellError, ConfigError, S3KError
from s3k_dist.geometry.camera import NO_DISTORTION, Camera

SIZE_PX, RUN_PX = 96, 64
PATIENCE_S = 20.0
INTRINSICS = np.array([[200.0, 0, (SIZE_PX - 1) / 2], [0, 200.0, (SIZE_PX - 1) / 2], [0, 0, 1]])
RIG: dict[str, Any] = {
    "emulated": 2,
    "cameras": {f"cam{index}": {"serial": f"0815-000{index}", "images": "images"} for index in range(2)},
    "settings": {"pixel_format": "RGB8", "roi": {"width": SIZE_PX, "height": SIZE_PX}},
    "limits": {"view_timeout_s": PATIENCE_S, "max_age_s": PATIENCE_S, "pair_within_s": PATIENCE_S},
    "calibration": "cameras.json",
}
ROBOT = {"driver": "simulated", "limits": {"workspace": {"low_m": [-0.15, -0.15, 0.03], "high_m": [0.15, 0.15, 0.3]}}}


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """The folder of a cell's files."""
    images = tmp_path / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        cv2.imwrite(str(images / f"{number}.png"), rng.integers(0, 256, (SIZE_PX, SIZE_PX, 3), dtype=np.uint8))
    cameras = {
        f"cam{index}": CameraEntry.of(
            Camera("any", SIZE_PX, SIZE_PX, INTRINSICS, NO_DISTORTION, np.eye(3), np.zeros(3))
        )
        for index in range(2)
    }
    (tmp_path / "cameras.json").write_text(cameras_text(cameras))
    (tmp_path / "rig.yaml").write_text(yaml.safe_dump(RIG))
    (tmp_path / "robot.yaml").write_text(yaml.safe_dump(ROBOT))
    return tmp_path


@pytest.fixture
def config() -> RunConfig:
    return load_config("smoke", [f"cells.image_px={RUN_PX}"])


def collector_of(bench: Path, config: RunConfig, **physical: Any) -> Any:
    section = {"rig": "rig.yaml", "robot": "robot.yaml"} | physical
    (bench / "cell.yaml").write_text(yaml.safe_dump({"cell": "bench1", "kind": "physical", "physical": section}))
    folder = RunFolder(bench / "run")
    folder.create()
    return collector_spec(config, folder, read_cell_file(bench / "cell.yaml"))


def test_a_cell_of_a_file_looks_moves_and_ends_its_robot(bench: Path, config: RunConfig) -> None:
    script = ["sh", "-c", f"echo $S3K_SEED > {bench}/seed"]
    spec = collector_of(bench, config, reset={"script": script})
    assert isinstance(spec.cell, PhysicalCellSpec)
    cell = spec.cell.make()
    try:
        assert isinstance(cell, Cell)
        seen = cell.reset(42)
        assert (bench / "seed").read_text() == "42\n"
        assert [view.camera.name for view in seen.frame.views] == ["cam0", "cam1"]
        assert seen.frame.views[0].image.shape == (RUN_PX, RUN_PX, 3)
        cell.command(np.array([0, 0, 0.05, 0, 0, 0]))
        address = cell._robot.address.rpartition(":")
    finally:
        cell.stop()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((address[0], int(address[2])), 5.0)


def test_no_expert_records_where_nothing_is_simulated(
    bench: Path, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Bare:
        """Nothing but the calls of a cell."""

        cell_id, cameras, twist_limit = "bench1", (), np.ones(6)

        def resume_after(self, sequence: int) -> None: ...

        def stop(self) -> None: ...

    monkeypatch.setattr(PhysicalCellSpec, "make", lambda self: Bare())
    collector = Collector(collector_of(bench, config))
    with pytest.raises(CellError, match="cell 'bench1' is not simulated, so no scripted expert can record in it"):
        collector.record([("demonstration", 0)])
    collector.stop()


@pytest.mark.parametrize(
    ("file", "changes", "says"),
    [
        ("rig.yaml", {"calibration": None}, "this rig is not calibrated"),
        ("rig.yaml", {"image_px": 128}, r"image_px is 128, and this run works with images of 64 px \(cells.image_px\)"),
        ("robot.yaml", {"limits": {}}, r"robot\.yaml: limits\.workspace: Field required"),
    ],
)
def test_mistakes_in_the_files_are_told(
    file: str, changes: dict[str, Any], says: str, bench: Path, config: RunConfig
) -> None:
    tree = yaml.safe_load((bench / file).read_text())
    (bench / file).write_text(yaml.safe_dump(tree | changes))
    with pytest.raises(ConfigError, match=says):
        collector_of(bench, config).cell.make()


def test_files_that_are_missing_are_named(bench: Path, config: RunConfig) -> None:
    with pytest.raises(ConfigError, match=r"no\.yaml is not a rig file"):
        collector_of(bench, config, rig="no.yaml").cell.make()
    with pytest.raises(ConfigError, match=r"no\.yaml is not a robot file"):
        collector_of(bench, config, robot="no.yaml").cell.make()


def test_a_robot_that_does_not_answer_is_told_and_the_cameras_are_free_again(
    bench: Path, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.physical.cell.READY_S", 0.3)
    for _ in range(2):
        with pytest.raises(S3KError, match=r"no robot at 127\.0\.0\.1:9 within 0\.3 s"):
            collector_of(bench, config, robot="127.0.0.1:9").cell.make()
