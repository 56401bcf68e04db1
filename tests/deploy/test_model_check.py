"""Features of models that cannot be, or are long gone, are refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from deploy.model_check import ModelCheck
from s3k_dist.episodes import EpisodeChunk, EpisodeChunkError
from s3k_dist.weights import ModelManifest, WeightsRegistry


def chunk_seen_by(*versions: int) -> EpisodeChunk:
    steps = len(versions)
    return EpisodeChunk(
        episode_id="e1",
        cell_id="cell3",
        observations=np.zeros((steps + 1, 2)),
        actions=np.zeros((steps, 1)),
        rewards=np.zeros(steps),
        terminated=False,
        truncated=False,
        start_step=0,
        policy_version=1,
        model_versions=np.array(versions, np.int64),
    )


def registry_of(folder: Path, versions: int) -> WeightsRegistry:
    registry = WeightsRegistry(folder)
    for _ in range(versions):
        version = registry.publish({"weight": torch.zeros(1)}, ModelManifest(kind="keypoints"))
        registry.promote(version)
    return registry


def test_features_of_a_model_that_does_not_exist_are_refused_by_name(tmp_path: Path) -> None:
    check = ModelCheck(registry_of(tmp_path, 3), max_lag=2)
    check(chunk_seen_by(3, 3, 2))
    with pytest.raises(EpisodeChunkError, match="cell 'cell3': features of model version 9; there are 1 to 3") as error:
        check(chunk_seen_by(3, 9))
    assert error.value.reason == "unknown_model"


def test_features_of_a_long_replaced_model_are_refused_and_new_models_are_noticed(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, 2)
    check = ModelCheck(registry, max_lag=1)
    check(chunk_seen_by(1, 2))
    registry.promote(registry.publish({"weight": torch.ones(1)}, ModelManifest(kind="keypoints")))
    check(chunk_seen_by(2, 3))
    with pytest.raises(EpisodeChunkError, match="model version 1; 3 is promoted, and at most 1 versions") as error:
        check(chunk_seen_by(3, 1))
    assert error.value.reason == "stale_model"
    registry.roll_back()
    check(chunk_seen_by(3, 2))


def test_a_registry_that_cannot_be_read_counts_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = registry_of(tmp_path, 2)
    check = ModelCheck(registry, max_lag=1)
    check(chunk_seen_by(2))
    (tmp_path / "promoted.json").write_text("{")
    check(chunk_seen_by(2))


def test_rejected_versions_make_no_model_old_and_one_on_trial_is_taken(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, 1)
    check = ModelCheck(registry, max_lag=1)
    for _ in range(5):
        registry.reject(registry.publish({"weight": torch.zeros(1)}, ModelManifest(kind="keypoints")), "no better")
    last = registry.publish({"weight": torch.zeros(1)}, ModelManifest(kind="keypoints"))
    registry.start_trial(last, 0.5)
    check(chunk_seen_by(1, last))
    registry.promote(last)
    check(chunk_seen_by(1, last))  # what was under way when it was promoted
    with pytest.raises(EpisodeChunkError, match="model version 3; 7 is promoted"):
        ModelCheck(registry, max_lag=0)(chunk_seen_by(3))
