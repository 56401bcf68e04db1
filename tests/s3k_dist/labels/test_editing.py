"""Several who change one label file at once."""

import multiprocessing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from s3k_dist.errors import StorageError
from s3k_dist.labels.editing import (
    LabelConflictError,
    add_labels,
    label_version,
    next_split,
    put_label,
    redefine_keypoints,
)
from s3k_dist.labels.store import Label, TakenOver, load_labels, save_labels

NAMES = ("tip", "base")


def label(frame: str = "cell0/00000001", **fields: object) -> Label:
    clicks = {"cam0": {"tip": (1.25, 3.5)}, "cam1": {"tip": (2.0, -1 / 3)}}
    return Label.model_validate({"frame": frame, "split": "train", "clicks": clicks, **fields})


def _label_ten(path: Path, first: int) -> None:
    for sequence in range(first, first + 10):
        frame = f"cell0/{sequence:08d}"
        put_label(path, frame, label(frame), "")


def test_two_processes_lose_no_label(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    redefine_keypoints(path, NAMES, {}, {})
    spawned = multiprocessing.get_context("spawn")
    other = spawned.Process(target=_label_ten, args=(path, 0))
    other.start()
    _label_ten(path, 100)
    other.join(60)
    assert other.exitcode == 0
    assert len(load_labels(path).labels) == 20


def test_a_change_of_what_another_has_changed_is_refused_and_shows_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    redefine_keypoints(path, NAMES, {}, {})
    theirs = label(by="anna", at=datetime(2026, 11, 22, 10, 15, tzinfo=UTC))
    put_label(path, theirs.frame, theirs, "")
    with pytest.raises(LabelConflictError, match="changed by anna in the meantime") as refused:
        put_label(path, theirs.frame, label(split="held_out"), "")
    assert refused.value.label == theirs == load_labels(path).labels[0]
    put_label(path, theirs.frame, None, label_version(theirs))
    assert load_labels(path).labels == ()
    with pytest.raises(LabelConflictError, match="in the meantime"):
        put_label(path, theirs.frame, label(), label_version(theirs))


def test_a_label_with_an_unknown_keypoint_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    put = redefine_keypoints(path, ("base",), {}, {})
    with pytest.raises(StorageError, match="unknown keypoint 'tip'"):
        put_label(path, "cell0/00000001", label(), "")
    assert load_labels(path) == put


def test_added_labels_never_stand_in_for_what_a_person_gave(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    save_labels(path, NAMES, [label(by="anna")], {"tip": "#ff0000"})
    origin = TakenOver(frame="cell0/00000009", age_s=1, residual_px=0.1)
    file = add_labels(path, NAMES, [label(taken_over=origin), label("cell0/00000002", taken_over=origin)])
    assert [one.by for one in file.labels] == ["anna", ""]
    assert load_labels(path).colours == {"tip": "#ff0000"}
    with pytest.raises(StorageError, match="has keypoints tip, base, expected nose"):
        add_labels(path, ("nose",), [])


def test_keypoints_are_renamed_with_their_labels_and_never_removed_with_them(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    save_labels(path, NAMES, [label(occluded={"cam2": ["base"]}), label("cell0/00000002", absent=["base"])])
    file = redefine_keypoints(path, ("base", "point"), {"point": "#00ff00"}, {"tip": "point"})
    assert load_labels(path) == file
    assert file.labels[0].clicks["cam1"] == {"point": (2.0, -1 / 3)}
    assert file.labels[1].absent == ("base",)
    with pytest.raises(StorageError, match=r"'base' has labels on 2 frame\(s\)"):
        redefine_keypoints(path, ("point",), {}, {})
    with pytest.raises(StorageError, match="the name of another"):
        redefine_keypoints(path, ("point",), {}, {"base": "point"})
    swapped = redefine_keypoints(path, ("base", "point"), {}, {"base": "point", "point": "base"})
    assert swapped.labels[1].absent == ("point",)


def test_every_fifth_label_of_a_person_is_held_out() -> None:
    labels: list[Label] = []
    for sequence in range(10):
        labels.append(label(f"cell0/{sequence:08d}", split=next_split(labels)))
    assert [one.split == "held_out" for one in labels] == [False] * 4 + [True] + [False] * 4 + [True]
    # A project that has held out more than its share catches up first.
    assert next_split([label(split="held_out")] * 3) == "train"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"occluded": {"cam0": ["tip"]}}, "'tip' is clicked and occluded in cam0"),
        ({"absent": ["tip"]}, "'tip' is absent, and yet somewhere"),
        ({"at": "2026-11-22T10:15:00"}, "timezone"),
    ],
)
def test_a_label_that_contradicts_itself_is_refused(fields: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        label(**fields)


def test_what_is_hidden_and_who_says_so_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    at = datetime(2026, 11, 22, 10, 15, 30, 125000, tzinfo=UTC)
    full = label(occluded={"cam2": ["tip", "base"]}, by="anna", at=at)
    gone = Label(frame="cell0/00000002", split="held_out", absent=NAMES)
    save_labels(path, NAMES, [full, gone], {"base": "#123abc"})
    file = load_labels(path)
    assert list(file.labels) == [full, gone]
    assert file.colours == {"base": "#123abc"}
    assert file.finished("train") == file.finished("held_out") == ()
    assert label().unfinished(("tip",)) is None
    assert label().unfinished(NAMES) == "keypoint 'base' is labelled in 0 view(s), expected at least 2"
    path.write_text(path.read_text().replace("#123abc", "red"))
    with pytest.raises(StorageError, match=r"colours\.base"):
        load_labels(path)
