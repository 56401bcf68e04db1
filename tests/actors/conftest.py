"""A simulated cell for a whole module, small and fast."""

from collections.abc import Iterator

import pytest

from actors.sim.cell import CableCell, CableCellSpec


@pytest.fixture(scope="module")
def shared_cell() -> Iterator[CableCell]:
    """Every test resets it; none stops it."""
    cell = CableCell(CableCellSpec(image_px=64))
    yield cell
    cell.stop()
