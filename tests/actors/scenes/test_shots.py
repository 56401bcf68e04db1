"""Rendering on several cores: the same shots as on one, and no process left behind however it ends."""

import multiprocessing
import os
import signal
from collections.abc import Iterator

import numpy as np
import psutil
import pytest

from actors.sim.scenes import shots as module
from actors.sim.scenes.catalogue import SceneSpec
from actors.sim.scenes.shots import shots
from s3k_dist.errors import CellError, ConfigError

BOX = SceneSpec("box", seed=4, size_px=32)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []
    assert _workers() == []


def test_workers_render_what_one_process_does_and_the_death_of_one_is_named() -> None:
    rendered = shots(BOX, 40, workers=2)
    for one, two in zip(shots(BOX, 40), (next(rendered) for _ in range(5)), strict=False):
        np.testing.assert_array_equal(one.images, two.images)
        np.testing.assert_array_equal(one.points_m, two.points_m)
        assert one.cameras == two.cameras
    assert len(_workers()) == 2
    os.kill(_workers()[1], signal.SIGKILL)
    with pytest.raises(CellError, match="a renderer of scene 'box' died"):
        list(rendered)


def test_closing_early_ends_the_workers() -> None:
    rendered = shots(BOX, 40, workers=2)
    next(rendered)
    assert len(_workers()) == 2
    rendered.close()


def test_a_renderer_that_hangs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHOT_DEADLINE_S", 0.01)
    with pytest.raises(CellError, match="a renderer of scene 'box' gave nothing for 0 s"):
        next(shots(BOX, 40, workers=2))


def test_what_a_worker_refuses_is_raised_here() -> None:
    with pytest.raises(ConfigError, match="unknown scene 'sphere'"):
        next(shots(SceneSpec("sphere", 0), 40, workers=2))


def test_a_scene_depends_on_its_number_and_not_on_those_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.sim.scenes.studio.TABLE_TOPS", 4)  # for speed
    whole, half = list(shots(BOX, 4)), list(shots(BOX, 2))
    np.testing.assert_array_equal(whole[1].images, half[1].images)
    assert np.abs(whole[0].points_m - whole[1].points_m).max() > 0.001


def _workers() -> list[int]:
    children = psutil.Process().children(recursive=True)
    return sorted(child.pid for child in children if "--multiprocessing-fork" in child.cmdline())
