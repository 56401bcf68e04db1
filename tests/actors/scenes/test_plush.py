"""The plush scene: a fox that rests on the table in many poses, its keypoints inside it."""

import mujoco
import numpy as np
import pytest

from actors.sim.scenes.plush import COATS, PlushScene
from actors.sim.scenes.studio import Studio
from actors.sim.scenes.toy_designs import BEAR, FOX, RABBIT

WORLD = """
<mujoco>
 <option timestep="0.002" integrator="implicitfast" cone="elliptic" impratio="10"/>
 <default><default class="look"><geom contype="0" conaffinity="0" mass="0"/></default></default>
 <asset>{asset}</asset>
 <worldbody><geom name="table" type="plane" size="6 6 .1" contype="1" conaffinity="1"/>{worldbody}</worldbody>
</mujoco>"""


@pytest.fixture(scope="module")
def scene() -> PlushScene:
    return PlushScene(seed=1)


@pytest.fixture(scope="module")
def model(scene: PlushScene) -> mujoco.MjModel:
    part = scene.fragment()
    world = WORLD.format(asset=part.asset, worldbody=part.worldbody)
    return mujoco.MjModel.from_xml_string(world, assets=dict(part.files))


def test_keypoints_lie_inside_the_fox(scene: PlushScene, model: mujoco.MjModel) -> None:
    data = mujoco.MjData(model)
    assert scene.keypoints == ("head", "left_paw", "right_paw", "body", "tail")
    for seed in range(8):
        _arrange(scene, model, data, seed)
        fox = _solids(model, "fox")
        offsets = scene.points_m(model, data)[:, None] - data.geom_xpos[fox]
        local = np.einsum("kgx,gxy->kgy", offsets, data.geom_xmat[fox].reshape(-1, 3, 3))
        depth = np.linalg.norm(local / model.geom_size[fox], axis=-1).min(axis=1)
        assert depth.max() < 0.8  # 1 is the cloth


def test_left_is_left_when_the_fox_lies_on_its_belly(scene: PlushScene, model: mujoco.MjModel) -> None:
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    head, left, right, body, tail = scene.points_m(model, data)
    assert left[1] > 0.05
    assert right[1] < -0.05
    assert head[0] > body[0] > tail[0]


def test_toys_rest_on_the_table(scene: PlushScene, model: mujoco.MjModel) -> None:
    data = mujoco.MjData(model)
    for seed in range(8):
        _arrange(scene, model, data, seed)
        for toy in ("fox", "bear", "rabbit"):
            assert -0.006 < _lowest(model, data, toy) < 0.006, (seed, toy)
        assert np.abs(scene.points_m(model, data)[:, :2]).max() < 0.45
        assert not any(warning.number for warning in data.warning)


def test_toys_have_settled(scene: PlushScene, model: mujoco.MjModel) -> None:
    data, moved = mujoco.MjData(model), []
    for seed in range(8):
        _arrange(scene, model, data, seed)
        before = scene.points_m(model, data)
        mujoco.mj_step(model, data, 100)
        moved.append(np.linalg.norm(scene.points_m(model, data) - before, axis=1).max())
    assert np.median(moved) < 0.01
    assert max(moved) < 0.06


def test_poses_vary(scene: PlushScene, model: mujoco.MjModel) -> None:
    data, poses = mujoco.MjData(model), []
    for seed in range(16):
        _arrange(scene, model, data, seed)
        torso = data.body("fox_torso")
        poses.append((scene.points_m(model, data) - torso.xpos) @ torso.xmat.reshape(3, 3))
    spread = np.std(poses, axis=0)
    assert np.linalg.norm(spread, axis=1)[[0, 1, 2, 4]].min() > 0.01  # limbs against the body
    assert spread[3].max() < 1e-6


def test_an_arrangement_depends_on_its_seed_alone(scene: PlushScene, model: mujoco.MjModel) -> None:
    data = mujoco.MjData(model)
    first = [_arrange(scene, model, data, seed) for seed in (1, 2)]
    np.testing.assert_array_equal(_arrange(scene, model, data, 1), first[0])
    assert np.abs(first[0] - first[1]).max() > 0.01
    assert model.opt.timestep == pytest.approx(0.002)


def test_a_seed_decides_the_other_toys_coats() -> None:
    worlds = [PlushScene(seed=seed).fragment() for seed in (1, 1, 2)]
    assert worlds[0] == worlds[1] != worlds[2]
    assert worlds[0].worldbody == worlds[2].worldbody
    orange = FOX.colours["coat"]
    assert min(np.abs(np.subtract(coat, orange)).max() for coat in COATS) > 0.3


def test_pieces_name_colours_that_there_are() -> None:
    for toy in (FOX, BEAR, RABBIT):
        for part in (toy.torso, *toy.limbs):
            assert {piece.colour for piece in part.pieces} <= set(toy.colours), (toy.name, part.name)
            assert any(piece.solid for piece in part.pieces), (toy.name, part.name)


def test_the_fox_is_seen_by_all_cameras(scene: PlushScene) -> None:
    studio = Studio(scene, size_px=64, seed=1)
    for seed in range(4):
        shot = studio.take(np.random.default_rng(seed))
        for camera, image in zip(shot.cameras, shot.images, strict=True):
            seen = (shot.points_m @ camera.rotation.T + camera.translation_m) @ camera.intrinsics.T
            pixels = seen[:, :2] / seen[:, 2:]
            assert pixels.min() >= 0
            assert pixels.max() <= 63
            assert image.std() > 5
    studio.close()


def _arrange(scene: PlushScene, model: mujoco.MjModel, data: mujoco.MjData, seed: int) -> np.ndarray:
    mujoco.mj_resetData(model, data)
    scene.arrange(model, data, np.random.default_rng(seed), 0.0)
    mujoco.mj_forward(model, data)
    return np.array(data.qpos)


def _solids(model: mujoco.MjModel, toy: str) -> np.ndarray:
    """Geoms that touch."""
    root = model.body(f"{toy}_torso").id
    return np.flatnonzero((model.body_rootid[model.geom_bodyid] == root) & (model.geom_contype > 0))


def _lowest(model: mujoco.MjModel, data: mujoco.MjData, toy: str) -> float:
    geoms = _solids(model, toy)
    down = np.linalg.norm(data.geom_xmat[geoms].reshape(-1, 3, 3)[:, 2] * model.geom_size[geoms], axis=1)
    return float(np.min(data.geom_xpos[geoms, 2] - down))
