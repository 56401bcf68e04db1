"""No sequence of commands leaves the envelope, and what the envelope allows is really allowed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from actors.safety.braking import AxisLimits, AxisState, steered, toward, viable
from actors.safety.envelope import Envelope, Motion
from actors.safety.limits import Box, SafetyLimits
from s3k_dist.errors import SafetyError

STEP_S = 0.02
SLACK = 1e-7  # of floating point
LIMITS = SafetyLimits(
    workspace=Box(low_m=(-0.2, -0.2, 0.0), high_m=(0.2, 0.2, 0.3)),
    keep_out=(
        Box(low_m=(-0.05, -0.05, 0.0), high_m=(0.05, 0.05, 0.12)),
        Box(low_m=(0.05, -0.2, 0.0), high_m=(0.12, 0.0, 0.2)),  # touches the first one
    ),
    tracking_m=0.005,
)
START_M = np.array([-0.15, 0.1, 0.2])
velocities = st.floats(-3, 3)
twists = st.lists(st.tuples(*([velocities] * 6)), min_size=1, max_size=40)


def require_within(before: Motion, after: Motion, limits: SafetyLimits = LIMITS) -> None:
    for index, (axis, previous) in enumerate(zip(after.axes, before.axes, strict=True)):
        assert abs(axis.v) <= limits.speed[index] + SLACK
        assert abs(axis.a) <= limits.acceleration[index] + SLACK
        assert abs(axis.a - previous.a) <= limits.jerk[index] * STEP_S + SLACK
    position_m = after.position_m
    assert limits.tight_workspace.grown(SLACK).contains(position_m)
    for box in limits.tight_keep_out:
        assert not box.grown(-SLACK).contains(position_m), position_m


@settings(max_examples=60, deadline=None)
@given(commands=twists, repeats=st.lists(st.integers(1, 25), min_size=40, max_size=40))
def test_no_commands_leave_the_envelope(commands: list[tuple[float, ...]], repeats: list[int]) -> None:
    envelope = Envelope(LIMITS, STEP_S)
    motion = envelope.at(START_M)
    for twist, count in zip(commands, repeats, strict=False):
        for _ in range(count):
            following = envelope.step(motion, np.array(twist))
            require_within(motion, following)
            motion = following
    assert envelope.holds(motion)
    for _ in range(40):  # and it comes to rest within, whenever it has to
        following = envelope.braking(motion)
        require_within(motion, following)
        motion = following
    assert motion.at_rest


@settings(max_examples=100, deadline=None)
@given(v=st.floats(-0.1, 0.1), a=st.floats(-0.5, 0.5), target=st.floats(-0.1, 0.1), jerk=st.floats(2.0, 50.0))
def test_a_velocity_is_reached_without_going_beyond_it(v: float, a: float, target: float, jerk: float) -> None:
    limits = AxisLimits(0.1, 0.5, jerk, STEP_S)
    state, steps = AxisState(0.0, v, a), 0
    passed = []
    while not (abs(state.v - target) <= 1e-12 and state.a == 0.0):
        state = state.after(toward(state, target, limits), limits)
        passed.append(state.v)
        steps += 1
        assert steps < 200
    # What an acceleration at the start has begun may carry it past once; from rest it never does.
    if a == 0:
        assert min(v, target) - SLACK <= min(passed, default=v)
        assert max(passed, default=v) <= max(v, target) + SLACK


def test_the_whole_workspace_can_be_reached_and_used() -> None:
    envelope = Envelope(LIMITS, STEP_S)
    motion = envelope.at(START_M)
    for _ in range(400):
        motion = envelope.step(motion, np.array([1.0, 0, 0, 0, 0, 0]))
    assert motion.position_m[0] == pytest.approx(0.195, abs=1e-4)
    assert motion.position_m[1:] == pytest.approx(START_M[1:], abs=1e-6)
    assert abs(motion.twist).max() < 1e-3


def test_a_keep_out_box_is_slid_along_and_passed_above() -> None:
    envelope = Envelope(LIMITS, STEP_S)
    motion = envelope.at(np.array([-0.15, 0.02, 0.05]))
    for _ in range(300):
        motion = envelope.step(motion, np.array([1.0, 0, 0, 0, 0, 0]))
    assert motion.position_m[0] == pytest.approx(-0.055, abs=1e-4), "stopped at its face"
    for _ in range(300):
        motion = envelope.step(motion, np.array([1.0, 0, 1.0, 0, 0, 0]))
    assert motion.position_m[0] > 0.19, "over it, once high enough"


def test_what_is_wanted_is_what_is_done_where_nothing_is_in_the_way() -> None:
    envelope = Envelope(LIMITS, STEP_S)
    wanted = np.array([0.03, -0.02, 0.01, 0.1, 0.0, -0.2])
    motion = envelope.at(START_M)
    for _ in range(30):
        motion = envelope.step(motion, wanted)
    np.testing.assert_allclose(motion.twist, wanted, atol=1e-9)


@pytest.mark.parametrize(
    ("position_m", "says"),
    [
        ((0.25, 0, 0.2), "55.0 mm outside of the workspace on the x axis"),
        ((0.0, 0, 0.05), "inside of keep-out box 0"),
        ((0.08, -0.1, 0.1), "inside of keep-out box 1"),
    ],
)
def test_a_robot_that_is_outside_is_not_driven(position_m: tuple[float, ...], says: str) -> None:
    with pytest.raises(SafetyError, match=says):
        Envelope(LIMITS, STEP_S).at(np.array(position_m))


def test_limits_that_cannot_be_kept_at_a_rate_are_refused() -> None:
    slow = LIMITS.model_copy(update={"acceleration": (1e-5,) * 6})
    with pytest.raises(SafetyError, match=r"x: braking from 0\.1 takes more than 2000 steps"):
        Envelope(slow, STEP_S)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"workspace": {"low_m": (0, 0, 0), "high_m": (0.1, 0.1, 0.0)}}, "must be below"),
        ({"tracking_m": 0.2}, "takes 0.4 m of it"),
        ({"stop_force_n": 4.0, "yield_force_n": 5.0}, "must be above yield_force_n"),
        ({"speed": (0, 1, 1, 1, 1, 1)}, "greater than 0"),
        ({"speed": (float("nan"), 1, 1, 1, 1, 1)}, "finite number|greater than 0"),
        ({"spede": (1, 1, 1, 1, 1, 1)}, "Extra inputs"),
    ],
)
def test_limits_that_make_no_sense_are_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        SafetyLimits.model_validate({**LIMITS.model_dump(), **changes})


def test_limits_cannot_be_changed_once_they_are_loaded() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        LIMITS.speed = (9.0,) * 6  # type: ignore[misc, assignment]


def test_only_states_that_can_still_stop_are_viable() -> None:
    limits = AxisLimits(0.1, 0.5, 10.0, STEP_S)
    assert viable(AxisState(0.0, 0.1, 0.0), -1.0, 1.0, limits)
    assert not viable(AxisState(0.999, 0.1, 0.0), -1.0, 1.0, limits)
    assert not viable(AxisState(0.0, 0.1, 0.5), -1.0, 1.0, limits), "it would exceed the speed before it can brake"
    near = AxisState(0.98, 0.0, 0.0)
    for _ in range(200):
        near = steered(near, 0.1, -1.0, 1.0, limits)
    assert near.x == pytest.approx(1.0, abs=1e-4)
