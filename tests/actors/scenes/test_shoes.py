"""Shoes: their form, the category, what a scene of them shows, and folders of real ones."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import mujoco
import numpy as np
import pytest

from actors.sim.scenes.shoe import SHOE_KEYPOINTS, Shoe, made_shoe
from actors.sim.scenes.shoe_designs import DESIGNS
from actors.sim.scenes.shoe_mesh import ShoeMesh, shoe_mesh
from actors.sim.scenes.shoe_patterns import MATERIALS, PARTS, SOLE_PARTS
from actors.sim.scenes.shoe_surface import loft
from actors.sim.scenes.shoes import HELD_OUT_SHOES, TRAINING_SHOES, ShoeScene
from actors.sim.scenes.studio import Shot, Studio
from s3k_dist.errors import ConfigError, StorageError

NAMES = [name for name, _, _ in DESIGNS]
every_design = pytest.mark.parametrize("index", range(len(DESIGNS)), ids=NAMES)


@pytest.fixture(scope="module")
def meshes() -> list[ShoeMesh]:
    return [shoe_mesh(shape) for _, shape, _ in DESIGNS]


@pytest.fixture(scope="module")
def category() -> list[Shoe]:
    return [made_shoe(index, seed=0) for index in range(len(DESIGNS))]


def test_a_loft_begins_and_ends_on_its_first_and_last_ring() -> None:
    rings = [np.random.default_rng(index).normal(size=(5, 3)) for index in range(6)]
    sheet = loft(rings, 9)
    np.testing.assert_allclose([sheet[0], sheet[-1]], [rings[0], rings[-1]])


@every_design
def test_a_shoe_is_a_foot_long_and_stands_on_the_ground(category: list[Shoe], index: int) -> None:
    length, width, height = category[index].high_m - category[index].low_m
    assert 0.25 <= length <= 0.30
    assert 0.08 <= width <= 0.12
    assert 0.075 <= height <= 0.26
    assert category[index].low_m[2] == pytest.approx(0, abs=1e-9)


@every_design
def test_outer_surfaces_look_outwards_and_the_lining_inwards(meshes: list[ShoeMesh], index: int) -> None:
    mesh = meshes[index]
    for name in ("upper", "sole"):
        surface = mesh.surfaces[name]
        axis = np.array([0.5 * surface.points_m[..., 0].max(), 0.0, surface.points_m[..., 2].mean()])
        outwards = np.sum((surface.points_m - axis) * surface.normals() * [1, 1, 0], axis=-1)
        assert np.mean(outwards > 0) > 0.75, name
    lining = mesh.surfaces["lining"]
    assert np.median(lining.normals()[-1, :, 2]) > 0.8  # the insole is seen from above
    for name, surface in mesh.surfaces.items():
        if name == "tongue" or name.startswith("lace"):
            assert _volume(surface.points_m.reshape(-1, 3)[surface.triangles()]) > 0, name


@every_design
def test_normals_are_unit_and_texture_coordinates_in_range(meshes: list[ShoeMesh], index: int) -> None:
    for name, surface in meshes[index].surfaces.items():
        np.testing.assert_allclose(np.linalg.norm(surface.normals(), axis=-1), 1, atol=1e-6, err_msg=name)
        assert surface.uv.min() >= 0, name
        assert surface.uv.max() <= 1, name
        assert np.isfinite(surface.points_m).all(), name


@every_design
def test_no_light_falls_between_the_parts(meshes: list[ShoeMesh], index: int) -> None:
    surfaces = meshes[index].surfaces
    for name in ("upper", "sole", "lining"):
        np.testing.assert_allclose(surfaces[name].points_m[:, 0], surfaces[name].points_m[:, -1], atol=1e-9)
    np.testing.assert_allclose(surfaces["upper"].points_m[-1], surfaces["lining"].points_m[0])
    # The upper grows out of the sole: its lower edge lies within the sole's outline, not above its top.
    gap = surfaces["upper"].points_m[0, :, 2] - surfaces["sole"].points_m[..., 2].max(axis=0)
    assert gap.max() < 0.001


@every_design
def test_keypoints_mean_the_same_on_every_shoe(meshes: list[ShoeMesh], index: int) -> None:
    front, tongue, heel = meshes[index].keypoints_m
    points = _points(meshes[index])
    assert front[0] == pytest.approx(points[:, 0].max(), abs=0.003)
    assert heel[0] < 0.01
    assert 0.3 < tongue[0] / front[0] < 0.7
    middle = points[np.abs(points[:, 1] - tongue[1]) < 0.004]
    before = middle[(middle[:, 0] > tongue[0] - 0.005) & (middle[:, 0] < tongue[0] + 0.02)]
    assert tongue[2] > before[:, 2].max() - 0.008  # nothing in front of the tongue is higher
    assert heel[2] > front[2]


def test_sixteen_shoes_differ_in_form_and_in_looks(category: list[Shoe]) -> None:
    assert len(category) == 16
    assert len(set(NAMES)) == len({shoe.obj for shoe in category}) == len({shoe.png for shoe in category}) == 16
    seen = [_mean_colour(shoe) for shoe in category]
    sizes = [shoe.high_m - shoe.low_m for shoe in category]
    for one in range(16):
        for other in range(one):
            colour = np.abs(seen[one] - seen[other]).max()
            assert colour > 12 or np.abs(sizes[one] - sizes[other]).max() > 0.01, (NAMES[one], NAMES[other])


def test_training_and_held_out_shoes_share_none() -> None:
    assert set(TRAINING_SHOES).isdisjoint(HELD_OUT_SHOES)
    assert (len(TRAINING_SHOES), len(HELD_OUT_SHOES)) == (12, 4)


def test_designs_name_patterns_that_there_are() -> None:
    for name, _, look in DESIGNS:
        assert look.material in MATERIALS, name
        assert set(look.parts) <= set(PARTS), name
        assert set(look.sole_parts) <= set(SOLE_PARTS), name


@pytest.mark.parametrize("shoes", [(), (16,), (-1, 3)])
def test_unknown_shoes_are_refused(shoes: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"unknown shoes .*; there are 0 to 15"):
        ShoeScene(shoes)


@pytest.fixture(scope="module")
def scene() -> ShoeScene:
    return ShoeScene((1, 4, 5))


@pytest.fixture(scope="module")
def model(scene: ShoeScene) -> mujoco.MjModel:
    return _compiled(scene)


class TestScene:
    """Three shoes."""

    def test_keypoints_lie_on_the_shoe_that_is_shown(self, scene: ShoeScene, model: mujoco.MjModel) -> None:
        data, shown = mujoco.MjData(model), set()
        for seed in range(12):
            _arrange(scene, model, data, seed)
            shown.add(scene.shown(model))
            points = _posed(model, data, f"shoe{scene.shown(model)}")
            nearest = np.linalg.norm(scene.points_m(model, data)[:, None] - points, axis=-1).min(axis=1)
            assert nearest.max() < 0.006
        assert shown == {0, 1, 2}
        assert scene.names == ("running shoe", "work boot", "court shoe")

    def test_a_shoe_stands_on_the_table_or_above_it(self, scene: ShoeScene, model: mujoco.MjModel) -> None:
        data, lowest = mujoco.MjData(model), []
        for seed in range(30):
            _arrange(scene, model, data, seed)
            lowest.append(_posed(model, data, f"shoe{scene.shown(model)}")[:, 2].min())
        assert min(lowest) > -1e-3
        assert sum(height < 1e-3 for height in lowest) > 5
        assert 0.01 < max(lowest) < 0.12

    def test_only_one_shoe_is_drawn(self, scene: ShoeScene, model: mujoco.MjModel) -> None:
        _arrange(scene, model, mujoco.MjData(model), 0)
        assert sum(model.geom(f"shoe{index}").group[0] == 0 for index in range(3)) == 1


def test_a_shot_depends_on_its_seed_alone_and_shows_the_keypoints() -> None:
    studio = Studio(ShoeScene((3, 12), seed=5), size_px=64, seed=5)
    first = {seed: studio.take(np.random.default_rng(seed)) for seed in range(4)}
    for seed in (2, 1):
        again = studio.take(np.random.default_rng(seed))
        np.testing.assert_array_equal(again.images, first[seed].images)
        np.testing.assert_array_equal(again.points_m, first[seed].points_m)
    for shot in first.values():
        pixels = _project(shot)
        assert pixels.min() >= 0
        assert pixels.max() <= 63
    studio.close()


def test_a_seed_decides_the_grain_and_nothing_else() -> None:
    one, same, other = (ShoeScene((7,), seed=seed).fragment() for seed in (5, 5, 6))
    assert one == same
    assert one.files["shoe0.obj"] == other.files["shoe0.obj"]
    assert one.files["shoe0.png"] != other.files["shoe0.png"]


class TestFolder:
    """Real shoes: here one that was made, written into files."""

    @pytest.fixture
    def folder(self, tmp_path: Path, category: list[Shoe]) -> Path:
        shoe = category[2]
        (tmp_path / "clog.obj").write_bytes(shoe.obj)
        (tmp_path / "clog.png").write_bytes(shoe.png or b"")
        _write_keypoints(tmp_path / "clog.json", shoe.keypoints_m)
        return tmp_path

    def test_a_folder_is_seen_as_the_same_shoe(self, folder: Path) -> None:
        read, made = ShoeScene.from_folder(folder), ShoeScene((2,))
        assert read.names == ("clog",)
        assert read.fragment().files == made.fragment().files
        model = _compiled(read)
        data = mujoco.MjData(model)
        _arrange(made, model, data, 0)
        there = made.points_m(model, data)
        _arrange(read, model, data, 0)
        np.testing.assert_allclose(read.points_m(model, data), there, atol=1e-6)

    def test_units_are_the_meshs_own(self, folder: Path, category: list[Shoe]) -> None:
        lines = [_scaled(line, 1000) for line in (folder / "clog.obj").read_text().splitlines()]
        (folder / "clog.obj").write_text("\n".join(lines))
        _write_keypoints(folder / "clog.json", category[2].keypoints_m * 1000, unit_m=0.001)
        scene = ShoeScene.from_folder(folder)
        model = _compiled(scene)
        data = mujoco.MjData(model)
        _arrange(scene, model, data, 0)
        nearest = np.linalg.norm(scene.points_m(model, data)[:, None] - _posed(model, data, "shoe0"), axis=-1)
        assert nearest.min(axis=1).max() < 0.006

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (lambda path: (path / "clog.obj").unlink(), "expected one .obj mesh per shoe; there is none"),
            (lambda path: (path / "clog.json").unlink(), r"clog\.json: cannot be read"),
            (lambda path: (path / "clog.json").write_text("{"), r"clog\.json: is no JSON"),
            (
                lambda path: (path / "clog.json").write_text("[]"),
                r'clog\.json: expected "keypoints" with front, tongue',
            ),
            (lambda path: _rewrite(path, {"keypoints": {"front": [0, 0, 0]}}), "there is front"),
            (lambda path: _spoil_point(path, [1, 2]), r"keypoint 'heel' is \[1, 2\]; expected three numbers"),
            (lambda path: _spoil_point(path, [0, 0, float("nan")]), "keypoint 'heel' is .*nan"),
            (lambda path: _spoil_point(path, [0, 0, 2.0]), "keypoint 'heel' is .* m beside the mesh"),
            (lambda path: _rewrite(path, {"unit_m": "mm"}), "\"unit_m\" is 'mm'; expected how many metres"),
            (
                lambda path: _rewrite(path, {"unit_m": 0.001}),
                r"clog\.obj: is .* m long .* set \"unit_m\" in clog\.json",
            ),
            (lambda path: (path / "clog.obj").write_text("v 1 2\n"), r"clog\.obj: expected vertices"),
            (lambda path: (path / "clog.obj").write_text("v 1 2 x\n"), r"clog\.obj: a vertex .* is not three numbers"),
            (lambda path: (path / "clog.obj").write_text(""), r"clog\.obj: expected vertices .* there are 0 lines"),
            (lambda path: _drop(path, "vt "), r"clog\.obj: has no texture coordinates .* clog\.png"),
            (lambda path: _drop(path, "f "), r"clog\.obj: has no faces"),
            (lambda path: _drop_corner(path), r"clog\.obj: MuJoCo cannot load it"),
            (lambda path: (path / "clog.png").write_bytes(b"no image"), r"clog\.obj: MuJoCo cannot load it"),
        ],
    )
    def test_a_malformed_file_is_named(self, folder: Path, spoil: Callable[[Path], object], message: str) -> None:
        spoil(folder)
        with pytest.raises(StorageError, match=message):
            ShoeScene.from_folder(folder)

    def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="there is no such folder"):
            ShoeScene.from_folder(tmp_path / "nowhere")


def _compiled(scene: ShoeScene) -> mujoco.MjModel:
    part = scene.fragment()
    look = '<default><default class="look"><geom contype="0" conaffinity="0" mass="0"/></default></default>'
    world = f"<mujoco>{look}<asset>{part.asset}</asset><worldbody>{part.worldbody}</worldbody></mujoco>"
    return mujoco.MjModel.from_xml_string(world, assets=dict(part.files))


def _arrange(scene: ShoeScene, model: mujoco.MjModel, data: mujoco.MjData, seed: int) -> None:
    scene.arrange(model, data, np.random.default_rng(seed), 0.0)
    mujoco.mj_forward(model, data)


def _posed(model: mujoco.MjModel, data: mujoco.MjData, name: str) -> np.ndarray:
    """Vertices of a mesh as MuJoCo draws it, world frame, shape (vertices, 3)."""
    geom, mesh = model.geom(name), model.mesh(name)
    first = int(mesh.vertadr[0])
    vertices = model.mesh_vert[first : first + int(mesh.vertnum[0])]
    return np.asarray(vertices @ data.geom_xmat[geom.id].reshape(3, 3).T + data.geom_xpos[geom.id])


def _points(mesh: ShoeMesh) -> np.ndarray:
    return np.concatenate([surface.points_m.reshape(-1, 3) for surface in mesh.surfaces.values()])


def _volume(triangles: np.ndarray) -> float:
    return float(np.sum(np.linalg.det(triangles))) / 6


def _mean_colour(shoe: Shoe) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(shoe.png or b"", np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(image[: int(0.58 * len(image))].mean(axis=(0, 1)))


def _project(shot: Shot) -> np.ndarray:
    """Pixels of all keypoints in all views, shape (V, K, 2)."""
    seen = [(shot.points_m @ c.rotation.T + c.translation_m) @ c.intrinsics.T for c in shot.cameras]
    return np.stack([points[:, :2] / points[:, 2:] for points in seen])


def _write_keypoints(path: Path, points: np.ndarray, **more: float) -> None:
    path.write_text(json.dumps({"keypoints": dict(zip(SHOE_KEYPOINTS, points.tolist(), strict=True)), **more}))


def _rewrite(folder: Path, change: dict[str, object]) -> None:
    path = folder / "clog.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


def _spoil_point(folder: Path, point: list[float]) -> None:
    points = json.loads((folder / "clog.json").read_text())["keypoints"]
    _rewrite(folder, {"keypoints": points | {"heel": point}})


def _drop(folder: Path, start: str) -> None:
    path = folder / "clog.obj"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith(start)))


def _drop_corner(folder: Path) -> None:
    """Faces that name a vertex that is not there."""
    path = folder / "clog.obj"
    path.write_text(path.read_text() + "f 1/1/1 2/2/2 999999/1/1\n")


def _scaled(line: str, factor: float) -> str:
    if not line.startswith("v "):
        return line
    return "v " + " ".join(f"{float(value) * factor:.3f}" for value in line.split()[1:])
