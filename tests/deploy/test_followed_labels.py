"""Labels that people give while a run learns: in use within a step, and never taken from a damaged file."""

from pathlib import Path

import pytest

from actors.sim.scenes.catalogue import SceneSpec
from actors.sim.scenes.simulate import LabelPlan, simulate
from deploy.config import RunConfig
from deploy.keypoints import build_learner
from deploy.run_folder import RunFolder
from learners.keypoint.learner import KeypointLearner
from s3k_dist.datasets.folder import DatasetFolder
from s3k_dist.labels.editing import put_label, redefine_keypoints
from s3k_dist.labels.store import LabelFile, load_labels, save_labels

SIZE_PX = 64


@pytest.fixture(scope="module")
def all_labels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LabelFile]:
    """Eight scenes of the box, and a label of each."""
    folder = DatasetFolder(tmp_path_factory.mktemp("box") / "box")
    simulate(SceneSpec("box", seed=0, size_px=SIZE_PX), 8, LabelPlan(train=6, held_out=2), folder)
    return folder.stream, load_labels(folder.labels)


@pytest.fixture(autouse=True)
def _nothing_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No simulator knows better than the labels."""
    for module in ("deploy.keypoints", "deploy.followed_labels"):
        monkeypatch.setattr(f"{module}.true_keypoints", lambda folder: {})


@pytest.fixture
def run(tmp_path: Path, all_labels: tuple[Path, LabelFile]) -> tuple[RunFolder, LabelFile]:
    """A run with two labels to train on and one held out."""
    folder, (stream, file) = RunFolder(tmp_path / "run"), all_labels
    folder.root.mkdir()
    folder.stream.symlink_to(stream)
    save_labels(folder.labels, file.keypoints, [*file.of_split("train")[:2], *file.of_split("held_out")[:1]])
    return folder, file


def learner_of(folder: RunFolder) -> KeypointLearner:
    config = RunConfig.model_validate(
        {
            "cells": {"image_px": SIZE_PX},
            "keypoints": {"steps": 100, "trainer": {"warm_start_steps": 100, "labelled_batch": 2}},
        }
    )
    return build_learner(config, folder)


def test_a_label_that_is_given_while_it_learns_is_trained_on_and_judged_by(
    run: tuple[RunFolder, LabelFile],
) -> None:
    folder, file = run
    learner = learner_of(folder)
    assert learner.advance(1).news == ()
    before = learner.measure().median_mm
    put_label(folder.labels, file.of_split("train")[2].frame, file.of_split("train")[2], "")
    new = file.of_split("held_out")[1]
    put_label(folder.labels, new.frame, new, "")
    (news,) = learner.advance(1).news
    assert "3 to train on, 2 held out" in news
    assert new.frame in news
    assert learner.measure().median_mm != before
    assert learner.advance(1).news == ()


def test_a_frame_that_somebody_is_still_at_waits(run: tuple[RunFolder, LabelFile]) -> None:
    folder, file = run
    learner = learner_of(folder)
    name, *_ = file.keypoints
    whole = file.of_split("train")[3]
    begun = whole.model_copy(update={"points_m": {name: whole.points_m[name]}})
    put_label(folder.labels, whole.frame, begun, "")
    assert learner.advance(1).news == ()
    # And a learner that begins now says what it leaves out.
    assert any(whole.frame in line and "0 view(s)" in line for line in learner_of(folder).status().news)


def test_what_cannot_be_taken_in_is_told_once_and_the_labels_before_stay(run: tuple[RunFolder, LabelFile]) -> None:
    folder, file = run
    learner = learner_of(folder)
    learner.advance(1)
    before = learner.measure().median_mm
    good = folder.labels.read_bytes()
    for spoil, says in (
        (lambda: folder.labels.write_bytes(good[: len(good) // 2]), "is not a label file"),
        (lambda: save_labels(folder.labels, ("nose",), []), "has keypoints nose; the model of this run finds"),
        (lambda: save_labels(folder.labels, file.keypoints, file.of_split("train")), "no label of split held_out"),
        (folder.labels.unlink, "no labels at"),
    ):
        spoil()
        (news,) = learner.advance(1).news
        assert "those before stay in use" in news
        assert says in news
        assert learner.advance(1).news == ()
    folder.labels.write_bytes(good)
    redefine_keypoints(folder.labels, file.keypoints, {file.keypoints[0]: "#00ff00"}, {})
    assert learner.advance(1).news == ()  # as it was, in other colours
    learner_again = learner_of(folder)
    learner_again.advance(1)
    assert learner_again.measure().median_mm == pytest.approx(before, rel=1e-3)
