"""The studio: what it returns is what is in the image, and a seed decides everything."""

from collections.abc import Iterator

import mujoco
import numpy as np
import pytest

from actors.sim.scenes.box import BoxScene
from actors.sim.scenes.rig import Rig
from actors.sim.scenes.scene import Fragment
from actors.sim.scenes.studio import Studio
from s3k_dist.errors import PreflightError
from tests.actors.scenes.worlds import pixels

SIZE_PX = 64


class BallScene:
    """A glowing red ball, its centre the keypoint."""

    keypoints = ("centre",)

    def fragment(self) -> Fragment:
        material = '<material name="ball" rgba="1 0 0 1" emission="1" specular="0"/>'
        ball = '<geom class="look" type="sphere" size=".03" material="ball"/>'
        return Fragment(material, f'<body name="ball" mocap="true">{ball}</body>')

    def arrange(self, model: mujoco.MjModel, data: mujoco.MjData, rng: np.random.Generator, moment: float) -> None:
        data.mocap_pos[0] = rng.uniform([-0.2, -0.2, 0.05], [0.2, 0.2, 0.3])

    def points_m(self, model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
        return np.array(data.body("ball").xpos)[None]


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    opened = Studio(BoxScene(), size_px=SIZE_PX, seed=1)
    yield opened
    opened.close()


def test_cameras_are_those_that_the_images_were_taken_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.sim.scenes.studio.TABLE_TOPS", 4)  # for speed
    studio = Studio(BallScene(), size_px=200, seed=0, rig=Rig(views=3))
    for seed in range(5):
        shot = studio.take(np.random.default_rng(seed))
        assert shot.images.shape == (3, 200, 200, 3)
        for image, expected in zip(shot.images, pixels(shot.points_m, shot.cameras)[:, 0], strict=True):
            red = (image[..., 0] > 200) & (image[..., 1:].max(-1) < 60)
            rows, columns = np.nonzero(red)
            # The outline of a ball off the axis is an ellipse whose middle is hardly off the centre.
            np.testing.assert_allclose([columns.mean(), rows.mean()], expected, atol=0.3)
    studio.close()


def test_the_same_seed_gives_the_same_bytes(studio: Studio) -> None:
    other = Studio(BoxScene(), size_px=SIZE_PX, seed=1)
    other.take(np.random.default_rng(9))  # what was taken before does not matter
    for seed in range(3):
        one, two = studio.take(np.random.default_rng(seed)), other.take(np.random.default_rng(seed))
        np.testing.assert_array_equal(one.images, two.images)
        np.testing.assert_array_equal(one.points_m, two.points_m)
        assert one.cameras == two.cameras
    other.close()


def test_another_seed_gives_other_backgrounds_and_the_same_arrangement(studio: Studio) -> None:
    other, differences = Studio(BoxScene(), size_px=SIZE_PX, seed=2), []
    for seed in range(12):
        one, two = studio.take(np.random.default_rng(seed)), other.take(np.random.default_rng(seed))
        np.testing.assert_array_equal(one.points_m, two.points_m)
        differences.append(np.abs(one.images.astype(float) - two.images).mean())
    assert min(differences) > 1
    assert np.mean(differences) > 5  # wood and metal are always of one colour, cloth and clutter of any
    other.close()


def test_shots_differ_in_place_light_and_direction(studio: Studio) -> None:
    shots = [studio.take(np.random.default_rng(seed)) for seed in range(4)]
    for index, shot in enumerate(shots):
        for before in shots[:index]:
            assert np.abs(shot.points_m - before.points_m).max() > 0.01
            assert np.abs(shot.images.astype(float) - before.images).mean() > 5


def test_without_opengl_a_person_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("no display")

    monkeypatch.setattr(mujoco, "Renderer", broken)
    monkeypatch.setattr("actors.sim.scenes.studio.TABLE_TOPS", 4)  # for speed
    with pytest.raises(PreflightError, match=r"no working OpenGL \(no display\); `s3k doctor`"):
        Studio(BallScene(), size_px=32, seed=0)
