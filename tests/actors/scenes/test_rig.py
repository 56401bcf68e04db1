"""Cameras around the workspace: they look at it, from all around, at the scale of App. D."""

import numpy as np
import pytest

from actors.sim.scenes.rig import Rig
from tests.actors.scenes.worlds import pixels

MIDDLE_M = np.array(Rig().middle_m)


@pytest.mark.parametrize(("size_px", "mm"), [(400, 2.8), (128, 8.7)])
def test_a_pixel_is_as_large_as_in_the_paper(size_px: int, mm: float) -> None:
    for camera in Rig(aim_m=0).draw(np.random.default_rng(0), size_px):
        aside = 1e-3 * mm * camera.rotation[:2]  # a pixel to the right, and a pixel down
        moved = pixels(MIDDLE_M + aside, [camera])[0] - pixels(MIDDLE_M[None], [camera])[0]
        np.testing.assert_allclose(moved, np.eye(2), atol=0.02)


def test_cameras_look_at_the_workspace() -> None:
    for seed in range(50):
        cameras = Rig().draw(np.random.default_rng(seed), 400)
        off = pixels(MIDDLE_M[None], cameras)[:, 0] - 199.5
        assert np.linalg.norm(off, axis=-1).max() < 3**0.5 * 30 / 2.8 + 1  # aimed up to 30 mm beside it, on each axis
        distances = [np.linalg.norm(camera.centre_m - MIDDLE_M) for camera in cameras]
        np.testing.assert_allclose(distances, 1.35)


def test_cameras_stand_all_around_and_upright() -> None:
    for seed in range(50):
        cameras = Rig().draw(np.random.default_rng(seed), 128)
        assert [camera.name for camera in cameras] == ["cam0", "cam1", "cam2", "cam3"]
        outward = np.stack([camera.centre_m - MIDDLE_M for camera in cameras])
        azimuth = np.arctan2(outward[:, 1], outward[:, 0])
        share = (azimuth - np.pi / 2 * np.arange(4) + np.pi) % (2 * np.pi) - np.pi
        assert np.abs(share).max() <= 0.4
        elevation = np.arcsin(outward[:, 2] / 1.35)
        assert elevation.min() >= 0.6
        assert elevation.max() <= 1.1
        above = pixels(np.stack([MIDDLE_M, MIDDLE_M + np.array([0, 0, 0.05])]), cameras)
        assert (above[:, 1, 1] < above[:, 0, 1]).all()  # what is higher in the world is higher in the image


def test_directions_differ_from_draw_to_draw_and_follow_from_the_seed() -> None:
    one, again = (Rig().draw(np.random.default_rng(5), 64) for _ in range(2))
    assert one == again
    assert one != Rig().draw(np.random.default_rng(6), 64)


def test_a_rig_has_as_many_cameras_as_asked_for() -> None:
    assert len(Rig(views=7).draw(np.random.default_rng(0), 64)) == 7
