"""What changes in a scene is seen by the cameras, and by nobody who only asks the cell."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from actors.sim.cell import CableCell, CableCellSpec
from actors.sim.scene_change import SceneChange

CHANGES = (
    SceneChange(2, light=0.5),
    SceneChange(4, scene_seed=7, decoys=True),
    SceneChange(6, camera="cam2", camera_moved_m=(0.01, 0.0, 0.0)),
    SceneChange(8, camera="cam2", camera_turned_rad=(0.0, 0.0, np.pi / 2)),
)


@pytest.fixture(scope="module")
def seen() -> Iterator[list[list[np.ndarray]]]:
    """The same start before and after each change: images of each camera, at the beginning of five episodes."""
    cell = CableCell(CableCellSpec(image_px=96, changes=CHANGES))
    images = []
    for _ in range(len(CHANGES) + 1):
        images.append([view.image for view in cell.reset(3).frame.views])
        cell.observe()
    yield images
    cell.stop()


def differs(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first.astype(float) - second.astype(float)).mean())


def test_the_light_goes_down(seen: list[list[np.ndarray]]) -> None:
    assert seen[1][0].mean() < 0.75 * seen[0][0].mean()


def test_table_and_clutter_are_others(seen: list[list[np.ndarray]]) -> None:
    assert differs(seen[1][0], seen[2][0]) > 5


def test_one_camera_is_moved_and_the_others_are_not(seen: list[list[np.ndarray]]) -> None:
    moved = [differs(before, after) for before, after in zip(seen[2], seen[3], strict=True)]
    assert moved[2] > 2
    assert max(moved[0], moved[1], moved[3]) == 0
    # To the right by 1 cm at 45 cm and a focal length of about 226 px: the scene moves to the left by 5 px.
    (shift, _), _ = cv2.phaseCorrelate(*(cv2.cvtColor(seen[n][2], cv2.COLOR_RGB2GRAY).astype(float) for n in (2, 3)))
    assert shift == pytest.approx(-5, abs=2)


def test_a_camera_turned_about_its_axis_shows_a_turned_image(seen: list[list[np.ndarray]]) -> None:
    upright = np.rot90(seen[4][2], -1)
    assert differs(seen[3][2], upright) < 0.5 * differs(seen[3][2], seen[4][2])


def test_the_calibration_stays_and_so_does_what_is_not_seen() -> None:
    changed = CableCell(CableCellSpec(image_px=64, rendered=False, changes=(SceneChange(0, camera="cam1", light=0.3),)))
    plain = CableCell(CableCellSpec(image_px=64, rendered=False))
    changed.reset(5)
    plain.reset(5)
    np.testing.assert_array_equal(changed.truth().keypoints_m, plain.truth().keypoints_m)
    for one, other in zip(changed.cameras, plain.cameras, strict=True):
        np.testing.assert_array_equal(one.rotation, other.rotation)
        np.testing.assert_array_equal(one.translation_m, other.translation_m)
    changed.stop()
    plain.stop()
