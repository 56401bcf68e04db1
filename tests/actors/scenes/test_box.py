"""The box: its keypoints are its corners, its rotations are those of the mode, its distractors those of the phase."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from actors.sim.scenes import box
from actors.sim.scenes.box import HALF_SIZE_M, BoxScene, domain_shift
from actors.sim.scenes.covers import game_box
from actors.sim.scenes.rig import Rig
from actors.sim.scenes.scene import Scene
from actors.sim.scenes.studio import Studio
from s3k_dist.errors import ConfigError
from s3k_dist.images import Encoding, encode_image
from tests.actors.scenes.worlds import World, pixels

DRAWS = 400


def quarters(rng: np.random.Generator, style: int) -> dict[str, bytes]:
    """Faces of a box whose cover is red top left, green top right, blue bottom left; all else is grey."""
    grey = np.full((64, 64, 3), 60, np.uint8)
    cover = grey.copy()
    cover[:32, :32], cover[:32, 32:], cover[32:, :32] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    faces = dict.fromkeys(game_box(rng, style), grey) | {"cover": cover}
    return {name: encode_image(face, Encoding.PNG) for name, face in faces.items()}


def test_keypoints_are_the_corners_of_the_cover_in_every_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(box, "game_box", quarters)
    monkeypatch.setattr("actors.sim.scenes.studio.TABLE_TOPS", 4)  # for speed
    studio = Studio(BoxScene(), size_px=400, seed=0)
    for seed in range(4):
        shot = studio.take(np.random.default_rng(seed))
        corners = pixels(shot.points_m, shot.cameras)
        middle = (corners[:, 1] + corners[:, 2]) / 2  # between top right and bottom left
        for view, image in enumerate(shot.images):
            for keypoint, colour in enumerate(np.eye(3)):
                inwards = middle[view] - corners[view, keypoint]
                inside, outside = corners[view, keypoint] + 0.15 * inwards, corners[view, keypoint] - 0.07 * inwards
                assert _is_of(image, inside, colour), (seed, view, keypoint)
                assert not _is_of(image, outside, colour), (seed, view, keypoint)
    studio.close()


def test_a_box_is_as_large_as_the_papers() -> None:
    left, right, below = World(BoxScene()).arrange(0)
    assert np.linalg.norm(right - left) == pytest.approx(0.199)
    assert np.linalg.norm(below - left) == pytest.approx(0.105)
    assert (right - left) @ (below - left) == pytest.approx(0, abs=1e-12)
    assert HALF_SIZE_M[2] * 2 == pytest.approx(0.017)


def test_tilt_keeps_the_cover_up_and_turns_it_any_way() -> None:
    rotations = _rotations("tilt")
    tip = np.arccos(rotations[:, 2, 2])
    assert tip.max() < 1.1
    assert np.median(tip) == pytest.approx(0.17, abs=0.03)  # of |N(0, 0.25 rad)|
    heading = np.arctan2(rotations[:, 1, 0], rotations[:, 0, 0])
    assert np.histogram(heading, 8, (-np.pi, np.pi))[0].min() > DRAWS / 16


def test_so3_covers_all_rotations() -> None:
    rotations = _rotations("so3")
    # Of uniform rotations every axis is uniform on the sphere, and the angle has the density (1 - cos a) / pi.
    np.testing.assert_allclose(rotations.mean(axis=0), 0, atol=0.1)
    np.testing.assert_allclose((rotations**2).mean(axis=0), 1 / 3, atol=0.06)
    angle = np.arccos((np.trace(rotations, axis1=1, axis2=2) - 1) / 2)
    assert angle.mean() == pytest.approx(np.pi / 2 + 2 / np.pi, abs=0.1)


@pytest.mark.parametrize("scene", [BoxScene, lambda: BoxScene(mode="so3"), domain_shift])
def test_keypoints_are_inside_the_images_nearly_always(scene: Callable[[], Scene]) -> None:
    world, inside = World(scene()), []
    for seed in range(DRAWS):
        points, cameras = world.arrange(seed), Rig().draw(np.random.default_rng(seed), 128)
        seen = pixels(points, cameras)
        inside.append((seen >= 0) & (seen <= 127))
    assert np.mean(inside) > 0.999


class TestDistractors:
    """Section 4.2: boxes around the box, exchanged over the timeline."""

    def test_they_are_the_same_within_a_phase_and_others_in_the_next(self) -> None:
        world = World(domain_shift(seed=3))
        phases = [{_shown(world, 5 * phase + draw, (phase + draw / 5) / 6) for draw in range(5)} for phase in range(6)]
        assert [len(shown) for shown in phases] == [1] * 6
        together = [name for shown in phases for names in shown for name in names]
        assert len(together) == len(set(together)) == 6 * 3

    def test_they_do_not_hide_in_the_box(self) -> None:
        world = World(domain_shift())
        for seed in range(50):
            names = _shown(world, seed, 0.0)
            apart = [np.linalg.norm((world.centre_m(name) - world.centre_m("box"))[:2]) for name in names]
            assert min(apart) > 0.1

    def test_a_seed_decides_how_they_look_and_leaves_the_box_alone(self) -> None:
        one, same, other = (domain_shift(seed=seed).fragment() for seed in (1, 1, 2))
        assert one == same
        for name, data in one.files.items():
            assert (data == other.files[name]) == (not name.startswith("box_other")), name

    def test_no_two_look_alike(self) -> None:
        files = domain_shift().fragment().files
        covers = [data for name, data in files.items() if name.endswith("_cover.png")]
        assert len(covers) == len(set(covers)) == 1 + 6 * 3


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown box mode 'flat'; there are tilt, so3"):
        BoxScene(mode="flat")  # type: ignore[arg-type]


def _rotations(mode: box.Mode) -> np.ndarray:
    world = World(BoxScene(mode=mode))
    rotations = []
    for seed in range(DRAWS):
        world.arrange(seed)
        rotations.append(world.rotation("box"))
    return np.stack(rotations)


def _shown(world: World, seed: int, moment: float) -> tuple[str, ...]:
    """The distractors in the workspace."""
    world.arrange(seed, moment)
    names = [world.model.body(index).name for index in range(1, world.model.nbody)]
    return tuple(name for name in names if name != "box" and world.centre_m(name)[2] > 0)


def _is_of(image: np.ndarray, pixel: np.ndarray, colour: np.ndarray) -> bool:
    seen = cv2.getRectSubPix(image, (1, 1), (float(pixel[0]), float(pixel[1])))[0, 0].astype(float)
    others = np.max(seen * (1 - colour))
    return bool(seen @ colour > 100 + others)
