"""Labels are handed on while the scene stands still, and no further."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3k_dist.errors import StorageError
from s3k_dist.frames import MultiViewFrame
from s3k_dist.labels.still_scenes import Followed, StillScenesConfig, follow
from s3k_dist.labels.stillness import Patch, Sight, StillnessConfig
from s3k_dist.labels.store import Label, LabelFile, TakenOver, load_labels, save_labels
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter
from tests.s3k_dist.labels.moving_toys import CAMERAS, Table, clicks, texture

NAMES = ("paw", "head")


def followed(root: Path, frames: Sequence[MultiViewFrame], labels: Sequence[Label], **config: object) -> list[Followed]:
    with StreamWriter(root, "cell0") as writer:
        for frame in frames:
            writer.append(StreamRecord(frame, "cell0-0", frame.sequence, 0))
    file = LabelFile(keypoints=NAMES, labels=tuple(labels))
    reader = StreamReader(root)
    reader.refresh()
    return follow(reader, file, StillScenesConfig.model_validate(config))


def label(sequence: int = 2, **fields: object) -> Label:
    return Label.model_validate({"frame": f"cell0/{sequence:08d}", "split": "train", "clicks": clicks(), **fields})


def sequences(one: Followed) -> list[int]:
    return [int(other.frame.rpartition("/")[2]) for other in one.taken_over]


def test_a_label_is_handed_on_until_the_toy_is_moved(tmp_path: Path) -> None:
    table = Table()
    frames = [table.frame(i, light=1 + 0.05 * np.sin(i)) for i in range(8)]
    frames += [table.frame(i, at=(54.0, 43.0)) for i in range(8, 12)]
    (one,) = followed(tmp_path, frames, [label()])
    assert sequences(one) == [0, 1, 3, 4, 5, 6, 7]
    assert one.ended[0] == "the stream begins"
    assert one.ended[1].startswith("cell0/00000008: paw has moved: cam0 6.7 px, cam1 6.7 px")
    first = one.taken_over[0]
    assert first.clicks == label().clicks
    assert first.taken_over is not None
    assert first.taken_over.frame == "cell0/00000002"
    assert first.taken_over.age_s == pytest.approx(0.5)
    assert 0 <= first.taken_over.residual_px < 0.4


def test_a_hand_in_the_way_costs_its_frames_and_its_views_only(tmp_path: Path) -> None:
    table = Table()
    hidden = {3: (1,), 4: (0, 1), 5: (0, 1, 3)}
    (one,) = followed(tmp_path, [table.frame(i, hidden=hidden.get(i, ())) for i in range(8)], [label()])
    assert sequences(one) == [0, 1, 3, 4, 6, 7]
    assert one.hidden == 1
    assert set(one.taken_over[3].clicks) == {"cam2", "cam3"}


def test_a_gap_a_camera_that_moved_and_another_cell_end_it(tmp_path: Path) -> None:
    table = Table()
    frames = [table.frame(i) for i in (0, 1, 2, 3, 60, 61)]
    (one,) = followed(tmp_path / "gap", frames, [label()])
    assert sequences(one) == [0, 1, 3]
    assert one.ended[1] == "cell0/00000060: 14 s after its neighbour"
    other = MultiViewFrame("cell0", 4, 10**9, tuple(reversed(table.frame(4).views)))
    (one,) = followed(tmp_path / "cameras", [*frames[:4], other], [label()])
    assert "its cameras are others" in one.ended[1]


def test_points_in_the_world_are_handed_on_too(tmp_path: Path) -> None:
    points = {"paw": (0.0, 0.0, 0.0), "head": (0.002, 0.0, 0.004)}
    (one,) = followed(tmp_path, [Table().frame(i) for i in range(5)], [label(clicks={}, points_m=points)])
    assert sequences(one) == [0, 1, 3, 4]
    assert one.taken_over[0].points_m == points


def test_frames_that_have_a_label_keep_it_and_few_of_many_are_taken(tmp_path: Path) -> None:
    frames = [Table().frame(i) for i in range(12)]
    mine = label(5, clicks=clicks(50.5))
    old = label(7, taken_over=TakenOver(frame="cell0/00000002", age_s=1.25, residual_px=0.1))
    first, second = followed(tmp_path, frames, [label(), mine, old], at_most=3)
    assert len(first.taken_over) == 3
    assert not {2, 5, 7} & set(sequences(first) + sequences(second))
    assert not set(sequences(first)) & set(sequences(second))


def test_a_label_of_a_frame_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="labelled frame cell0/00000009 is not in the stream"):
        followed(tmp_path, [Table().frame(0)], [label(9)])


def test_where_a_label_came_from_is_kept(tmp_path: Path) -> None:
    labels = [label(), label(3, taken_over=TakenOver(frame="cell0/00000002", age_s=0.25, residual_px=0.2))]
    save_labels(tmp_path / "labels.json", NAMES, labels)
    assert list(load_labels(tmp_path / "labels.json").labels) == labels


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0.8, 1.2), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_a_shift_is_measured_whatever_the_light(across: float, down: float, light: float, view: int) -> None:
    table = Table()
    before, after = table.frame(0), table.frame(1, at=(48.0 + across, 46.0 + down), light=light)
    found = Patch(before.views[view].image, np.array([50.0, 47.0]), StillnessConfig()).find(after.views[view].image)
    # Half way between two pixels the fitted peak leans to one of them, on both axes.
    assert found.shift_px == pytest.approx(np.hypot(across, down), abs=0.7)


def test_what_has_no_texture_vouches_for_nothing() -> None:
    config = StillnessConfig()
    flat = np.full((96, 96, 3), 120, np.uint8)
    edge = flat.copy()
    edge[:, 48:] = 30
    there = np.array([48.0, 48.0])
    assert Patch(flat, there, config).find(flat).sight is Sight.PLAIN
    assert Patch(edge, there, config).find(edge).sight is Sight.PLAIN  # it could slide along itself
    rough = texture(0, 96).clip(0, 255).astype(np.uint8)
    assert Patch(rough, there, config).find(rough).sight is Sight.STILL
    assert Patch(rough, there, config).find(flat).sight is Sight.HIDDEN
    assert Patch(rough, np.array([2.0, 48.0]), config).find(rough).sight is Sight.OUT
    assert len(CAMERAS) == 4
