"""`s3k import` and `s3k export`, the example of docs/data.md, and a learner on what came in."""

import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from deploy.cli import main
from learners.keypoint.data import labelled_frames
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.errors import TooFewViewsError
from s3k_dist.labels.store import Label, save_labels

DOCS = Path(__file__).parents[2] / "docs" / "data.md"
GUARD_S = 60


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example of the documentation, with images."""
    root = tmp_path / "exchange"
    for sequence in ("00000000", "00000001"):
        folder = root / "frames" / "rig" / sequence
        folder.mkdir(parents=True)
        for name in ("left", "right"):
            _, data = cv2.imencode(".png", np.full((48, 64, 3), 7, np.uint8))
            (folder / f"{name}.png").write_bytes(data.tobytes())
    blocks = re.findall(r"`([\w./]+\.json)`:\n\n```json\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert [name for name, _ in blocks] == ["cameras.json", "labels.json", "frames/rig/00000001/frame.json"]
    for name, text in blocks:
        (root / name).write_text(text)
    return root


def test_the_example_of_the_documentation_goes_both_ways(
    example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(example), "--out", str(tmp_path / "data")]) == 0
    assert capsys.readouterr().out == f"imported: {tmp_path / 'data'}, 2 frames, 2 labels\n"
    assert main(["export", str(tmp_path / "data"), "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr() == (f"exported: {tmp_path / 'out'}, 2 frames, 2 labels\n", "")
    for name in ("cameras.json", "labels.json", "frames/rig/00000001/frame.json"):
        assert json.loads((tmp_path / "out" / name).read_text()) == json.loads((example / name).read_text())


def test_a_learner_meets_the_point_that_was_clicked(example: Path, tmp_path: Path) -> None:
    assert main(["import", str(example), "--out", str(tmp_path / "data")]) == 0
    dataset = DatasetFolder(tmp_path / "data")
    labels = dataset.read_labels()
    assert labels is not None
    training = labelled_frames(dataset.open_stream(), labels.of_split("train"), labels.keypoints)
    np.testing.assert_allclose(training.points_m.numpy(), [[[0.1, 0.2, 0]]], atol=1e-6)


def test_a_learner_says_which_keypoint_is_labelled_too_little(example: Path, tmp_path: Path) -> None:
    clicks = {"left": {"tip": (36.5, 33.5), "base": (1.0, 2.0)}, "right": {"tip": (26.5, 33.5)}}
    save_labels(example / "labels.json", ("tip", "base"), [Label(frame="rig/00000000", split="train", clicks=clicks)])
    assert main(["import", str(example), "--out", str(tmp_path / "data")]) == 0
    dataset = DatasetFolder(tmp_path / "data")
    labels = dataset.read_labels()
    assert labels is not None
    with pytest.raises(TooFewViewsError):
        labelled_frames(dataset.open_stream(), labels.labels, labels.keypoints)


def test_faults_are_listed_and_nothing_is_imported(
    example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = example / "frames" / "rig" / "00000000"
    (frame / "left.png").unlink()
    (frame / "right.png").write_bytes(b"no image")
    arguments = ["import", str(example), "--out", str(tmp_path / "data")]
    assert main(arguments) == 1
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert printed.out == ""
    assert lines[:3] == [
        "refused: frames/rig/00000000/left.png: no such image; the frame has right.png",
        "refused: frames/rig/00000000/right.png: the PNG image is damaged (8 bytes)",
        "refused: labels.json: label of frame rig/00000000: there is no such frame, or it is refused",
    ]
    assert lines[3].startswith(f"s3k: nothing is imported from {example}: 3 faults")
    assert lines[3].endswith("--skip-bad imports the rest")
    assert not (tmp_path / "data").exists()

    assert main([*arguments, "--skip-bad"]) == 0
    printed = capsys.readouterr()
    assert printed.err.splitlines() == lines[:3]
    assert "1 frames, 1 labels, without what was refused" in printed.out
    assert DatasetFolder(tmp_path / "data").open_stream().frame_ids() == ["rig/00000001"]


@pytest.mark.parametrize(
    ("command", "says"),
    [("import", "is no exchange folder: its cameras.json: cannot be read"), ("export", "is no data set")],
)
def test_what_is_not_there_is_one_line(
    command: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("s3k: ")
    assert says in printed.err
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["import", "export"])
def test_a_used_folder_is_not_written_over(
    command: str, example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(example), "--out", str(tmp_path / "data")]) == 0
    source = example if command == "import" else tmp_path / "data"
    assert main([command, str(source), "--out", str(tmp_path / "data")]) == 1
    assert "is there already and not empty" in capsys.readouterr().err


def test_both_are_in_the_help() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "--help"], capture_output=True, text=True, timeout=GUARD_S, check=True
    )
    assert "\n    import " in answer.stdout
    assert "\n    export " in answer.stdout
