"""What a frame refuses, and how frames are stacked."""

import numpy as np
import pytest

from s3k_dist.errors import FrameError
from s3k_dist.frames import MultiViewFrame, View, stack_images
from tests.scenes import frame, look_at, ring


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.zeros((64, 128, 3), np.uint8), r"'cam0': image is uint8 \(64, 128, 3\), expected uint8 \(128, 128, 3\)"),
        (np.zeros((128, 128), np.uint8), r"\(128, 128\), expected"),
        (np.zeros((128, 128, 3)), "image is float64"),
    ],
)
def test_an_image_that_is_not_its_cameras_is_refused(image: np.ndarray, says: str) -> None:
    with pytest.raises(FrameError, match=says):
        View(look_at(0.0, 0.3), image, 0)


def test_a_frame_without_views_is_refused() -> None:
    with pytest.raises(FrameError, match="frame 3 of cell 'cell0' has no views"):
        MultiViewFrame("cell0", 3, 0, ())


def test_a_frame_that_repeats_a_camera_is_refused() -> None:
    with pytest.raises(FrameError, match="repeats a camera: cam0, cam0"):
        frame([look_at(0.0, 0.3), look_at(1.0, 0.3)])


def test_a_frame_is_named_by_cell_and_sequence_and_lists_its_cameras() -> None:
    cameras = ring(3)
    taken = frame(cameras, sequence=17, cell_id="cell2")
    assert taken.frame_id == "cell2/00000017"
    assert [camera.name for camera in taken.cameras] == ["cam0", "cam1", "cam2"]


def test_too_few_views_names_the_frame_and_the_views_there_are() -> None:
    taken = frame(ring(1), sequence=5)
    taken.require_views(1)
    with pytest.raises(FrameError, match=r"cell0/00000005: .* at least 2 views, got 1 \(cam0\)"):
        taken.require_views(2)


def test_stacked_images_keep_the_order_of_frames_and_views() -> None:
    frames = [frame(ring(3, size_px=32), seed=seed) for seed in range(2)]
    stacked = stack_images(frames)
    assert stacked.shape == (2, 3, 32, 32, 3)
    for row, taken in enumerate(frames):
        for column, view in enumerate(taken.views):
            np.testing.assert_array_equal(stacked[row, column], view.image)


def test_frames_of_different_layouts_do_not_stack() -> None:
    with pytest.raises(FrameError, match="got 2 views of 32 x 32 px, 3 views of 32 x 32 px"):
        stack_images([frame(ring(2, size_px=32)), frame(ring(3, size_px=32))])
    mixed = frame([look_at(0.0, 0.3, size_px=32), look_at(1.0, 0.3, name="cam1", size_px=64)])
    with pytest.raises(FrameError, match="got 2 views of 32 x 32 px, 2 views of 64 x 64 px"):
        stack_images([mixed])
    with pytest.raises(FrameError, match="got no frames"):
        stack_images([])
