"""The comparison of the emulated with the simulated cell, small: one episode of the expert, which needs no model."""

from importlib import resources
from pathlib import Path

import pytest

from actors.insertion import InsertionConfig, InsertionTask
from actors.physical.emulated_cell import EmulatedCellSpec
from actors.physical.settings import RigLimits
from actors.sim.cell import CableCell, CableCellSpec
from actors.sim.expert import ExpertPolicy
from actors.sim.true_features import TrueFeatures
from deploy.robot_file import read_robot_file
from experiments.emulated_cell import Judged, judge, main, page
from s3k_dist.errors import S3KError

SIZE_PX = 64
SEED = 3


def judged_in(cell: CableCell) -> Judged:
    task = InsertionTask(InsertionConfig(), SIZE_PX)
    return judge(cell, TrueFeatures(cell), task, ExpertPolicy(cell), [SEED])


def test_the_expert_inserts_behind_cameras_gate_and_clock_as_it_does_in_simulation() -> None:
    robot = read_robot_file(Path(str(resources.files("deploy") / "robots" / "simulated.yaml")))
    # A busy machine is no fault of the robot's: it is told longer for what it may be late.
    limits = robot.limits.model_copy(update={"command_age_s": 2.0, "feature_age_s": 5.0})
    spec = CableCellSpec(cell_id="bench", image_px=SIZE_PX)
    rig = RigLimits(view_timeout_s=2.0, max_age_s=5.0, pair_within_s=2.0)
    emulated = EmulatedCellSpec(spec, limits, robot.step_s, state_age_s=5.0, rig=rig).make()
    try:
        behind = judged_in(emulated)  # type: ignore[arg-type]
    finally:
        emulated.stop()
    simulated = CableCell(spec)
    direct = judged_in(simulated)
    simulated.stop()
    assert behind.broken == ()
    assert behind.success == direct.success == 1.0
    assert behind.periods == behind.outcomes[0].steps
    text = page({"simulated": direct, "emulated": behind}, "run", 1)
    assert "| emulated | 1 | 100% | 100% | 0 |" in text
    assert "less those on the simulated one: +0 points" in text


def test_an_episode_that_broke_off_did_not_succeed_and_is_told() -> None:
    broken = Judged((), ("the robot has said nothing for 0.6 s",), 7, 2, 0.031)
    text = page({"simulated": Judged((), (), 0, 0, 0.0), "emulated": broken}, "run", 1)
    assert "| 2 of 7 | 31 | 1 |" in text
    assert "- emulated: the robot has said nothing for 0.6 s" in text


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(S3KError, match="is not a run"):
        main(["--run", str(tmp_path)])
