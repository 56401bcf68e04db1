"""What every camera must do, whoever made it."""

import time

import numpy as np
import pytest

from actors.physical.camera import Camera, CameraError, CameraFrame, FrameTimeoutError

PATIENCE_S = 10.0  # a busy machine's
SILENCE_S = 0.2


def shoot(camera: Camera) -> CameraFrame:
    """One trigger and its image."""
    camera.ready(PATIENCE_S)
    camera.trigger()
    return camera.grab(PATIENCE_S)


class CameraContract:
    """Subclass with a fixture ``camera``: open, not armed."""

    triggered = True  # False of one that runs freely

    def test_each_trigger_gives_one_whole_image(self, camera: Camera) -> None:
        camera.arm()
        for _ in range(3):
            image = shoot(camera).image
            assert image.shape == (camera.height_px, camera.width_px, 3)
            assert image.dtype == np.uint8

    def test_its_frames_are_counted_one_by_one(self, camera: Camera) -> None:
        camera.arm()
        numbers = [shoot(camera).number for _ in range(4)]
        assert numbers == list(range(numbers[0], numbers[0] + 4))

    def test_an_image_is_dated_between_the_trigger_and_its_arrival(self, camera: Camera) -> None:
        camera.arm()
        camera.ready(PATIENCE_S)
        before_s, before_ns = time.monotonic(), time.time_ns()
        camera.trigger()
        frame = camera.grab(PATIENCE_S)
        assert before_s <= frame.captured_s <= time.monotonic()
        assert before_ns - 10**9 < frame.captured_at_ns < time.time_ns() + 10**9

    def test_without_a_trigger_it_says_in_time_that_no_image_came(self, camera: Camera) -> None:
        if not self.triggered:
            pytest.skip("it runs freely")
        camera.arm()
        camera.ready(PATIENCE_S)
        with pytest.raises(FrameTimeoutError, match=r"0\.2 s"):
            camera.grab(SILENCE_S)

    def test_what_came_before_it_was_ready_is_forgotten(self, camera: Camera) -> None:
        camera.arm()
        shoot(camera)
        camera.ready(PATIENCE_S)
        camera.trigger()
        time.sleep(SILENCE_S)
        camera.ready(PATIENCE_S)
        since_s = time.monotonic()
        camera.trigger()
        assert camera.grab(PATIENCE_S).captured_s >= since_s

    def test_it_can_be_armed_anew(self, camera: Camera) -> None:
        camera.arm()
        camera.ready(PATIENCE_S)
        camera.trigger()
        camera.arm()
        since_s = time.monotonic()
        assert shoot(camera).captured_s >= since_s

    def test_closing_twice_is_safe_and_a_closed_camera_says_so(self, camera: Camera) -> None:
        camera.arm()
        camera.close()
        camera.close()
        with pytest.raises(CameraError):
            shoot(camera)
