"""The simulated cable cell: the contract of all cells, and what is its own: geometry, truth, the expert, the task."""

from collections.abc import Iterator

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.insertion import InsertionConfig, InsertionTask, sum_of_distances_m
from actors.rollout import TRULY_INSERTED
from actors.sim.arrangement import Randomisation
from actors.sim.cable import BASE_OFFSET_M, PIN_LENGTH_M, CableSpec
from actors.sim.cell import CableCell, CableCellSpec
from actors.sim.expert import expert_twist
from actors.sim.world import DECOYS
from s3k_dist.errors import CellError, PreflightError
from tests.actors.cell_contract import SimulatedCellContract, assert_same
from tests.actors.moments import seen_at

SUCCESS_M = InsertionConfig().success_distance_m


class TestCableCell(SimulatedCellContract):
    """The contract."""

    @pytest.fixture
    def cell(self) -> Iterator[CableCell]:
        cell = CableCell(CableCellSpec(cell_id="cell7", image_px=64))
        yield cell
        cell.stop()


def test_two_cells_of_one_spec_see_the_same_bit_for_bit(shared_cell: CableCell) -> None:
    again = CableCell(CableCellSpec(image_px=64))
    assert_same(SimulatedCellContract.play(shared_cell, 3), SimulatedCellContract.play(again, 3))
    again.stop()


def test_another_scene_looks_different_and_moves_the_same(shared_cell: CableCell) -> None:
    other = CableCell(CableCellSpec(image_px=64, scene_seed=1))
    here, there = shared_cell.reset(3), other.reset(3)
    assert not np.array_equal(here.frame.views[0].image, there.frame.views[0].image)
    np.testing.assert_array_equal(shared_cell.truth().keypoints_m, other.truth().keypoints_m)
    other.stop()


def test_a_cell_that_comes_back_goes_on_counting(shared_cell: CableCell) -> None:
    shared_cell.resume_after(41)
    assert [shared_cell.reset(0).frame.sequence, shared_cell.observe().frame.sequence] == [42, 43]


def test_without_opengl_it_says_where_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no EGL device")

    monkeypatch.setattr(mujoco, "Renderer", fail)
    with pytest.raises(PreflightError, match=r"no working OpenGL \(no EGL device\); `s3k doctor`"):
        CableCell(CableCellSpec(image_px=64))


@pytest.mark.parametrize("point", [(0.0, 0.0, 0.062), (0.03, -0.02, 0.09), (-0.035, 0.03, 0.04), (0.02, 0.04, 0.02)])
@pytest.mark.parametrize("image_px", [64, 200])
def test_the_calibration_is_that_of_the_rendered_image(image_px: int, point: tuple[float, float, float]) -> None:
    cell = CableCell(CableCellSpec(image_px=image_px))
    cell.reset(0)
    for camera in cell.cameras:
        in_camera = camera.rotation @ point + camera.translation_m
        expected = (camera.intrinsics @ in_camera)[:2] / in_camera[2]
        np.testing.assert_allclose(centroid_of_sphere(cell, camera.name, point), expected, atol=0.3)
    cell.stop()


def centroid_of_sphere(cell: CableCell, camera: str, point: tuple[float, float, float]) -> np.ndarray:
    """Where a glowing sphere, alone in the dark, appears; (u, v) in pixels."""
    renderer = cell._renderer
    assert renderer is not None
    renderer.update_scene(cell._data, camera)
    scene = renderer.scene
    scene.ngeom = scene.nlight = 0
    mujoco.mjv_initGeom(
        scene.geoms[0],
        mujoco.mjtGeom.mjGEOM_SPHERE,
        np.full(3, 0.004),
        np.array(point),
        np.eye(3).ravel(),
        np.ones(4, np.float32),
    )
    scene.geoms[0].emission = 1.0
    scene.ngeom = 1
    glow = renderer.render()[..., 0].astype(np.float64)
    assert glow.max() > 200
    down, across = np.indices(glow.shape)
    return np.array([(glow * across).sum(), (glow * down).sum()]) / glow.sum()


@pytest.mark.parametrize("seed", range(8))
def test_the_expert_inserts_the_plug(shared_cell: CableCell, seed: int) -> None:
    shared_cell.reset(seed)
    for _ in range(40):
        shared_cell.command(expert_twist(shared_cell))
        if shared_cell.truth().depth >= 0.95:
            break
    assert shared_cell.truth().depth >= 0.95


def test_a_hole_may_lean_and_the_expert_finds_into_it() -> None:
    lean_rad = np.radians(20)
    spread = Randomisation(hole_rad=np.radians(5))
    cell = CableCell(CableCellSpec(image_px=64, cable=CableSpec(hole_tilt_rad=lean_rad), randomisation=spread))
    inserted, axes = 0, []
    for seed in range(6):
        cell.reset(seed)
        axis = cell.hole_axis()
        axes.append(axis)
        np.testing.assert_allclose(np.linalg.norm(axis), 1, atol=1e-6)
        assert abs(np.arccos(-axis[2]) - lean_rad) < np.radians(8)
        for _ in range(40):
            cell.command(expert_twist(cell))
            if cell.truth().depth >= 0.95:
                break
        inserted += cell.truth().depth >= 0.95
        tip, _ = cell.plug_pose()
        into = tip - cell.truth().keypoints_m[2]
        if cell.truth().depth > 0:
            assert np.linalg.norm(into - (into @ axis) * axis) < 0.005
    cell.stop()
    assert inserted >= 5
    assert np.ptp(np.stack(axes), axis=0).max() > 0.05, "each episode's hole has a direction of its own"


def test_decoys_lie_about_and_touch_nothing() -> None:
    plain, decoyed = CableCell(CableCellSpec(image_px=64)), CableCell(CableCellSpec(image_px=64, decoys=True))
    more = range(plain._model.nbody, decoyed._model.nbody)
    assert len(more) == len(DECOYS)
    touching = {
        decoyed._model.body(int(body)).name
        for body, kind in zip(decoyed._model.geom_bodyid, decoyed._model.geom_contype, strict=True)
        if kind
    }
    assert "plug" in touching
    assert not any(name.startswith("clutter") for name in touching)
    first, second = decoyed.reset(0).frame.views[0].image, decoyed.reset(1).frame.views[0].image
    assert not np.array_equal(first, second)
    plain.stop()
    decoyed.stop()


def test_the_tip_is_labelled_at_the_opening_once_it_is_inside(shared_cell: CableCell) -> None:
    shared_cell.reset(1)
    above, inside = 0, 0
    for _ in range(40):
        shared_cell.command(0.3 * expert_twist(shared_cell))
        truth = shared_cell.truth()
        tip, base, opening = truth.keypoints_m
        if truth.depth > 0:
            inside += 1
            np.testing.assert_array_equal(tip, opening)
        else:
            above += 1
            np.testing.assert_allclose(np.linalg.norm(tip - base), PIN_LENGTH_M + BASE_OFFSET_M, atol=1e-6)
    assert above > 3
    assert inside > 3


def test_a_plug_beside_the_socket_is_not_inside(shared_cell: CableCell) -> None:
    shared_cell.reset(1)
    away = np.array([0.05, 0.0, 0.0, 0, 0, 0])
    down = np.array([0.0, 0.0, -0.05, 0, 0, 0])
    for twist in [away] * 4 + [down] * 8:
        shared_cell.command(twist)
    tip, _ = shared_cell.plug_pose()
    truth = shared_cell.truth()
    assert tip[2] < truth.keypoints_m[2, 2]  # lower than the opening
    assert truth.depth == 0
    np.testing.assert_array_equal(truth.keypoints_m[0], tip)


@given(st.integers(0, 10_000), st.floats(0.15, 1.0), st.floats(0.0, 0.6))
@settings(max_examples=12, deadline=None)
def test_a_claim_on_true_keypoints_means_nine_tenths_of_the_depth(
    shared_cell: CableCell, seed: int, haste: float, clumsiness: float
) -> None:
    """At any speed and with any wobble, and at any moment that could count towards a claim."""
    rng = np.random.default_rng(seed)
    shared_cell.reset(seed)
    for _ in range(60):
        wobble = clumsiness * rng.normal(size=6) * shared_cell.twist_limit
        shared_cell.command(haste * expert_twist(shared_cell) + wobble)
        truth = shared_cell.truth()
        if sum_of_distances_m(truth.keypoints_m) < SUCCESS_M:
            assert truth.depth >= TRULY_INSERTED


@pytest.mark.parametrize("seed", range(4))
def test_the_expert_ends_in_a_claim_on_true_keypoints(shared_cell: CableCell, seed: int) -> None:
    task = InsertionTask(InsertionConfig(), 64)
    step = task.begin(shared_cell.reset(seed).gripper, seen_at(shared_cell.truth().keypoints_m))
    while not (step.terminated or step.truncated):
        shared_cell.command(expert_twist(shared_cell))
        step = task.advance(shared_cell.observe().gripper, seen_at(shared_cell.truth().keypoints_m))
    assert step.claimed
    assert shared_cell.truth().depth >= TRULY_INSERTED


def test_the_reported_velocity_is_the_gripper_s(shared_cell: CableCell) -> None:
    shared_cell.reset(2)
    twist = np.array([0.03, -0.02, 0.01, 0, 0, 0.3])
    shared_cell.command(twist)
    before = shared_cell.observe().gripper
    shared_cell.command(twist)
    after = shared_cell.observe().gripper
    travelled = (after.position_m - before.position_m) / 0.25
    np.testing.assert_allclose(after.linear_velocity_m_s, travelled, atol=2e-3)
    np.testing.assert_allclose(after.angular_velocity_rad_s, twist[3:], atol=2e-2)


def test_a_twin_shows_what_another_cell_has_come_to(shared_cell: CableCell) -> None:
    twin = CableCell(CableCellSpec(image_px=64))
    shared_cell.reset(3)
    for _ in range(4):
        shared_cell.command(np.array([0.03, -0.01, -0.05, 0.2, 0, 0]))
    twin.arrange(3)
    twin.show(shared_cell.state())
    np.testing.assert_array_equal(twin.render("cam1"), shared_cell.render("cam1"))
    np.testing.assert_array_equal(twin.truth().keypoints_m, shared_cell.truth().keypoints_m)
    np.testing.assert_allclose(twin.gripper().numbers, shared_cell.gripper().numbers, atol=1e-12)
    np.testing.assert_array_equal(expert_twist(twin), expert_twist(shared_cell))
    with pytest.raises(CellError, match=r"expected a state of \d+ finite numbers, got \(3,\)"):
        twin.show(np.zeros(3))
    twin.stop()


def test_a_scene_is_set_up_around_a_hand_that_stays(shared_cell: CableCell) -> None:
    shared_cell.reset(4)
    shared_cell.command(np.array([0.05, 0, 0, 0, 0, 0]))
    shared_cell.command(np.zeros(6))  # what is in motion goes on to its set-point
    before_m = shared_cell.gripper_m()
    shared_cell.arrange(3)
    np.testing.assert_allclose(shared_cell.gripper_m(), before_m, atol=1e-3)
    opening_m = shared_cell.truth().keypoints_m[2]
    shared_cell.reset(3)
    np.testing.assert_array_equal(shared_cell.truth().keypoints_m[2], opening_m)
