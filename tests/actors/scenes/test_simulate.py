"""A simulated data set: the same bytes for the same seed, labels by plan, whole or not there at all."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sim.scenes.box import PHASES
from actors.sim.scenes.catalogue import SceneSpec
from actors.sim.scenes.simulate import LabelPlan, simulate
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.errors import ConfigError, StorageError
from s3k_dist.labels.store import Label
from tests.actors.scenes.worlds import pixels

BOX = SceneSpec("box", seed=4, size_px=32)
NOISE_PX = 0.7
SCENES = 30


@pytest.fixture
def _few_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """For speed, where looks do not matter."""
    monkeypatch.setattr("actors.sim.scenes.studio.TABLE_TOPS", 4)


@pytest.fixture(scope="module")
def clicked(tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    """Labels by clicks, some held out."""
    folder = DatasetFolder(tmp_path_factory.mktemp("simulated") / "clicked")
    simulate(BOX, SCENES, LabelPlan(24, 4, click_noise_px=NOISE_PX), folder)
    return folder


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_cores(clicked: DatasetFolder, tmp_path: Path) -> None:
    plan, made = LabelPlan(24, 4, click_noise_px=NOISE_PX), _files(clicked.root)
    assert sorted(made) == [".lock", f"{0:08d}-{SCENES}.s3k", "labels.json"]
    simulate(BOX, SCENES, plan, DatasetFolder(tmp_path / "again"), workers=2)
    assert _files(tmp_path / "again") == made


def test_another_seed_gives_another_data_set(clicked: DatasetFolder, tmp_path: Path) -> None:
    other = DatasetFolder(tmp_path / "other")
    simulate(SceneSpec("box", 5, 32), 3, LabelPlan(), other)
    one, two = clicked.open_stream().read(0).frame, other.open_stream().read(0).frame
    assert one.cameras != two.cameras
    assert np.abs(one.views[0].image.astype(float) - two.views[0].image).mean() > 5


def test_frames_come_in_order_at_the_rate_of_a_cell(clicked: DatasetFolder) -> None:
    stream = clicked.open_stream()
    assert stream.frame_ids() == [f"box/{index:08d}" for index in range(SCENES)]
    frame = stream.read(3).frame
    assert frame.captured_at_ns == 3 * 250_000_000
    assert [camera.name for camera in frame.cameras] == ["cam0", "cam1", "cam2", "cam3"]
    assert frame.views[0].image.shape == (32, 32, 3)


def test_clicks_are_off_by_the_noise_that_was_asked_for(clicked: DatasetFolder, tmp_path: Path) -> None:
    true = DatasetFolder(tmp_path / "true")
    simulate(BOX, SCENES, LabelPlan(24, 4), true)
    points, off = {label.frame: label.points_m for label in _labels(true)}, []
    stream = clicked.open_stream()
    for label in _labels(clicked):
        if label.split == "held_out":  # judged by truth
            assert label.points_m == points[label.frame]
            assert label.clicks == {}
            continue
        cameras = stream.read(int(label.frame.partition("/")[2])).frame.cameras
        names = tuple(points[label.frame])
        expected = pixels(np.array([points[label.frame][name] for name in names]), cameras)
        for view, camera in enumerate(cameras):
            clicks = label.clicks[camera.name]
            off += [np.array(clicks[name]) - expected[view, k] for k, name in enumerate(names) if name in clicks]
    assert len(off) > 0.98 * 24 * 4 * 3
    assert np.std(off) == pytest.approx(NOISE_PX, rel=0.1)
    assert np.mean(off) == pytest.approx(0, abs=0.1)


class TestPlan:
    """Which scenes get labels."""

    @given(scenes=st.integers(1, 300), train=st.integers(0, 300), held_out=st.integers(0, 300), start=st.booleans())
    def test_all_are_there_and_none_twice_or_the_plan_is_refused(
        self, scenes: int, train: int, held_out: int, start: bool
    ) -> None:
        plan = LabelPlan(train, held_out, "start" if start else "full")
        if train > (scenes // PHASES if start else scenes) or train + held_out > scenes:
            with pytest.raises(ConfigError, match=f"do not fit into {scenes} scenes"):
                plan.splits(scenes)
            return
        splits = plan.splits(scenes)
        chosen = {split: [scene for scene, of in splits.items() if of == split] for split in ("train", "held_out")}
        assert (len(chosen["train"]), len(chosen["held_out"])) == (train, held_out)
        assert all(0 <= scene < scenes for scene in splits)
        if start:
            assert all(int(scene / scenes * PHASES) == 0 for scene in chosen["train"])

    def test_labels_spread_over_the_timeline(self) -> None:
        splits = LabelPlan(3, 2).splits(101)
        assert splits == {0: "train", 50: "train", 100: "train", 1: "held_out", 99: "held_out"}

    def test_labels_of_the_start_lie_in_the_first_phase_and_judgement_everywhere(self) -> None:
        splits = LabelPlan(10, 50, "start").splits(600)
        train = [scene for scene, split in splits.items() if split == "train"]
        held_out = [scene for scene, split in splits.items() if split == "held_out"]
        assert (min(train), max(train)) == (0, 99)
        assert max(held_out) == 599

    @pytest.mark.parametrize(
        ("plan", "scenes", "says"),
        [
            (LabelPlan(8, 3), 10, "8 labels to train on .* and 3 held out do not fit into 10 scenes"),
            (LabelPlan(11, 0, "start"), 60, "start mode: from 10 scenes"),
            (LabelPlan(-1, 0), 10, "-1 labels to train on"),
            (LabelPlan(), 0, "expected 1 scene or more and 0 labels or more; got 0 scenes"),
            (LabelPlan(1, 0, "end"), 10, "unknown label mode 'end'; there are full, start"),  # type: ignore[arg-type]
            (LabelPlan(1, click_noise_px=-1.0), 10, "click noise is 0 px or more; got -1.0"),
            (LabelPlan(1, click_noise_px=float("nan")), 10, "click noise is 0 px or more; got nan"),
        ],
    )
    def test_what_is_impossible_makes_no_folder(self, plan: LabelPlan, scenes: int, says: str, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=says):
            simulate(BOX, scenes, plan, DatasetFolder(tmp_path / "new"))
        assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("_few_tables")
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_ends_half_way_leaves_nothing(error: type[BaseException], tmp_path: Path) -> None:
    def end(done: int) -> None:
        if done == 2:
            raise error

    with pytest.raises(error):
        simulate(BOX, 4, LabelPlan(), DatasetFolder(tmp_path / "new"), end)
    assert list(tmp_path.iterdir()) == []


def test_a_used_folder_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    told: list[int] = []
    with pytest.raises(StorageError, match="is there already and not empty"):
        simulate(BOX, 4, LabelPlan(), DatasetFolder(tmp_path), told.append)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert told == []


@pytest.mark.usefixtures("_few_tables")
def test_progress_is_told_scene_by_scene_and_an_empty_folder_is_taken(tmp_path: Path) -> None:
    told: list[int] = []
    simulate(BOX, 3, LabelPlan(1), DatasetFolder(tmp_path), told.append)
    assert told == [0, 1, 2, 3]
    assert [label.frame for label in _labels(DatasetFolder(tmp_path))] == ["box/00000000"]


def _labels(folder: DatasetFolder) -> tuple[Label, ...]:
    file = folder.read_labels()
    assert file is not None
    return file.labels


def _files(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.rglob("*") if path.is_file()}
