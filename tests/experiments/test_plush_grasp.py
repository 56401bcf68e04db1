"""The fox's experiment, small: what is recorded and labelled, a trial with perfect eyes and one with none, the page."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from actors.sim.plush_cell import PlushCell
from experiments import plush_data
from experiments.plush_data import ROOM, record
from experiments.plush_grasp import Trial, known, page, trial
from s3k_dist.datasets.folder import DatasetFolder

FRAMES, UNLABELLED = 2, 2
TRAIN, HELD_OUT = 2, 1


@pytest.fixture(scope="module")
def cell() -> Iterator[PlushCell]:
    cell = PlushCell(32, seed=ROOM)
    yield cell
    cell.stop()


def test_one_click_an_arrangement_is_handed_on_to_its_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plush_data, "TRAIN", TRAIN)
    monkeypatch.setattr(plush_data, "HELD_OUT", HELD_OUT)
    folder = DatasetFolder(tmp_path / "data")
    record(folder, 64, FRAMES, UNLABELLED)
    reader, file = folder.open_stream(), folder.read_labels()
    assert len(reader) == (TRAIN + HELD_OUT) * FRAMES + UNLABELLED
    assert file is not None
    clicked = [label for label in file.labels if label.taken_over is None]
    assert [label.split for label in clicked] == TRAIN * ["train"] + HELD_OUT * ["held_out"]
    for label in file.labels:
        episode = reader.read_by_id(label.frame).episode_id
        assert episode.startswith("arrangement-")
        if label.taken_over is not None:
            assert reader.read_by_id(label.taken_over.frame).episode_id == episode


def test_a_paw_that_can_be_reached_is_lifted_and_eyes_that_see_nothing_are_named(cell: PlushCell) -> None:
    paw = cell.keypoints.index("right_paw")
    for seed in range(20):
        cell.reset(seed)
        if cell.is_uncovered(cell.points_m()[paw]) and cell.points_m()[paw, 2] < 0.04:
            break
    found = trial(cell, known, seed)
    assert found.lifted
    assert found.reachable
    assert found.paw_error_mm == pytest.approx(0, abs=1e-9)
    blind = trial(cell, lambda _: {}, seed)
    assert not blind.lifted
    assert blind.why == 3 * ("not seen: body, right_paw",)


def test_the_page_counts_and_explains(monkeypatch: pytest.MonkeyPatch) -> None:
    good = [Trial(i, True, 1, (), 3.0, True) for i in range(8)]
    late = Trial(8, True, 2, ("it slipped",), 9.0, True)
    bad = Trial(9, False, 3, ("the fingers closed on nothing",) * 3, float(np.nan), False)
    text = page([*good, late, bad], good, {"train": 210, "held_out": 90}, {"median_mm": 4.2})
    assert "| served keypoints | 10 | 80% | 90% |" in text
    assert "| true keypoints | 8 | 100% | 100% |" in text
    assert "210 and 90 frames" in text
    assert "err by 4.2 mm" in text
    assert "Failures: 1, in 1 of which" in text
    assert "the fingers closed on nothing (3)" in text
