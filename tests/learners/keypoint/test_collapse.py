"""When the unlabelled loss enters and leaves."""

import pytest
import torch

from learners.keypoint.collapse import OBSERVED_STEPS, UnlabelledEntry, Verdict
from learners.keypoint.config import TrainerConfig

CONFIG = TrainerConfig(warm_start_steps=10, entry_plausible=0.5, collapse_plausible=0.25)
TRIANGLE = torch.tensor([[[0.0, 0.0, 0.0], [0.2, 0.0, 0.0], [0.0, 0.1, 0.0]]])
RUN_TOGETHER = TRIANGLE * 0.05


def judged(entry: UnlabelledEntry, points: torch.Tensor, times: int, steps: int = 10) -> list[Verdict]:
    return [entry.judge(steps, points) for _ in range(times)]


def test_the_loss_waits_for_the_warm_start() -> None:
    entry = UnlabelledEntry(CONFIG, TRIANGLE)
    assert not entry.due(9)
    assert entry.due(10)


def test_the_loss_enters_once_the_estimates_look_like_the_object() -> None:
    entry = UnlabelledEntry(CONFIG, TRIANGLE)
    verdicts = judged(entry, TRIANGLE + 0.3, OBSERVED_STEPS + 1)
    assert verdicts == [Verdict.WAIT] * (OBSERVED_STEPS - 1) + [Verdict.ENTER, Verdict.GO_ON]
    assert entry.plausible == pytest.approx(1.0)


def test_the_loss_never_enters_while_the_keypoints_run_together() -> None:
    entry = UnlabelledEntry(CONFIG, TRIANGLE)
    assert set(judged(entry, RUN_TOGETHER, 300)) == {Verdict.WAIT}
    assert entry.plausible == 0


def test_a_collapse_takes_the_loss_out_and_halves_its_weight() -> None:
    entry = UnlabelledEntry(CONFIG, TRIANGLE)
    judged(entry, TRIANGLE, 2 * OBSERVED_STEPS)
    verdicts = judged(entry, RUN_TOGETHER, 200, steps=100)
    assert Verdict.COLLAPSED in verdicts
    assert not entry.entered
    assert entry.recoveries == 1
    assert entry.alpha == CONFIG.alpha / 2
    assert not entry.due(104), "labels alone for half a warm start"
    assert entry.due(105)


def test_a_few_odd_batches_are_no_collapse() -> None:
    entry = UnlabelledEntry(CONFIG, TRIANGLE)
    judged(entry, TRIANGLE, 100)
    assert set(judged(entry, RUN_TOGETHER, 20)) == {Verdict.GO_ON}


def test_what_moves_may_be_a_little_nearer_or_farther_than_any_label_says() -> None:
    entry = UnlabelledEntry(CONFIG, torch.cat([TRIANGLE, 2 * TRIANGLE]))
    for scale in (0.7, 1.5, 2.9):
        judged(entry, scale * TRIANGLE, 1)
    assert entry.plausible == pytest.approx(1.0)


def test_a_single_keypoint_has_no_shape_to_lose() -> None:
    entry = UnlabelledEntry(CONFIG, torch.zeros(4, 1, 3))
    assert judged(entry, torch.zeros(2, 1, 3), OBSERVED_STEPS)[-1] is Verdict.ENTER


@pytest.mark.parametrize("switch", ["entry_plausible", "collapse_plausible"])
def test_each_check_can_be_switched_off(switch: str) -> None:
    entry = UnlabelledEntry(CONFIG.model_copy(update={switch: 0.0}), TRIANGLE)
    if switch == "entry_plausible":
        assert entry.judge(10, RUN_TOGETHER) is Verdict.ENTER
    else:
        judged(entry, TRIANGLE, OBSERVED_STEPS)
        assert set(judged(entry, RUN_TOGETHER, 500)) == {Verdict.GO_ON}


def test_its_state_goes_on_elsewhere() -> None:
    entry, twin = UnlabelledEntry(CONFIG, TRIANGLE), UnlabelledEntry(CONFIG, TRIANGLE)
    judged(entry, TRIANGLE, 50)
    twin.load_state_dict(entry.state_dict())
    assert twin.state_dict() == entry.state_dict()
    assert judged(twin, RUN_TOGETHER, 100) == judged(entry, RUN_TOGETHER, 100)
