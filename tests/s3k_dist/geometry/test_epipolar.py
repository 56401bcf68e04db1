"""Guide lines: a point of the world lies on the curve of each of its sightings."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from s3k_dist.geometry.camera import Camera
from s3k_dist.geometry.epipolar import epipolar_curve
from s3k_dist.geometry.projection import Cameras, project

BARREL = np.array([-0.28, 0.09, 0.001, -0.0015, -0.01])


def camera(name: str, angle_rad: float, distortion: np.ndarray) -> Camera:
    """Half a metre from the origin, looking at it."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    rotation = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    intrinsics = np.array([[500, 0, 319.5], [0, 500, 239.5], [0, 0, 1.0]])
    return Camera(name, 640, 480, intrinsics, distortion, rotation, np.array([0, 0, 0.5]))


def pixels(point_m: np.ndarray, cameras: tuple[Camera, ...]) -> np.ndarray:
    return project(torch.from_numpy(point_m)[None], Cameras.stack(cameras))[0][:, 0].numpy()


def distance_px(point: np.ndarray, curve: np.ndarray) -> float:
    first, step = curve[:-1], np.diff(curve, axis=0)
    share = np.clip(((point - first) * step).sum(1) / (step * step).sum(1), 0, 1)
    return float(np.linalg.norm(first + share[:, None] * step - point, axis=1).min())


@settings(deadline=None, max_examples=60)
@given(
    point=st.tuples(*[st.floats(-0.1, 0.1)] * 3),
    angle=st.floats(0.2, 1.5) | st.floats(-1.5, -0.2),
    bent=st.booleans(),
)
def test_a_point_lies_on_the_curve_of_its_other_sighting(
    point: tuple[float, float, float], angle: float, bent: bool
) -> None:
    cameras = tuple(camera(name, at, BARREL * bent) for name, at in (("a", 0.0), ("b", angle)))
    here, there = pixels(np.array(point), cameras)
    assert distance_px(there, epipolar_curve(here, *cameras)) < 0.2


def test_a_lens_bends_the_line() -> None:
    straight, bent = (
        epipolar_curve(np.array([250.0, 100.0]), camera("a", 0.0, NO), camera("b", 0.8, NO))
        for NO in (np.zeros(5), BARREL)
    )
    chord = np.stack([straight[0], straight[-1]])
    assert max(distance_px(point, chord) for point in straight) < 1e-6
    assert max(distance_px(point, np.stack([bent[0], bent[-1]])) for point in bent) > 2


def test_what_the_other_camera_cannot_see_has_no_curve() -> None:
    # Back to back: the second looks away from all that the first sees.
    away = camera("b", np.pi, np.zeros(5))
    behind = Camera("b", 640, 480, away.intrinsics, away.distortion, away.rotation, -away.translation_m)
    assert epipolar_curve(np.array([320.0, 240.0]), camera("a", 0.0, np.zeros(5)), behind).shape == (0, 2)


def test_a_camera_before_the_other_sees_the_ray_from_its_epipole_on() -> None:
    # Both look along the same axis, the second half a metre farther: the ray of an off-centre pixel runs outwards.
    first = camera("a", 0.0, np.zeros(5))
    second = Camera("b", 640, 480, first.intrinsics, first.distortion, first.rotation, np.zeros(3))
    curve = epipolar_curve(np.array([330.0, 239.5]), first, second)
    assert len(curve)
    assert distance_px(np.array([330.0, 239.5]), curve) == pytest.approx(0, abs=0.2)  # far away both see alike
    assert curve[:, 0].min() > 329.5
