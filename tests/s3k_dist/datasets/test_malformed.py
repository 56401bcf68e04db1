"""Malformed exchange folders: each fault is named by its file, and the good frames can still be had."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3k_dist.datasets.exchange_import import RefusedFilesError, import_dataset
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.errors import StorageError
from tests.s3k_dist.datasets.conftest import change, write_png

Edit = Callable[[Path], Any]
FRAME = Path("frames/rig/00000000")
GOOD = {"captured_at_ns": 5, "views": {"right": 6, "left": 7}, "episode_id": "e", "step": 1, "model_version": 2}


def refusals(folder: Path, tmp_path: Path) -> list[str]:
    """What is refused, a line each; nothing may be imported."""
    with pytest.raises(RefusedFilesError) as refused:
        import_dataset(folder, tmp_path / "data")
    assert not list(tmp_path.glob("data*"))
    lines = [str(refusal) for refusal in refused.value.refused]
    assert not any("\n" in line for line in lines)
    return lines


def camera(**values: Any) -> Edit:
    return lambda root: change(root / "cameras.json", lambda cameras: cameras["left"].update(values))


def own_camera(**values: Any) -> Edit:
    def edit(root: Path) -> None:
        left = json.loads((root / "cameras.json").read_text())["left"]
        (root / FRAME / "cameras.json").write_text(json.dumps({"left": left | values}))

    return edit


def image(data: np.ndarray | bytes, name: str = "left.png") -> Edit:
    path = FRAME / name
    return lambda root: (root / path).write_bytes(data) if isinstance(data, bytes) else write_png(root / path, data)


def facts(**values: Any) -> Edit:
    return lambda root: (root / FRAME / "frame.json").write_text(json.dumps(GOOD | values))


def cut(root: Path) -> None:
    path = root / FRAME / "left.png"
    path.write_bytes(path.read_bytes()[:-20])


BLANK = np.zeros((48, 64, 3), np.uint8)


@pytest.mark.parametrize(
    ("edit", "file", "says"),
    [
        (lambda root: (root / FRAME / "left.png").unlink(), "left.png", "no such image; the frame has right.png"),
        (image(BLANK[:, :32]), "left.png", "image is 32 x 48 px, its camera says 64 x 48"),
        (image(b""), "left.png", "the PNG image is damaged (0 bytes)"),
        (image(b"\xff\xd8 not a PNG"), "left.png", "the PNG image is damaged"),
        (cut, "left.png", "the PNG image is damaged"),
        (image(BLANK.astype(np.uint16)), "left.png", "image has 16 bits a channel, expected 8"),
        (image(np.zeros((48, 64, 4), np.uint8)), "left.png", "alpha channel, expected RGB or grey"),
        (image(BLANK, "lfet.png"), "lfet.png", "unknown camera 'lfet'; the frame has left, right"),
        (own_camera(t_m=[0, 0]), "cameras.json", "camera 'left': t_m.2: Field required"),
        (own_camera(R=[[1, 0, 0], [0, 1, 0], [0, 0, -1]]), "cameras.json", "not a rotation"),
        (own_camera(width_px=32), "left.png", "image is 64 x 48 px, its camera says 32 x 48"),
        (lambda root: (root / FRAME / "cameras.json").write_text("{"), "cameras.json", "not JSON: "),
        (lambda root: (root / FRAME / "frame.json").write_text("[]"), "frame.json", "expected a JSON object, got list"),
        (lambda root: (root / FRAME / "frame.json").write_text("{}"), "frame.json", "captured_at_ns: Field required"),
        (
            facts(views={"left": 1, "right": 2, "top": 3}),
            "frame.json",
            "unknown camera 'top'; cameras.json has left, right",
        ),
        (facts(views={"left": 1}), "right.png", "unknown camera 'right'; the frame has left"),
        (facts(step="1"), "frame.json", "step: Input should be a valid integer"),
        (facts(step=True), "frame.json", "step: Input should be a valid integer"),
        (facts(step=2**64), "frame.json", "step: Input should be less than"),
        (facts(captured_at_ns=1.5), "frame.json", "captured_at_ns: Input should be a valid integer"),
        (facts(episode_id="\ud800"), "frame.json", "Invalid JSON"),
        (facts(weather="fine"), "frame.json", "weather: Extra inputs are not permitted"),
    ],
)
def test_a_malformed_frame_is_refused_and_the_other_can_be_had(
    edit: Edit, file: str, says: str, hand_made: Path, tmp_path: Path
) -> None:
    edit(hand_made)
    first, label = refusals(hand_made, tmp_path)
    assert first.startswith(f"{FRAME / file}: ")
    assert says in first
    assert label == "labels.json: label of frame rig/00000000: there is no such frame, or it is refused"

    done = import_dataset(hand_made, tmp_path / "data", skip_bad=True)
    assert (done.frames, done.labels) == (1, 0)
    assert [str(refusal) for refusal in done.refused] == [first, label]
    assert DatasetFolder(tmp_path / "data").open_stream().frame_ids() == ["rig/00000001"]


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (camera(R=[[1, 0, 0], [0, 1, 0], [0, 0, 2]]), "its rotation is not a rotation matrix"),
        (
            camera(K=[[100, 0, 0], [0, 100, 0], [31.5, 23.5, 1]]),
            "the last row is [31.5, 23.5, 1.0], expected [0, 0, 1]",
        ),
        (camera(K=[[-100, 0, 31.5], [0, 100, 23.5], [0, 0, 1]]), "focal lengths must be positive"),
        (
            camera(K=[["100", 0, 31.5], [0, 100, 23.5], [0, 0, 1]]),
            "camera 'left': K.0.0: Input should be a valid number",
        ),
        (camera(distortion=[0, 0, 0, 0]), "camera 'left': distortion.4: Field required"),
        (camera(distortion=[0, 0, 0, 0, float("nan")]), "distortion.4: Input should be a finite number"),
        (camera(t_m=[float("inf"), 0, 0]), "t_m.0: Input should be a finite number"),
        (camera(width_px=0), "image size 0 x 48 is not positive"),
        (camera(width_px=64.5), "width_px: Input should be a valid integer"),
        (camera(name="left"), "name: Extra inputs are not permitted"),
        (lambda root: change(root / "cameras.json", lambda cameras: cameras.update(left=[1])), "should be an object"),
        (lambda root: change(root / "cameras.json", lambda cameras: cameras["left"].pop("R")), "R: Field required"),
    ],
)
def test_a_malformed_camera_is_refused_with_the_frames_that_need_it(
    edit: Edit, says: str, hand_made: Path, tmp_path: Path
) -> None:
    edit(hand_made)
    lines = refusals(hand_made, tmp_path)
    assert lines[0].startswith("cameras.json: camera 'left'")
    assert says in lines[0]
    assert lines[1:3] == [f"frames/rig/0000000{i}: its camera 'left' is refused in cameras.json" for i in range(2)]
    with pytest.raises(
        RefusedFilesError, match=r"no frame of .* can be imported: 4 faults, the first in cameras\.json"
    ):
        import_dataset(hand_made, tmp_path / "data", skip_bad=True)
    assert not list(tmp_path.glob("data*"))


LABEL = {"frame": "rig/00000001", "split": "train", "clicks": {"left": {"tip": [1, 2]}}}


@pytest.mark.parametrize(
    ("label", "says"),
    [
        (LABEL | {"frame": "rig/00000009"}, "label of frame rig/00000009: there is no such frame"),
        (LABEL | {"frame": "../../etc/passwd"}, "label of frame ../../etc/passwd: there is no such frame"),
        (LABEL | {"frame": "rig/00000000"}, "label of frame rig/00000000: the frame is labelled already"),
        (LABEL | {"clicks": {"top": {"tip": [1, 2]}}}, "clicks on unknown camera 'top'; the frame has left, right"),
        (LABEL | {"clicks": {"left": {"nose": [1, 2]}}}, "left: unknown keypoint 'nose'; there are tip"),
        (LABEL | {"points_m": {"nose": [1, 2, 3]}}, "points_m: unknown keypoint 'nose'; there are tip"),
        (
            LABEL | {"clicks": {"left": {"tip": ["1", 2]}}},
            "labels.1: clicks.left.tip.0: Input should be a valid number",
        ),
        (
            LABEL | {"clicks": {"left": {"tip": [1, float("nan")]}}},
            "clicks.left.tip.1: Input should be a finite number",
        ),
        (LABEL | {"clicks": {}}, "has neither clicks nor points_m"),
        (LABEL | {"split": "test"}, "split: Input should be 'train' or 'held_out'"),
        ("rig/00000001", "labels.1: Input should be an object"),
    ],
)
def test_a_malformed_label_is_refused_and_the_others_can_be_had(
    label: Any, says: str, hand_made: Path, tmp_path: Path
) -> None:
    change(hand_made / "labels.json", lambda file: file["labels"].append(label))
    (line,) = refusals(hand_made, tmp_path)
    assert line.startswith("labels.json: ")
    assert says in line

    done = import_dataset(hand_made, tmp_path / "data", skip_bad=True)
    assert (done.frames, done.labels) == (2, 1)
    labels = DatasetFolder(tmp_path / "data").read_labels()
    assert labels is not None
    assert [kept.frame for kept in labels.labels] == ["rig/00000000"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[]", "expected a JSON object, got list"),
        ('{"keypoints": ["tip"]}', "labels: Field required"),
        ('{"keypoints": ["tip", "tip"], "labels": []}', "a keypoint is listed twice: tip, tip"),
        ('{"keypoints": ["tip"], "labels": [], "labels": []}', "'labels' is there twice"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_malformed_label_file_leaves_the_frames(text: str, says: str, hand_made: Path, tmp_path: Path) -> None:
    (hand_made / "labels.json").write_text(text)
    (line,) = refusals(hand_made, tmp_path)
    assert line.startswith("labels.json: ")
    assert says in line
    assert import_dataset(hand_made, tmp_path / "data", skip_bad=True).frames == 2
    assert DatasetFolder(tmp_path / "data").read_labels() is None


def test_all_faults_are_found_at_once(hand_made: Path, tmp_path: Path) -> None:
    (hand_made / FRAME / "left.png").unlink()
    (hand_made / FRAME / "right.png").write_bytes(b"")
    (hand_made / "frames" / "rig" / "00000001" / "top.png").write_bytes(b"")
    (hand_made / "frames" / "rig" / "2").mkdir()
    (hand_made / "frames" / "readme.txt").write_bytes(b"")
    found = {line.partition(": ")[0] for line in refusals(hand_made, tmp_path)}
    assert found == {
        "frames/rig/00000000/left.png",
        "frames/rig/00000000/right.png",
        "frames/rig/00000001/top.png",
        "frames/rig/2",
        "frames/readme.txt",
        "labels.json",
    }


@pytest.mark.parametrize("name", ["1", "000000001", "-0000001", "first", "٠٠٠٠٠٠٠١", "1" * 21])
def test_a_folder_that_is_no_sequence_is_refused(name: str, hand_made: Path, tmp_path: Path) -> None:
    (hand_made / "frames" / "rig" / name).mkdir()
    (line,) = refusals(hand_made, tmp_path)
    assert line == f"frames/rig/{name}: expected a sequence of 8 digits like 00000017 " + (
        "(frames/<cell>/<sequence>/<camera>.png)"
    )


def test_images_laid_out_flat_are_told_the_layout(hand_made: Path, tmp_path: Path) -> None:
    shutil.copy(hand_made / FRAME / "left.png", hand_made / "frames" / "rig" / "left.png")
    (line,) = refusals(hand_made, tmp_path)
    assert line == ("frames/rig/left.png: expected a folder here; images lie in frames/<cell>/<sequence>/<camera>.png")


@pytest.mark.parametrize("name", ["../../left", "/tmp/left", ".left", ""])
def test_no_camera_reads_outside_the_folder(name: str, hand_made: Path, tmp_path: Path) -> None:
    write_png(tmp_path / "left.png", BLANK)
    change(hand_made / "cameras.json", lambda cameras: cameras.update({name: cameras.pop("left")}))
    lines = refusals(hand_made, tmp_path)
    assert lines[0] == (
        f"cameras.json: camera {name!r} cannot name a file: expected a name without '/' that does not start with '.'"
    )
    with pytest.raises(RefusedFilesError):
        import_dataset(hand_made, tmp_path / "data", skip_bad=True)


def test_no_rig_of_one_name_twice(hand_made: Path, tmp_path: Path) -> None:
    text = (hand_made / "cameras.json").read_text()
    (hand_made / "cameras.json").write_text(text.replace('"right"', '"left"'))
    with pytest.raises(StorageError, match=r"cameras\.json: not JSON: 'left' is there twice"):
        import_dataset(hand_made, tmp_path / "data")


def test_what_is_no_exchange_folder_says_so(hand_made: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"is no exchange folder: its cameras\.json: cannot be read: No such file"):
        import_dataset(tmp_path / "nowhere", tmp_path / "data")
    (hand_made / "labels.json").unlink()
    shutil.rmtree(hand_made / "frames")
    assert refusals(hand_made, tmp_path) == [
        "frames: cannot be read: No such file or directory; expected frames/<cell>/<sequence>/<camera>.png"
    ]
    (hand_made / "frames").mkdir()
    with pytest.raises(StorageError, match="has no frames; expected frames/<cell>"):
        import_dataset(hand_made, tmp_path / "data")
    change(hand_made / "cameras.json", lambda cameras: cameras.clear())
    (hand_made / FRAME).mkdir(parents=True)
    assert refusals(hand_made, tmp_path) == [f"{FRAME}: no views: expected at least one camera in cameras.json"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from(["cameras.json", "labels.json", f"{FRAME}/frame.json", f"{FRAME}/left.png"]),
    junk=st.binary(max_size=40),
    at=st.integers(0, 400),
)
def test_junk_raises_nothing_but_a_storage_error(
    file: str, junk: bytes, at: int, hand_made: Path, tmp_path: Path
) -> None:
    facts()(hand_made)
    whole = (hand_made / file).read_bytes()
    try:
        (hand_made / file).write_bytes(whole[:at] + junk + whole[at + len(junk) :])
        for skip_bad in (False, True):
            try:
                import_dataset(hand_made, tmp_path / "data", skip_bad=skip_bad)
            except StorageError:
                assert not (tmp_path / "data").exists()
            shutil.rmtree(tmp_path / "data", ignore_errors=True)
    finally:
        (hand_made / file).write_bytes(whole)
