"""Cells whose data cannot be true: refused, named, and no hindrance to the others."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from deploy.config import load_config
from deploy.model_check import ModelCheck
from deploy.policy import PolicyProgress
from deploy.run_folder import RunFolder
from deploy.session import Session
from deploy.stages import act
from learners.ddpg.ingest import Refusals
from s3k_dist.episodes import EpisodeChunk, EpisodeChunkError
from s3k_dist.errors import S3KError
from s3k_dist.weights import ModelManifest, WeightsRegistry

NUMBERS = {"env_steps": 10.0, "updates": 5.0}


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


class Shown:
    """What a person was told."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def event(self, text: str) -> None:
        self.events.append(text)

    def update(self, **values: float) -> None:
        pass


@pytest.fixture
def shown() -> Shown:
    return Shown()


@pytest.fixture
def training(tmp_path: Path, shown: Shown) -> act._Training:
    cells = {"cell0": object(), "cell1": object()}
    session = SimpleNamespace(
        config=load_config("smoke"),
        folder=RunFolder(tmp_path),
        topology=SimpleNamespace(cells=lambda: cells),
        log=SimpleNamespace(add=lambda *values: None),
        view=shown,
        seed=lambda offset: offset,
    )
    learner = SimpleNamespace(
        advance=SimpleNamespace(remote=lambda seconds: object()), save=SimpleNamespace(remote=lambda: object())
    )
    return act._Training(cast(Session, session), learner)


def learned(training: act._Training, **refused: Refusals) -> None:
    training._policy_learned(PolicyProgress(NUMBERS, dict(refused)))


def test_a_lying_cell_is_named_once_for_each_reason_and_then_left_alone(
    training: act._Training, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(act.Calls, "ask", lambda calls, name, reference, deadline_s: asked.append(name))
    for count in (1, 2):
        learned(training, cell1=Refusals(Counter(shape=count), count, "cell1: expected rewards of shape (8,)"))
    assert shown.events == ["refused: cell1: expected rewards of shape (8,)"]
    learned(training, cell1=Refusals(Counter(shape=2, not_finite=8), 10, "cell1: rewards not finite"))
    assert shown.events[1:] == [
        "refused: cell1: rewards not finite",
        "cell1 gets no more episodes: its last 10 chunks were refused",
    ]
    asked.clear()
    training._next_episode("cell1", object())
    assert asked == []
    cell = SimpleNamespace(train_episode=SimpleNamespace(remote=lambda seed: object()))
    training._next_episode("cell0", cell)
    assert asked == ["cell0"]


def test_a_run_whose_cells_all_lie_ends_with_the_reasons(training: act._Training) -> None:
    liars = {name: Refusals(Counter(shape=10), 10, f"{name} lies") for name in ("cell0", "cell1")}
    with pytest.raises(S3KError, match="what the cells send is refused: cell0 lies; cell1 lies"):
        learned(training, **liars)
