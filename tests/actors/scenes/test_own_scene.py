"""A scene that is not in the catalogue: the example of docs/own-scene.md."""

from pathlib import Path

import numpy as np
import pytest

from actors.sim.scenes.catalogue import SceneSpec, read_options
from actors.sim.scenes.simulate import LabelPlan, simulate
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.errors import ConfigError

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"


@pytest.fixture(autouse=True)
def _on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES))  # of the processes that render


def test_a_scene_of_ones_own_becomes_a_data_set(tmp_path: Path) -> None:
    options = read_options("pot:Pot", ["height_m=0.2"])
    assert options == {"height_m": 0.2}
    folder = DatasetFolder(tmp_path / "pot")
    simulate(SceneSpec("pot:Pot", 3, 64, options), 3, LabelPlan(2, 1), folder)
    labels = folder.read_labels()
    assert labels is not None
    assert labels.keypoints == ("rim", "handle", "foot")
    for label in labels.labels:
        rim, foot = (np.array(label.points_m[name]) for name in ("rim", "foot"))
        assert rim[2] - foot[2] == pytest.approx(0.2)
        assert np.linalg.norm((rim - foot)[:2]) == pytest.approx(0.08)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("pot:Mug", "has no attribute 'Mug'"),
        ("nowhere:Pot", "No module named 'nowhere'"),
        ("pot:", "no scene 'pot:'"),
    ],
)
def test_a_scene_that_is_not_there(name: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        SceneSpec(name, 0).build()


def test_an_option_that_the_class_does_not_take() -> None:
    with pytest.raises(ConfigError, match=r"pot:Pot.*cannot be made.*colour"):
        SceneSpec("pot:Pot", 0, options={"colour": "red"}).build()
