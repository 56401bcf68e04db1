"""What a person may write in an exchange folder, beyond the plainest."""

import json
from pathlib import Path

import cv2
import numpy as np

from s3k_dist.datasets.exchange_import import import_dataset
from s3k_dist.datasets.folder import DatasetFolder
from tests.s3k_dist.datasets.conftest import write_png

FRAME = Path("frames/rig/00000000")


def test_what_desktops_leave_behind_is_passed_over(hand_made: Path, tmp_path: Path) -> None:
    for folder in (hand_made, hand_made / "frames", hand_made / "frames" / "rig", hand_made / FRAME):
        (folder / ".DS_Store").write_bytes(b"")
        (folder / "._left.png").write_bytes(b"")
    (hand_made / FRAME / "notes.txt").write_text("seen at noon")
    assert import_dataset(hand_made, tmp_path / "data").frames == 2


def test_grey_images_are_taken(hand_made: Path, tmp_path: Path) -> None:
    grey = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)
    write_png(hand_made / FRAME / "left.png", grey)
    import_dataset(hand_made, tmp_path / "data")
    view = DatasetFolder(tmp_path / "data").open_stream().read(0).frame.views[0]
    np.testing.assert_array_equal(view.image, np.repeat(grey[..., None], 3, axis=2))


def test_colours_keep_their_order(hand_made: Path, tmp_path: Path) -> None:
    red = cv2.cvtColor(np.full((48, 64, 3), (200, 30, 10), np.uint8), cv2.COLOR_RGB2BGR)
    write_png(hand_made / FRAME / "left.png", red)
    import_dataset(hand_made, tmp_path / "data")
    view = DatasetFolder(tmp_path / "data").open_stream().read(0).frame.views[0]
    assert view.image[0, 0].tolist() == [200, 30, 10]


def test_a_frame_may_have_cameras_and_views_of_its_own(hand_made: Path, tmp_path: Path) -> None:
    left = json.loads((hand_made / "cameras.json").read_text())["left"]
    (hand_made / FRAME / "cameras.json").write_text(json.dumps({"left": left | {"t_m": [0, 0, 3]}}))
    facts = {"captured_at_ns": 5, "views": {"right": 6, "left": 7}, "episode_id": "e", "step": 1, "model_version": 2}
    (hand_made / FRAME / "frame.json").write_text(json.dumps(facts))
    second = hand_made / "frames" / "rig" / "00000001"
    (second / "left.png").unlink()
    (second / "frame.json").write_text(json.dumps(facts | {"views": {"right": 9}}))
    import_dataset(hand_made, tmp_path / "data")
    reader = DatasetFolder(tmp_path / "data").open_stream()
    right, left = reader.read(0).frame.views
    assert (right.camera.name, right.captured_at_ns, right.camera.translation_m[2]) == ("right", 6, 2)
    assert (left.camera.name, left.captured_at_ns, left.camera.translation_m[2]) == ("left", 7, 3)
    assert [view.camera.name for view in reader.read(1).frame.views] == ["right"]
