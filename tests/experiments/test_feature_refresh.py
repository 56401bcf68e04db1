"""Three changes of the model, small, with refreshed features and without; and the page."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import ray

from deploy.config import PolicyConfig
from experiments import feature_refresh
from experiments.feature_refresh import Course, train


@pytest.fixture
def small_ray() -> Iterator[None]:
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.mark.usefixtures("small_ray")
@pytest.mark.parametrize("way", feature_refresh.WAYS)
def test_a_training_through_two_models(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = []
    course_of = feature_refresh._course

    def watched(algorithm, *arguments):
        course = course_of(algorithm, *arguments)
        stored.append((algorithm.replay.rows.columns["model_version"], algorithm.feature_refresh.versions))
        return course

    monkeypatch.setattr(feature_refresh, "_course", watched)
    policy = PolicyConfig(pretrain_updates=20, hidden_sizes=(32, 32), batch=32, catch_up_updates=10)
    course = train(way, 0, steps=160, changes=(80,), demonstrations=2, held_out=1, policy=policy)
    assert course.ends[-1] >= 160
    assert len(course.held_out) == 2
    ((versions, known),) = stored
    counted = {version: int(np.sum(versions == version)) for version in (1, 2)}
    if way == "refreshed":
        assert counted[1] < 30, "but for an episode or two under way, all is the second model's"
        assert known.distances[1] == pytest.approx(0.004 * np.sqrt(3) / 0.02, rel=0.3)
    else:
        assert counted[1] > 80
        assert known.promoted is None


def test_the_page_sets_both_ways_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ends = tuple(range(20, 6020, 20))
    good = Course(ends, tuple(True for _ in ends), (1.0, 1.0, 1.0, 0.96), "a machine")
    bad = Course(ends, tuple(end < 1500 for end in ends), (1.0, 0.5, 0.5, 0.4), "a machine")
    text = feature_refresh.page({("refreshed", 0): good, ("refreshed", 1): good, ("as they were", 0): bad})
    assert "| refreshed | 2 | 100% (100 to 100) | 100% (100 to 100) |" in text
    assert "| as they were | 1 | 100% (100 to 100) | 0% (0 to 0) |" in text
    assert "40% (40 to 40) |" in text
    assert (tmp_path / "docs/images/feature_refresh.png").exists()
