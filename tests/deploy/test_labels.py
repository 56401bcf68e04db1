"""``s3k labels``: what it prints, draws and writes, and what it says where it cannot."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from actors.sim.scenes.catalogue import SceneSpec
from actors.sim.scenes.simulate import LabelPlan, simulate
from deploy.cli import main
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.keypoints.detector import MODEL_KIND
from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig
from s3k_dist.labels.store import Label, load_labels, save_labels
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter
from s3k_dist.weights import ModelManifest, WeightsRegistry
from tests.s3k_dist.labels.moving_toys import Table, clicks

SIZE_PX = 64
NETWORK = NetworkConfig(
    keypoint_names=("top_left", "top_right", "bottom_left"), image_size_px=SIZE_PX, channels=(8, 8), residual_blocks=0
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten scenes of the box, four of them labelled, and a model, as the folder of a run has them."""
    folder = DatasetFolder(tmp_path_factory.mktemp("run") / "box")
    simulate(SceneSpec("box", seed=0, size_px=SIZE_PX), 10, LabelPlan(train=2, held_out=2), folder)
    torch.manual_seed(0)
    registry = WeightsRegistry(folder.root / "models")
    manifest = ModelManifest(kind=MODEL_KIND, config=NETWORK.model_dump(mode="json"))
    registry.promote(registry.publish(KeypointNetwork(NETWORK).state_dict(), manifest))
    return folder.root


def suggested(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["labels", "suggest", *arguments, "--json"]) == 0
    return [each["frame"] for each in json.loads(capsys.readouterr().out)["frames"]]


def test_it_lists_unlabelled_frames_best_first(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = suggested(capsys, "--run", str(run), "--count", "3")
    labelled = {label.frame for label in load_labels(run / "labels.json").labels}
    assert len(set(found)) == len(found) == 3
    assert not labelled & set(found)
    assert set(found) <= set(DatasetFolder(run).open_stream().frame_ids())
    assert suggested(capsys, "--data", str(run), "--weights", f"{run / 'models'}:1", "--count", "3") == found


def test_it_prints_a_table_and_draws_the_frames(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = tmp_path / "sheet.png"
    assert main(["labels", "suggest", "--run", str(run), "--count", "2", "--pictures", str(sheet)]) == 0
    printed = capsys.readouterr().out
    assert "disagreement" in printed
    assert "2 frames, by model version 1" in printed
    with Image.open(sheet) as image:
        assert image.size == (4 * 160, 2 * 176)
        assert len(image.getcolors(1 << 24) or []) > 100


def test_it_says_what_is_missing(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (["--data", str(run)], "name one with --weights"),
        (["--run", str(tmp_path)], "has no keypoint model"),
        (["--data", str(tmp_path), "--weights", str(run / "models")], "is no data set"),
        (["--data", str(run), "--weights", str(tmp_path)], "no weights in"),
    ):
        assert main(["labels", "suggest", *arguments]) == 1
        assert message in capsys.readouterr().err


def test_a_stream_that_is_all_labelled_has_nothing_to_suggest(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "stream").symlink_to(run / "stream")
    file = load_labels(run / "labels.json")
    some = file.labels[0]
    everything = [
        some.model_copy(update={"frame": frame}) for frame in DatasetFolder(tmp_path).open_stream().frame_ids()
    ]
    save_labels(tmp_path / "labels.json", file.keypoints, everything)
    assert main(["labels", "suggest", "--data", str(tmp_path), "--weights", str(run / "models")]) == 1
    assert "has a label already" in capsys.readouterr().err


def test_frames_that_the_model_cannot_read_are_named(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry, larger = WeightsRegistry(tmp_path), NETWORK.model_copy(update={"image_size_px": 96})
    manifest = ModelManifest(kind=MODEL_KIND, config=larger.model_dump(mode="json"))
    registry.promote(registry.publish(KeypointNetwork(larger).state_dict(), manifest))
    assert main(["labels", "suggest", "--data", str(run), "--weights", str(tmp_path)]) == 1
    assert "takes two or more views of 96 x 96 px" in capsys.readouterr().err


def test_labels_of_a_still_scene_are_handed_on_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, table = DatasetFolder(tmp_path / "toys"), Table()
    folder.create()
    with StreamWriter(folder.stream, "cell0") as writer:
        for sequence in range(6):
            at = (48.0, 46.0) if sequence < 5 else (54.0, 46.0)
            writer.append(StreamRecord(table.frame(sequence, at), "cell0-0", sequence, 0))
    assert main(["labels", "propagate", "--data", str(folder.root)]) == 1
    assert "label one frame of each arrangement first" in capsys.readouterr().err
    save_labels(folder.labels, ("paw", "head"), [Label(frame="cell0/00000002", split="held_out", clicks=clicks())])
    assert main(["labels", "propagate", "--data", str(folder.root), "--dry-run"]) == 0
    assert "4 frames would take a label over; nothing was written" in capsys.readouterr().out
    assert len(load_labels(folder.labels).labels) == 1
    assert main(["labels", "propagate", "--data", str(folder.root)]) == 0
    said = capsys.readouterr().out
    assert "paw has moved" in " ".join(said.split())
    assert len(load_labels(folder.labels).of_split("held_out")) == 5
    assert main(["labels", "propagate", "--data", str(folder.root), "--tolerance", "0"]) == 1
    assert "stillness.tolerance_px" in capsys.readouterr().err
