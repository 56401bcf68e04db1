"""Draws follow the masses, whatever the number of slots."""

import numpy as np
import pytest

from learners.ddpg.sum_tree import SumTree


@pytest.mark.parametrize("slots", [1, 2, 5, 64, 100])
def test_positions_find_the_slot_whose_stretch_they_lie_in(slots: int) -> None:
    mass = np.random.default_rng(slots).uniform(0.1, 2.0, slots)
    tree = SumTree(slots)
    tree.set(np.arange(slots), mass)
    ends = np.cumsum(mass)
    middles = ends - mass / 2
    assert tree.total == pytest.approx(mass.sum())
    np.testing.assert_array_equal(tree.find(middles), np.arange(slots))


def test_slots_without_mass_are_never_found() -> None:
    tree = SumTree(9)
    tree.set(np.array([2, 6]), np.array([1.0, 3.0]))
    positions = np.array([0.0, 0.999, 1.0, 3.999, np.nextafter(4.0, 5.0), 4.0])
    np.testing.assert_array_equal(tree.find(positions), [2, 2, 6, 6, 6, 6])


def test_changing_masses_leaves_no_drift() -> None:
    random = np.random.default_rng(0)
    tree = SumTree(37)
    for _ in range(500):
        slots = random.integers(0, 37, 20)
        tree.set(slots, random.uniform(0, 10, 20))
    assert tree.total == pytest.approx(tree.mass(slice(None)).sum(), rel=1e-12)


def test_the_last_of_repeated_slots_counts() -> None:
    tree = SumTree(4)
    tree.set(np.array([1, 1, 1]), np.array([5.0, 6.0, 7.0]))
    assert tree.total == 7.0


def test_finding_nothing_is_fine() -> None:
    assert SumTree(4).find(np.zeros((3, 0))).shape == (3, 0)
