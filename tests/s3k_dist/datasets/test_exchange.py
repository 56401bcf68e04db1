"""Out and back in, or in and back out: nothing is lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from s3k_dist.datasets.exchange_export import export_dataset
from s3k_dist.datasets.exchange_import import import_dataset
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.errors import StorageError
from s3k_dist.frames import MultiViewFrame, View
from s3k_dist.geometry.camera import Camera
from s3k_dist.labels.store import Label, save_labels
from s3k_dist.stream.record import StreamRecord, pack_record
from tests.s3k_dist.datasets.conftest import record, write_dataset
from tests.scenes import frame, look_at, ring

GUARD_S = 60


def content(dataset: DatasetFolder) -> dict[str, bytes]:
    """Every bit of each frame, by its name."""
    reader = dataset.open_stream()
    records = [reader.read(index) for index in range(len(reader))]
    return {record.frame.frame_id: pack_record(record) for record in records}


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_data_set_comes_back_as_it_was(dataset: DatasetFolder, tmp_path: Path) -> None:
    exported = export_dataset(dataset, tmp_path / "out")
    imported = import_dataset(tmp_path / "out", tmp_path / "back")

    back = DatasetFolder(tmp_path / "back")
    assert (exported.frames, exported.labels) == (imported.frames, imported.labels) == (5, 2)
    assert content(back) == content(dataset)
    assert back.labels.read_bytes() == dataset.labels.read_bytes()
    export_dataset(back, tmp_path / "again")
    assert files(tmp_path / "again") == files(tmp_path / "out")


def test_a_hand_made_folder_comes_back_as_it_was(hand_made: Path, tmp_path: Path) -> None:
    import_dataset(hand_made, tmp_path / "first")
    export_dataset(DatasetFolder(tmp_path / "first"), tmp_path / "out")
    import_dataset(tmp_path / "out", tmp_path / "second")

    assert content(DatasetFolder(tmp_path / "second")) == content(DatasetFolder(tmp_path / "first"))
    assert set(files(hand_made)) <= set(files(tmp_path / "out"))
    for name in ("cameras.json", "labels.json"):
        assert json.loads((tmp_path / "out" / name).read_text()) == json.loads((hand_made / name).read_text())


def test_what_a_hand_made_folder_does_not_say_is_the_same_each_time(hand_made: Path, tmp_path: Path) -> None:
    import_dataset(hand_made, tmp_path / "data")
    made = DatasetFolder(tmp_path / "data").open_stream().read(1)
    assert (made.episode_id, made.step, made.model_version) == ("rig", 1, 0)
    assert made.frame.captured_at_ns == 0
    assert [(view.camera.name, view.captured_at_ns) for view in made.frame.views] == [("left", 0), ("right", 0)]


def test_the_rig_is_written_once(dataset: DatasetFolder, tmp_path: Path) -> None:
    export_dataset(dataset, tmp_path / "out")
    assert sorted(name for name in files(tmp_path / "out") if name.endswith("cameras.json")) == [
        "cameras.json",
        "frames/other cell/00000004/cameras.json",
    ]
    own = json.loads((tmp_path / "out" / "frames" / "other cell" / "00000004" / "cameras.json").read_text())
    assert list(own) == ["cam2"]


def test_a_run_without_labels_has_none_afterwards(dataset: DatasetFolder, tmp_path: Path) -> None:
    dataset.labels.unlink()
    assert export_dataset(dataset, tmp_path / "out").labels == 0
    assert import_dataset(tmp_path / "out", tmp_path / "back").labels == 0
    assert not (tmp_path / "out" / "labels.json").exists()
    assert DatasetFolder(tmp_path / "back").read_labels() is None


numbers = st.floats(-1e6, 1e6, allow_nan=False) | st.sampled_from([-0.0, 5e-324, 1 / 3, 0.1 + 0.2])
counts = st.integers(-(2**63), 2**64 - 1)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=12).filter(
    lambda name: not name.startswith(".")
)


@st.composite
def records(draw: st.DrawFn) -> list[StreamRecord]:
    cell_id, cameras = draw(names), draw(st.lists(names, min_size=1, max_size=3, unique=True))
    made = []
    for sequence in draw(st.sets(st.integers(0, 2**64 - 2), min_size=1, max_size=3).map(sorted)):
        views = []
        for name in draw(st.permutations(cameras)):
            width, height = draw(st.integers(1, 9)), draw(st.integers(1, 9))
            pose = look_at(draw(st.floats(0, 6)), draw(st.floats(-1, 1)))
            intrinsics = np.array([[draw(st.floats(1, 1e4)), draw(numbers), draw(numbers)], [0, 9.5, -0.0], [0, 0, 1]])
            lens, translation = (
                draw(hnp.arrays(float, 5, elements=numbers)),
                draw(hnp.arrays(float, 3, elements=numbers)),
            )
            calibration = draw(st.sampled_from(["", "cal-0123456789ab"]))
            camera = Camera(name, width, height, intrinsics, lens, pose.rotation, translation, calibration)
            views.append(View(camera, draw(hnp.arrays(np.uint8, (height, width, 3))), draw(counts)))
        scene = MultiViewFrame(cell_id, sequence, draw(counts), tuple(views))
        made.append(
            StreamRecord(scene, draw(st.text(st.characters(exclude_categories=["Cs"]))), draw(counts), draw(counts))
        )
    return made


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=records(), click=st.tuples(numbers, numbers), point=st.tuples(numbers, numbers, numbers))
def test_every_bit_goes_both_ways(
    made: list[StreamRecord],
    click: tuple[float, float],
    point: tuple[float, float, float],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("both-ways")
    dataset, scene = write_dataset(root / "dataset", made), made[0].frame
    clicks = {scene.cameras[0].name: {"tip": click}}
    label = Label(frame=scene.frame_id, split="train", clicks=clicks, points_m={"base": point})
    save_labels(dataset.labels, ("tip", "base"), [label])
    export_dataset(dataset, root / "out")
    import_dataset(root / "out", root / "back")

    assert content(DatasetFolder(root / "back")) == content(dataset)
    assert DatasetFolder(root / "back").labels.read_bytes() == dataset.labels.read_bytes()
    shutil.rmtree(root)


def test_memory_does_not_grow_with_the_data(tmp_path: Path) -> None:
    flat = [View(camera, np.zeros((256, 256, 3), np.uint8), 0) for camera in ring(2, size_px=256)]
    frames = [record(MultiViewFrame("cell0", sequence, 0, tuple(flat))) for sequence in range(40)]
    dataset = write_dataset(tmp_path / "dataset", frames)
    one_frame = 2 * 256 * 256 * 3
    tracemalloc.start()
    try:
        export_dataset(dataset, tmp_path / "out")
        import_dataset(tmp_path / "out", tmp_path / "back")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * one_frame


@pytest.mark.parametrize("name", ["../../escaped", "a/b", "", ".hidden", "x" * 252, "nul\0"])
def test_a_name_that_is_no_file_name_is_not_exported(name: str, tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", [record(frame([look_at(0.0, 0.3, name=name, size_px=8)]))])
    with pytest.raises(StorageError, match=r"frame cell0/00000000 cannot be exported: .* name a file"):
        export_dataset(dataset, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_labels_that_fit_no_frame_are_not_exported(dataset: DatasetFolder, tmp_path: Path) -> None:
    for label, says in (
        (
            Label(frame="cell0/00000009", split="train", points_m={"tip": (0, 0, 0)}),
            "cell0/00000009 is not in the stream",
        ),
        (
            Label(frame="other cell/00000005", split="train", clicks={"cam0": {"tip": (0, 0)}}),
            "its label: clicks on unknown camera 'cam0'; the frame has cam2, cam1",
        ),
    ):
        save_labels(dataset.labels, ("tip",), [label])
        with pytest.raises(StorageError, match=says):
            export_dataset(dataset, tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_damaged_data_is_not_exported(dataset: DatasetFolder, tmp_path: Path) -> None:
    shard = next((dataset.stream / "other cell").glob("*.s3k"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-5] + b"xxxxx")
    with pytest.raises(StorageError, match="CRC mismatch"):
        export_dataset(dataset, tmp_path / "out")
    shard.write_bytes(whole[:-5])
    with pytest.raises(StorageError, match="is damaged: file has"):
        export_dataset(dataset, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_what_is_no_data_set_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is no data set: it has no folder stream"):
        export_dataset(DatasetFolder(tmp_path), tmp_path / "out")
    DatasetFolder(tmp_path).create()
    with pytest.raises(StorageError, match="holds no frames"):
        export_dataset(DatasetFolder(tmp_path), tmp_path / "out")


@pytest.mark.parametrize("way", ["import", "export"])
def test_a_killed_command_leaves_no_folder_that_looks_complete(
    way: str, hand_made: Path, dataset: DatasetFolder, tmp_path: Path
) -> None:
    calls = {
        "import": "import_dataset(Path(sys.argv[1]), Path(sys.argv[3]))",
        "export": "export_dataset(DatasetFolder(Path(sys.argv[2])), Path(sys.argv[3]))",
    }
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from s3k_dist.datasets.exchange_export import export_dataset\n"
        "from s3k_dist.datasets.exchange_import import import_dataset\n"
        "from s3k_dist.datasets.folder import DatasetFolder\n"
        "os.sync = lambda: os.kill(os.getpid(), 9)\n" + calls[way]
    )
    out = tmp_path / "out"
    paths = [str(hand_made), str(dataset.root), str(out)]
    killed = subprocess.run([sys.executable, "-c", code, *paths], timeout=GUARD_S, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()
    assert [path.name.rpartition("-")[0] for path in tmp_path.glob("out*")] == ["out.partial"]

    if way == "import":
        import_dataset(hand_made, out)
    else:
        export_dataset(dataset, out)
    assert out.is_dir()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_failed_export_leaves_nothing(
    error: BaseException, dataset: DatasetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(os, "sync", fail)
    with pytest.raises((KeyboardInterrupt, StorageError), match=r"No space left|^$"):
        export_dataset(dataset, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_only_an_empty_folder_is_filled(hand_made: Path, dataset: DatasetFolder, tmp_path: Path) -> None:
    used = tmp_path / "used"
    used.mkdir()
    (used / "notes.txt").write_text("mine")
    for out in (used, used / "notes.txt"):
        with pytest.raises(StorageError, match="is there already and not empty"):
            import_dataset(hand_made, out)
        with pytest.raises(StorageError, match="is there already and not empty"):
            export_dataset(dataset, out)
    with pytest.raises(StorageError, match="not empty"):
        import_dataset(hand_made, Path("/"))
    with pytest.raises(StorageError, match="a file is in the way"):
        import_dataset(hand_made, used / "notes.txt" / "below")
    assert files(used) == {"notes.txt": b"mine"}
    (used / "notes.txt").unlink()
    import_dataset(hand_made, used)
    assert len(DatasetFolder(used).open_stream()) == 2
