"""Clicks on disk."""

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
