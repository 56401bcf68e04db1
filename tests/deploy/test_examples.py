"""The scripts of the documentation run as they are printed there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from actors.sim.scenes.catalogue import SceneSpec
from actors.sim.scenes.simulate import LabelPlan, simulate
from s3k_dist.datasets.exchange_export import export_dataset
from s3k_dist.datasets.folder import DatasetFolder

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"


def ran(command: list[str], folder: Path) -> str:
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": beside, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    told = subprocess.run(
        command, capture_output=True, text=True, timeout=200, cwd=folder, env=environment, check=False
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    dataset = DatasetFolder(folder / "data")
    simulate(SceneSpec("box", 5, 64), 12, LabelPlan(8, 4), dataset)
    export_dataset(dataset, folder / "plain")
    return folder / "plain"


def test_from_plain_images_to_a_model_and_to_keypoints(images: Path, tmp_path: Path) -> None:
    ran([str(EXAMPLES / "train_on_my_labels.sh"), str(images), "6"], tmp_path)
    assert (tmp_path / "data/mine-evaluation/index.html").exists()
    told = ran([sys.executable, str(EXAMPLES / "detect.py"), "models/mine", str(images)], tmp_path)
    assert len(told.splitlines()) == 12 * 3
    assert "top_left: " in told


def test_an_environment_of_ones_own() -> None:
    told = ran([sys.executable, str(EXAMPLES / "my_environment.py"), "300"], ROOT)
    assert int(told.splitlines()[-1].split()[0]) >= 300
