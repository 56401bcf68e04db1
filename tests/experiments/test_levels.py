"""What the levels cost, measured small, and their page."""

from pathlib import Path

import pytest

from actors.sim.levels import LEVELS
from experiments import levels
from experiments.levels import LevelResult
from s3k_dist.errors import S3KError


def test_the_expert_is_cloned_and_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "SEEDS", (0,))
    result = levels.measure("easy", demonstrations=4, episodes=3, updates=30)
    assert result.expert_success > 0.5
    assert 5 < result.demonstration_steps < 40
    assert len(result.cloned_success) == 1
    assert result.cloned_success[0] in (0, 1 / 3, 2 / 3, 1)


def test_an_expert_that_cannot_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.sim.demonstrate.ATTEMPTS_EACH", 2)
    monkeypatch.setattr("actors.sim.expert.expert_twist", lambda cell: 0 * cell.twist_limit)
    with pytest.raises(S3KError, match="the expert succeeded in 0 of 2 episodes; 1 demonstrations"):
        levels.measure("hard", demonstrations=1, episodes=1)


def test_the_page_says_what_makes_each_level_hard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = LevelResult(0.96, 21.5, (0.6, 0.7, 0.8), "a machine")
    text = levels.page(dict.fromkeys(LEVELS, result))
    assert "| easy | 0.0006 | 50 | 1.2 |" in text
    assert "| 96% | 21.5 | 70% (60, 70, 80) |" in text
    assert "a machine" in text
