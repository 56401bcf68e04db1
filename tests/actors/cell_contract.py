"""What every cell owes its controller. A test of a cell derives from these classes and says how to make one::

class TestMyCell(CellContract):
    @pytest.fixture
    def cell(self):
        cell = MyCell(...)
        yield cell
        cell.stop()
"""

from collections.abc import Callable

import numpy as np
import pytest

from actors.cell import CONTROL_PERIOD_S, Cell, CellObservation, SimulatedCell
from s3k_dist.errors import CellError

# A real arm settles, drifts and reads its joints with noise.
STILL_M, STILL_RAD = 5e-4, 5e-3


class CellContract:
    """Checks for any cell; a subclass provides the fixture ``cell``: new, neither reset nor stopped."""

    def test_it_is_a_cell(self, cell: Cell) -> None:
        assert isinstance(cell, Cell)
        assert cell.cell_id
        assert cell.twist_limit.shape == (6,)
        assert (cell.twist_limit > 0).all()

    def test_frames_hold_every_camera_in_order(self, cell: Cell) -> None:
        assert len(cell.cameras) >= 2
        for seen in (cell.reset(0), cell.observe()):
            assert seen.frame.cell_id == cell.cell_id
            assert seen.frame.cameras == cell.cameras
            for view in seen.frame.views:
                assert view.image.dtype == np.uint8
                assert view.image.shape == (view.camera.height_px, view.camera.width_px, 3)
                assert view.image.std() > 1, f"{view.camera.name} sees nothing"

    def test_frames_are_numbered_and_timed_in_order(self, cell: Cell) -> None:
        seen = [cell.reset(0), cell.observe(), cell.observe(), cell.reset(1), cell.observe()]
        first = seen[0].frame.sequence
        assert [one.frame.sequence for one in seen] == [first + i for i in range(5)]
        times = [one.frame.captured_at_ns for one in seen]
        assert times == sorted(times)

    def test_the_gripper_is_finite_and_metric(self, cell: Cell) -> None:
        gripper = cell.reset(0).gripper
        for value in vars(gripper).values():
            assert value.shape == (3,)
            assert np.isfinite(value).all()
        assert np.linalg.norm(gripper.position_m) < 5

    def test_observing_does_not_move_the_robot(self, cell: Cell) -> None:
        before = cell.reset(0)
        for _ in range(3):
            after = cell.observe()
        assert moved_m(before, after) < STILL_M
        assert np.abs(after.gripper.rotation_rad - before.gripper.rotation_rad).max() < STILL_RAD

    @pytest.mark.parametrize("axis", range(3))
    def test_a_twist_moves_the_gripper_its_way_at_its_speed(self, cell: Cell, axis: int) -> None:
        twist = np.zeros(6)
        twist[axis] = 0.5 * cell.twist_limit[axis]
        before = cell.reset(0)
        cell.command(twist)
        cell.command(twist)
        moved = cell.observe().gripper.position_m - before.gripper.position_m
        expected = 2 * CONTROL_PERIOD_S * twist[:3]
        np.testing.assert_allclose(moved, expected, atol=0.35 * np.linalg.norm(expected))

    def test_a_command_is_clipped_to_the_limits(self, cell: Cell) -> None:
        before = cell.reset(0)
        cell.command(100 * cell.twist_limit)
        after = cell.observe()
        reach = CONTROL_PERIOD_S * cell.twist_limit
        assert (np.abs(after.gripper.position_m - before.gripper.position_m) < 1.3 * reach[:3]).all()
        assert np.abs(after.gripper.rotation_rad - before.gripper.rotation_rad).max() < 1.5 * reach[3:].max()

    @pytest.mark.parametrize(
        "twist", [np.zeros(5), np.zeros((1, 6)), np.full(6, np.nan), np.array([0, 0, np.inf, 0, 0, 0])]
    )
    def test_a_twist_that_is_none_is_refused_and_moves_nothing(self, cell: Cell, twist: np.ndarray) -> None:
        before = cell.reset(0)
        with pytest.raises(CellError, match="six finite numbers"):
            cell.command(twist)
        assert moved_m(before, cell.observe()) < STILL_M

    def test_stopping_twice_is_safe_and_a_stopped_cell_refuses(self, cell: Cell) -> None:
        cell.reset(0)
        cell.stop()
        cell.stop()
        calls: tuple[Callable[[], object], ...] = (cell.observe, cell.reset, lambda: cell.command(np.zeros(6)))
        for call in calls:
            with pytest.raises(CellError, match="stopped"):
                call()


class SimulatedCellContract(CellContract):
    """Checks for a cell that knows the truth and repeats itself."""

    def test_the_same_seed_gives_the_same_episode_bit_for_bit(self, cell: SimulatedCell) -> None:
        first = self.play(cell, 5)
        self.play(cell, 6)
        assert_same(first, self.play(cell, 5))

    def test_another_seed_gives_another_episode(self, cell: SimulatedCell) -> None:
        first, second = cell.reset(5), cell.reset(6)
        for one, other in zip(first.frame.views, second.frame.views, strict=True):
            assert not np.array_equal(one.image, other.image)

    def test_truth_is_a_label_and_changes_nothing(self, cell: SimulatedCell) -> None:
        assert isinstance(cell, SimulatedCell)
        before = cell.reset(0)
        truth = cell.truth()
        assert truth.keypoints_m.shape == (3, 3)
        assert truth.visible.shape == (len(cell.cameras), 3)
        assert 0 <= truth.depth <= 1
        np.testing.assert_array_equal(cell.truth().keypoints_m, truth.keypoints_m)
        assert_same([before], [cell.observe()])

    @staticmethod
    def play(cell: SimulatedCell, seed: int) -> list[CellObservation]:
        seen = [cell.reset(seed)]
        for sign in (1, -1, 1):
            cell.command(sign * cell.twist_limit)
            seen.append(cell.observe())
        return seen


def moved_m(before: CellObservation, after: CellObservation) -> float:
    return float(np.linalg.norm(after.gripper.position_m - before.gripper.position_m))


def assert_same(first: list[CellObservation], second: list[CellObservation]) -> None:
    for one, other in zip(first, second, strict=True):
        for value, again in zip(vars(one.gripper).values(), vars(other.gripper).values(), strict=True):
            np.testing.assert_array_equal(value, again)
        for view, other_view in zip(one.frame.views, other.frame.views, strict=True):
            np.testing.assert_array_equal(view.image, other_view.image)
