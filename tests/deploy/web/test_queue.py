"""What the page offers to label next, and what the model suggests there."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from deploy.web.label.predictions import Predictions
from deploy.web.label.queue import LabelQueue, evenly
from s3k_dist.keypoints.detector import MODEL_KIND, KeypointDetector
from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig
from s3k_dist.labels.suggestion import LEAST_CONFIDENCE
from s3k_dist.weights import ModelManifest, WeightsRegistry
from tests.deploy.web.conftest import NAMES, SIZE_PX, Toys

PATIENCE_S = 60.0
NETWORK = NetworkConfig(keypoint_names=NAMES, image_size_px=SIZE_PX, channels=(8, 8), residual_blocks=0)


def promote(root: Path, network: NetworkConfig = NETWORK) -> int:
    """Promote a model that sees something everywhere: its weights are noise."""
    torch.manual_seed(0)
    registry = WeightsRegistry(root)
    manifest = ModelManifest(kind=MODEL_KIND, config=network.model_dump(mode="json"))
    noise = {name: torch.randn_like(each) for name, each in KeypointNetwork(network).state_dict().items()}
    version = registry.publish(noise, manifest)
    registry.promote(version)
    return version


def until_by(queue: LabelQueue, version: int, known: list[str], labelled: set[str]) -> list[str]:
    give_up = time.monotonic() + PATIENCE_S
    while queue.by_model != version:
        assert time.monotonic() < give_up
        queue.frames(known, labelled)
        time.sleep(0.05)
    return queue.frames(known, labelled)


def test_without_a_model_it_is_evenly_over_the_stream_and_stays(toys: Toys) -> None:
    queue = LabelQueue(toys.folder, lambda: None)
    known = [f"cell0/{i:08d}" for i in range(1000)]
    first = queue.frames(known, set())
    assert len(first) == 40
    assert {known[0], known[-1]} <= set(first)
    # Whoever labels ten of them has labelled evenly over the stream, too.
    assert np.diff(sorted(known.index(frame) for frame in first[:10])).max() < 110
    assert known.index(max(first[:10])) > 900
    assert queue.frames([*known, "cell0/00001000"], set(first[:39])) == first  # while somebody works through it
    assert not set(queue.frames(known, set(first))) & set(first)
    assert evenly(["a", "b"], 5) == ["a", "b"]


def test_with_a_model_it_is_where_that_is_least_sure_and_anew_with_the_next(toys: Toys, tmp_path: Path) -> None:
    predictions = Predictions(tmp_path / "models")
    queue = LabelQueue(toys.folder, predictions.detector)
    known = toys.folder.open_stream().frame_ids()
    toys.begin()
    assert queue.frames(known, set()) == known
    assert queue.by_model is None
    version = promote(tmp_path / "models")
    found = until_by(queue, version, known, set())
    assert set(found) < set(known)  # the surer half is not worth a click
    assert until_by(queue, promote(tmp_path / "models"), known, set())
    queue.close()
    promote(tmp_path / "models")
    assert queue.frames(known, set())  # who leaves begins nothing
    assert queue.by_model == version + 1


def test_suggestions_are_of_the_promoted_model_and_no_guesses(
    toys: Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictions, frame = Predictions(tmp_path / "models"), toys.frame("plush/00000000")
    assert predictions.of(frame) == {"version": None, "views": {}}
    version = promote(tmp_path / "models")
    features = KeypointDetector.load(WeightsRegistry(tmp_path / "models"), version).extract(frame)
    confidence = np.random.default_rng(0).random(features.confidence.shape)
    features = replace(features, confidence=confidence)
    monkeypatch.setattr(KeypointDetector, "extract", lambda self, frame: features)
    said = predictions.of(frame)
    assert 0 < sum(len(view) for view in said["views"].values()) < confidence.size
    assert said["version"] == version
    for view, camera in enumerate(frame.cameras):
        sure = {name for k, name in enumerate(NAMES) if confidence[view, k] >= LEAST_CONFIDENCE}
        assert set(said["views"][camera.name]) == sure
        for name, (u, v, _) in said["views"][camera.name].items():
            assert (u, v) == pytest.approx(features.pixels[view, NAMES.index(name)], abs=0.01)
    monkeypatch.undo()
    other = promote(tmp_path / "models", NETWORK.model_copy(update={"image_size_px": 64}))
    assert predictions.of(frame) == {"version": other, "views": {}}
