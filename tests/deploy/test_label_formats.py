"""Clicks in the files of other tools: there and back without a bit lost, and nothing malformed taken in."""

import csv
import json
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from deploy.cli import main
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.labels.formats.pose_table import read_table, table_text
from s3k_dist.labels.store import Label, load_labels, save_labels
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter
from tests.scenes import frame, ring

FORMATS = ("coco", "dlc", "lightning-pose")
NAMES = ("plug tip", 'base, "rear"', "socket")
CAMERAS = ring(3, size_px=32, focal_px=60.0)


def click(u: float, v: float) -> tuple[float, float]:
    return u / 7, v / 3


LABELS = (
    Label(
        frame="cell0/00000001",
        split="train",
        clicks={
            "cam0": {NAMES[0]: click(1, 2), NAMES[1]: click(0.1 + 0.2, 5)},
            "cam2": {NAMES[0]: (1e-9, 31.5), NAMES[2]: (-0.5, 3.0)},
        },
    ),
    Label(frame="cell_1/00000003", split="held_out", clicks={"cam1": {NAMES[1]: click(9, 9)}}),
)


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = DatasetFolder(tmp_path_factory.mktemp("data") / "set")
    folder.create()
    for cell in ("cell0", "cell_1"):
        with StreamWriter(folder.stream, cell) as writer:
            for sequence in range(4):
                record = StreamRecord(frame(CAMERAS, sequence=sequence, cell_id=cell, seed=sequence), "e", sequence, 0)
                writer.append(record)
    return folder.stream


@pytest.fixture
def data(stream: Path, tmp_path: Path) -> DatasetFolder:
    folder = DatasetFolder(tmp_path / "data")
    folder.root.mkdir()
    folder.stream.symlink_to(stream)
    save_labels(folder.labels, NAMES, LABELS)
    return folder


def exported(data: DatasetFolder, form: str) -> Path:
    out = data.root.parent / f"out-{form}"
    assert main(["labels", "export", "--data", str(data.root), "--format", form, "--out", str(out)]) == 0
    return out


def imported(data: DatasetFolder, form: str, source: Path, *more: str) -> int:
    return main(["labels", "import", "--data", str(data.root), "--format", form, "--from", str(source), *more])


@pytest.mark.parametrize("form", FORMATS)
def test_clicks_come_back_bit_for_bit(data: DatasetFolder, form: str) -> None:
    out = exported(data, form)
    images = sorted(out.rglob("*.png"))
    assert len(images) == len(LABELS) * len(CAMERAS)
    with Image.open(images[0]) as image:
        assert image.size == (32, 32)
    data.labels.unlink()
    assert imported(data, form, out) == 0
    file = load_labels(data.labels)
    assert file.keypoints == NAMES
    assert {label.frame: repr(sorted(label.clicks.items())) for label in file.labels} == {
        label.frame: repr(sorted(label.clicks.items())) for label in LABELS
    }
    assert {label.by for label in file.labels} == {"import"}


@pytest.mark.parametrize("form", FORMATS)
def test_a_frame_that_is_labelled_otherwise_is_replaced_only_on_demand(
    data: DatasetFolder, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = exported(data, form)
    before = data.labels.read_bytes()
    assert imported(data, form, out) == 0
    assert data.labels.read_bytes() == before  # nothing is new
    other = LABELS[0].model_copy(update={"clicks": {"cam0": {NAMES[0]: (1.0, 1.0)}}, "split": "held_out"})
    save_labels(data.labels, NAMES, [other])
    assert imported(data, form, out) == 1
    assert "frame cell0/00000001 is labelled otherwise" in capsys.readouterr().err
    assert load_labels(data.labels).labels == (other,)
    assert imported(data, form, out, "--replace") == 0
    file = load_labels(data.labels)
    assert file.labels[0].clicks == LABELS[0].clicks
    assert file.labels[0].split == "held_out"  # as it was here


def test_coco_is_as_its_readers_expect(data: DatasetFolder) -> None:
    content = json.loads((exported(data, "coco") / "annotations.json").read_text())
    (category,) = content["categories"]
    images = {image["id"]: image for image in content["images"]}
    for annotation in content["annotations"]:
        keypoints = annotation["keypoints"]
        assert len(keypoints) == 3 * len(category["keypoints"])
        assert annotation["num_keypoints"] == sum(v > 0 for v in keypoints[2::3])
        assert annotation["category_id"] == category["id"]
        assert images[annotation["image_id"]]["width"] == 32
        assert annotation["iscrowd"] == 0
        assert len(annotation["bbox"]) == 4


def test_lightning_pose_has_the_same_moments_in_every_table(data: DatasetFolder) -> None:
    out = exported(data, "lightning-pose")
    tables = {
        path.stem.rpartition("_")[2]: list(csv.reader(path.read_text().splitlines())) for path in out.glob("*.csv")
    }
    assert set(tables) == {"cam0", "cam1", "cam2"}
    moments = [[row[0].replace(f"_{camera}/", "/") for row in rows[3:]] for camera, rows in tables.items()]
    assert moments[0] == moments[1] == moments[2]
    assert all((out / row[0]).is_file() for rows in tables.values() for row in rows[3:])


def test_points_in_the_world_leave_as_clicks_where_they_are_seen(data: DatasetFolder) -> None:
    middle = Label(frame="cell0/00000001", split="train", points_m={"tip": (0.0, 0.0, 0.0)})
    save_labels(data.labels, ("tip",), [middle])
    out = exported(data, "coco")
    data.labels.unlink()
    assert imported(data, "coco", out) == 0
    (label,) = load_labels(data.labels).labels
    assert set(label.clicks) == {"cam0", "cam1", "cam2"}
    assert label.clicks["cam1"]["tip"] == pytest.approx((15.5, 15.5))


def _coco(change: Callable[[dict], None]) -> Callable[[Path], None]:
    def spoil(out: Path) -> None:
        path = out / "annotations.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return spoil


def _table(old: str, new: str) -> Callable[[Path], None]:
    def spoil(out: Path) -> None:
        path = out / "labeled-data" / "cell0_cam0" / "CollectedData_s3k.csv"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return spoil


@pytest.mark.parametrize(
    ("form", "spoil", "says"),
    [
        ("coco", _coco(lambda c: c["annotations"][0].pop("keypoints")), "annotations.0.keypoints: Field required"),
        ("coco", _coco(lambda c: c["annotations"][0]["keypoints"].pop()), "8 numbers for 3 keypoints"),
        ("coco", _coco(lambda c: c["annotations"][0]["keypoints"].__setitem__(2, 7)), "has visibility 7"),
        ("coco", _coco(lambda c: c["annotations"][0]["keypoints"].__setitem__(0, 1e9)), "outside the image"),
        ("coco", _coco(lambda c: c["annotations"][0]["keypoints"].__setitem__(0, float("nan"))), "outside the image"),
        ("coco", _coco(lambda c: c["annotations"].append(c["annotations"][0])), "labelled twice"),
        ("coco", _coco(lambda c: c["annotations"][0].update(image_id=99)), "image 99, which is not listed"),
        ("coco", _coco(lambda c: c["images"][0].update(file_name="../../etc/passwd")), "expected <cell>/<sequence>"),
        ("coco", _coco(lambda c: c["images"][0].update(file_name="cell0/77/cam0.png")), "is not in the stream"),
        ("coco", _coco(lambda c: c["images"][0].update(file_name="cell0/1/top.png")), "has no camera 'top'"),
        ("coco", _coco(lambda c: c.update(categories=[])), "expected one category"),
        ("coco", lambda out: (out / "annotations.json").write_bytes(b"{"), "is no COCO keypoint file"),
        ("coco", lambda out: (out / "annotations.json").unlink(), "no COCO file"),
        ("dlc", _table("coords", "individuals"), "several animals"),
        ("dlc", _table("scorer", "scorers"), "its first lines begin with scorers"),
        ("dlc", _table(",x,y", ",y,x"), "expected the columns x and y"),
        ("dlc", _table("img00000001", "img00000099"), "is not in the stream"),
        ("dlc", _table("img00000001.png,", "img00000001.png,,"), "line 4: 10 cells, expected 9"),
        ("dlc", _table(str(1 / 7), "middle"), "'plug tip' is at 'middle'"),
        ("dlc", _table(str(1 / 7), ""), "has one coordinate of two"),
        ("dlc", _table("plug tip,plug tip", "nose,nose"), "has body parts"),
        ("dlc", _table("cell0_cam0", "cell9_cam0"), "is of no view"),
        ("lightning-pose", lambda out: [path.unlink() for path in out.glob("*.csv")], "no CollectedData_<view>.csv"),
        ("lightning-pose", lambda out: (out / "CollectedData_cam0.csv").write_bytes(b"\xff\xfe"), "is no CSV file"),
    ],
)  # fmt: skip
def test_a_malformed_file_is_refused_with_the_reason_and_nothing_is_taken_in(
    data: DatasetFolder, form: str, spoil: Callable[[Path], None], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = exported(data, form)
    data.labels.unlink()
    spoil(out)
    assert imported(data, form, out) == 1
    assert says in capsys.readouterr().err
    assert not data.labels.exists()


def test_keypoints_of_another_project_are_refused(data: DatasetFolder, capsys: pytest.CaptureFixture[str]) -> None:
    out = exported(data, "coco")
    save_labels(data.labels, ("nose",), [])
    assert imported(data, "coco", out) == 1
    assert "unknown keypoint 'plug tip'; there are nose" in capsys.readouterr().err


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(
    names=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, unique=True),
    data=st.data(),
    columns=st.sampled_from([1, 3]),
)
def test_a_table_of_any_names_and_numbers_is_read_as_it_was_written(
    tmp_path: Path, names: list[str], data: st.DataObject, columns: int
) -> None:
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    clicks = data.draw(st.dictionaries(st.sampled_from(names), st.tuples(numbers, numbers)))
    rows = [(PurePosixPath("labeled-data/a_b/img1.png"), clicks)]
    path = tmp_path / "table.csv"
    path.write_text(table_text(names, rows, columns), encoding="utf-8")
    found_names, found = read_table(path)
    assert found_names == tuple(names)
    assert repr(sorted(found[0][1].items())) == repr(sorted(clicks.items()))
    assert found[0][0] == rows[0][0]
