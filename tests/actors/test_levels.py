"""Levels of the task, the cell that renders nothing, and features without a camera."""

from typing import get_args

import gymnasium
import numpy as np
import pytest

import actors.sim.state_environment  # noqa: F401  registers the environment
from actors.insertion import InsertionConfig, InsertionTask, LevelName
from actors.rollout import Rollout
from actors.sim.cell import CableCell, CableCellSpec
from actors.sim.expert import ExpertPolicy
from actors.sim.levels import LEVELS, at_level
from actors.sim.true_features import TrueFeatures
from s3k_dist.errors import CellError, ConfigError
from tests.actors.cell_contract import SimulatedCellContract

STATE = "s3k/CableInsertionState-v0"


def test_a_cell_that_renders_nothing_moves_as_one_that_does(shared_cell: CableCell) -> None:
    blind = CableCell(CableCellSpec(image_px=64, rendered=False))
    for rendered, black in zip(
        SimulatedCellContract.play(shared_cell, 3), SimulatedCellContract.play(blind, 3), strict=True
    ):
        np.testing.assert_array_equal(rendered.gripper.position_m, black.gripper.position_m)
        assert not any(view.image.any() for view in black.frame.views)
    np.testing.assert_array_equal(shared_cell.truth().keypoints_m, blind.truth().keypoints_m)
    blind.stop()
    with pytest.raises(CellError, match="stopped"):
        blind.observe()


def test_true_features_are_as_far_off_as_they_say() -> None:
    cell = CableCell(CableCellSpec(image_px=64, rendered=False))
    frame = cell.reset(3).frame
    true_m = cell.truth().keypoints_m
    exact = TrueFeatures(cell).extract(frame)
    np.testing.assert_array_equal(exact.positions_m, true_m)
    assert exact.consistent(max_residual_px=0.1, min_confidence=0.9).all()
    noisy = TrueFeatures(cell, noise_m=0.002, seed=1)
    errors = np.stack([noisy.extract(frame).positions_m - true_m for _ in range(400)])
    np.testing.assert_allclose(errors.std(axis=0), 0.002, rtol=0.2)
    np.testing.assert_allclose(noisy.extract(frame).covariance_m2, np.tile(4e-6 * np.eye(3), (3, 1, 1)))
    cell.stop()


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_is_an_environment_that_can_be_made_by_name(level: str) -> None:
    environment = gymnasium.make(STATE, level=level, noise_m=0.001)
    first, _ = environment.reset(seed=4)
    again, _ = gymnasium.make(STATE, level=level, noise_m=0.001).reset(seed=4)
    np.testing.assert_array_equal(first, again)
    observation, reward, _, _, info = environment.step(environment.action_space.sample())
    assert environment.observation_space.contains(observation)
    assert np.isfinite(reward)
    assert 0 <= info["true_depth"] < 0.9
    environment.close()


def test_levels_differ_and_an_unknown_one_is_named() -> None:
    specs = [at_level(CableCellSpec(image_px=64), name) for name in LEVELS]
    assert len({str(spec) for spec in specs}) == len(LEVELS)
    assert all(spec.image_px == 64 for spec in specs)
    with pytest.raises(ConfigError, match="no level 'harder'; there are easy, standard, hard"):
        at_level(CableCellSpec(), "harder")


def test_every_level_of_the_configuration_has_a_cell() -> None:
    assert tuple(LEVELS) == get_args(LevelName)


@pytest.mark.parametrize(("level", "at_least"), [("easy", 6), ("standard", 4), ("hard", 2)])
def test_the_expert_inserts_at_every_level(level: str, at_least: int) -> None:
    cell = CableCell(at_level(CableCellSpec(image_px=64, rendered=False), level))
    task = InsertionTask(InsertionConfig(), 64)
    rollout = Rollout(cell, TrueFeatures(cell, noise_m=0.0005), task, chunk_steps=100)
    expert = ExpertPolicy(cell)
    outcomes = [rollout.run(expert, seed) for seed in range(6)]
    assert sum(outcome.truly_inserted for outcome in outcomes) >= at_least
    assert not any(outcome.false_claim for outcome in outcomes)
    assert [len(chunk) for chunk in expert.chunks] == [outcome.steps for outcome in outcomes]
    cell.stop()


def test_a_wrist_at_its_stop_turns_back_only() -> None:
    cell = CableCell(CableCellSpec(image_px=64, rendered=False))
    cell.reset(0)
    turn = np.array([0.5, 0.0, 0.0])
    np.testing.assert_allclose(cell.possible_turn(turn), turn, atol=1e-9)
    for _ in range(16):
        cell.command(np.array([0, 0, 0, 0.5, 0, 0]))
    assert abs(cell.possible_turn(turn)[0]) < 0.01
    np.testing.assert_allclose(cell.possible_turn(-turn), -turn, atol=1e-9)
    cell.stop()
