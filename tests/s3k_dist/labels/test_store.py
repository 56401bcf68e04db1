"""Labels on disk."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from s3k_dist.errors import StorageError
from s3k_dist.labels.store import Label, load_labels, save_labels

NAMES = ("tip", "base")


def label(frame: str = "cell0/00000001", split: str = "train", name: str = "tip") -> Label:
    return Label.model_validate({"frame": frame, "split": split, "clicks": {"cam0": {name: (1.25, 3.5)}, "cam1": {}}})


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    labels = [label(), label("cell0/00000002", "held_out", "base"), label("cell1/00000002")]
    save_labels(tmp_path / "labels.json", NAMES, labels)
    loaded = load_labels(tmp_path / "labels.json")
    assert loaded.keypoints == NAMES
    assert list(loaded.labels) == labels
    assert [one.frame for one in loaded.of_split("train")] == ["cell0/00000001", "cell1/00000002"]
    assert [one.frame for one in loaded.of_split("held_out")] == ["cell0/00000002"]


def test_a_frame_labelled_twice_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    save_labels(path, NAMES, [label()])
    with pytest.raises(StorageError, match="frame cell0/00000001 is labelled twice"):
        save_labels(path, NAMES, [label(), label(split="held_out")])
    assert load_labels(path).labels == (label(),)


def test_an_unknown_keypoint_says_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cam0: unknown keypoint 'nose'; there are tip, base"):
        save_labels(tmp_path / "labels.json", NAMES, [label(name="nose")])
    assert not (tmp_path / "labels.json").exists()


def test_a_click_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValidationError):
        Label(frame="cell0/00000001", split="train", clicks={"cam0": {"tip": (float("nan"), 1.0)}})


def test_points_in_the_world_are_kept_beside_clicks(tmp_path: Path) -> None:
    point = {"tip": (0.1, -1 / 3, 1e-300), "base": (-0.0, 2.0, 3.0)}
    labels = [
        Label(frame="cell0/00000001", split="train", points_m=point),
        Label(frame="cell0/00000002", split="train", points_m=point, clicks={"cam0": {"tip": (1.0, 2.0)}}),
    ]
    save_labels(tmp_path / "labels.json", NAMES, labels)
    assert repr(load_labels(tmp_path / "labels.json").labels) == repr(tuple(labels))


def test_files_without_points_are_written_and_read_as_before(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    save_labels(path, NAMES, [label()])
    before = {"frame": "cell0/00000001", "split": "train", "clicks": {"cam0": {"tip": [1.25, 3.5]}, "cam1": {}}}
    assert json.loads(path.read_text()) == {"keypoints": ["tip", "base"], "labels": [before]}
    assert load_labels(path).labels[0].points_m == {}


@pytest.mark.parametrize("empty", [{}, {"clicks": {}}, {"clicks": {"cam0": {}}, "points_m": {}}])
def test_a_label_that_says_nothing_is_refused(empty: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="frame cell0/00000001 has neither clicks nor points_m"):
        Label.model_validate({"frame": "cell0/00000001", "split": "train", **empty})


def test_a_point_of_an_unknown_keypoint_says_which_there_are(tmp_path: Path) -> None:
    nose = Label(frame="cell0/00000001", split="train", points_m={"nose": (0.0, 0.0, 1.0)})
    with pytest.raises(StorageError, match="points_m: unknown keypoint 'nose'; there are tip, base"):
        save_labels(tmp_path / "labels.json", NAMES, [nose])


def test_a_keypoint_listed_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="a keypoint is listed twice: tip, base, tip"):
        save_labels(tmp_path / "labels.json", (*NAMES, "tip"), [label()])


def test_missing_labels_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no labels at .*labels\.json: No such file"):
        load_labels(tmp_path / "labels.json")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a label file: file"),
        (b"\xff\xfe", "not a label file"),
        (b"[]", "not a label file: file"),
        (b'{"keypoints": ["tip"]}', "not a label file: labels: Field required"),
        (
            json.dumps({"keypoints": ["tip"], "labels": [{"frame": "a", "split": "test", "clicks": {}}]}).encode(),
            r"labels\.0\.split: Input should be 'train' or 'held_out'",
        ),
        (
            b'{"keypoints": ["tip"], "labels": [{"frame": "a", "split": "train", "points_m": {"tip": [0, 1]}}]}',
            r"labels\.0\.points_m\.tip\.2: Field required",
        ),
        (
            b'{"keypoints": ["tip"], "labels": [{"frame": "a", "split": "train", "points_m": {"tip": [0, 1, NaN]}}]}',
            r"labels\.0\.points_m\.tip\.2: Input should be a finite number",
        ),
        (
            json.dumps(
                {"keypoints": [], "labels": [{"frame": "a", "split": "train", "clicks": {"cam0": {"tip": [1, 2]}}}]}
            ).encode(),
            "unknown keypoint 'tip'",
        ),
    ],
)
def test_a_damaged_label_file_says_where(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "labels.json"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=says) as refused:
        load_labels(path)
    assert "\n" not in str(refused.value)
