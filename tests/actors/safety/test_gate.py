"""Whatever policies, clocks and sensors do: within the envelope, at rest when it should be, and said why."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.safety.envelope import Motion
from actors.safety.gate import Command, Intervention, Mode, Reading, SafetyGate
from s3k_dist.errors import SafetyError
from tests.actors.safety.test_envelope import LIMITS, START_M, STEP_S, require_within

DOWN = np.array([0, 0, -0.05, 0, 0, 0])


class Driven:
    """A gate with a robot behind it that is where it is told to be, and a clock."""

    def __init__(self, has_wrench: bool = False) -> None:
        self.said: list[Intervention] = []
        self.gate = SafetyGate(LIMITS, STEP_S, has_wrench=has_wrench, log=self.said.append)
        self.gate.begin(START_M)
        self.now_s = 50.0
        self.motion = self.gate._motion
        self.force_n: np.ndarray | None = np.zeros(3) if has_wrench else None

    def read(self, **changes: object) -> None:
        assert self.motion is not None
        fields = {
            "position_m": self.motion.position_m, "received_s": self.now_s, "force_n": self.force_n,
            "force_received_s": self.now_s,
        }  # fmt: skip
        self.gate.read(Reading(**{**fields, **changes}))  # type: ignore[arg-type]

    def resume(self) -> bool:
        assert self.motion is not None
        return self.gate.resume(self.motion.position_m)

    def step(self, steps: int = 1, twist: np.ndarray | None = None, **changes: object) -> Motion:
        for _ in range(steps):
            self.now_s += STEP_S
            self.read(**changes)
            if twist is not None:
                self.gate.command(Command(twist, self.now_s))
            before, self.motion = self.motion, self.gate.step(self.now_s)
            assert before is not None
            require_within(before, self.motion)
        assert self.motion is not None
        return self.motion


@pytest.fixture
def driven() -> Driven:
    return Driven()


def test_a_policy_that_goes_on_commanding_moves_the_robot(driven: Driven) -> None:
    assert driven.step(30, DOWN).twist[2] == pytest.approx(-0.05)
    assert (driven.gate.mode, driven.said) == (Mode.MOVING, driven.said)


def test_without_a_fresh_command_it_stops_smoothly_and_goes_on_with_the_next(driven: Driven) -> None:
    driven.step(30, DOWN)
    steps = math.ceil(LIMITS.command_age_s / STEP_S)
    assert driven.step(steps - 1).twist[2] == pytest.approx(-0.05), "the last command still counts"
    driven.step(20)
    assert driven.motion is not None
    assert driven.motion.at_rest
    assert driven.gate.mode is Mode.HOLDING
    assert driven.said[-1].reason == "no fresh command"
    assert driven.step(30, DOWN).twist[2] == pytest.approx(-0.05)
    assert driven.gate.mode is Mode.MOVING


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ({"feature_age_s": 0.8}, "features are 0.80 s old, at most 0.50 s are allowed"),
        ({"uncertainty_m": 0.05}, "a keypoint is unsure by 50.0 mm, at most 10.0 mm are allowed"),
        ({"feature_age_s": math.nan}, "features are nan s old"),
        ({"uncertainty_m": math.inf}, "a keypoint is unsure by inf mm"),
        ({"received_s": 1e9}, "no fresh command"),  # from the future
    ],
)
def test_what_a_command_stands_on_counts(driven: Driven, command: dict[str, float], reason: str) -> None:
    driven.step(20, DOWN)
    for _ in range(30):
        driven.gate.command(Command(DOWN, **{"received_s": driven.now_s + STEP_S, **command}))
        driven.step()
    assert driven.motion is not None
    assert driven.motion.at_rest
    assert driven.said[-1].reason.startswith(reason)
    assert driven.gate.mode is Mode.HOLDING


def test_a_robot_that_falls_silent_is_held(driven: Driven) -> None:
    driven.step(20, DOWN)
    last = driven.now_s
    for _ in range(30):
        driven.step(1, DOWN, received_s=last)
    assert driven.motion is not None
    assert driven.motion.at_rest
    assert driven.said[-1].reason == "the robot says nothing of itself"
    driven.step(20, DOWN)
    assert driven.gate.mode is Mode.MOVING


def test_a_robot_that_does_not_follow_is_stopped_until_somebody_resumes(driven: Driven) -> None:
    driven.step(20, DOWN)
    assert driven.motion is not None
    driven.step(30, DOWN, position_m=driven.motion.position_m + np.array([0.02, 0, 0]))
    assert driven.gate.mode is Mode.STOPPED
    assert "mm from where it was told to be" in driven.gate.reason
    driven.step(30, DOWN)
    assert driven.motion.at_rest, "not by itself"
    assert driven.resume()
    assert driven.step(30, DOWN).twist[2] < -0.04


def test_an_emergency_stop_stays_until_a_person_takes_it_back(driven: Driven) -> None:
    driven.step(20, DOWN)
    driven.gate.stop("the red button", emergency=True)
    driven.step(30, DOWN)
    assert driven.motion is not None
    assert driven.motion.at_rest
    assert not driven.resume()
    driven.gate.stop("something else")
    driven.step(10, DOWN)
    assert (driven.gate.mode, driven.gate.reason) == (Mode.EMERGENCY, "the red button")
    driven.gate.reset(driven.motion.position_m)
    assert driven.step(30, DOWN).twist[2] < -0.04
    assert [(each.mode, each.reason) for each in driven.said if each.mode is not Mode.HOLDING] == [
        (Mode.EMERGENCY, "the red button")
    ]


@pytest.mark.parametrize(
    ("force_n", "mode", "reason"),
    [
        (np.array([0, 0, 60.0]), Mode.STOPPED, "60.0 N push on the tool, at most 40.0 are allowed"),
        (np.array([math.nan, 0, 0]), Mode.STOPPED, "the force sensor says numbers that are none"),
        (None, Mode.HOLDING, "the force sensor says nothing"),
    ],
)
def test_a_force_sensor_that_shouts_lies_or_is_silent_stops_the_robot(
    force_n: np.ndarray | None, mode: Mode, reason: str
) -> None:
    driven = Driven(has_wrench=True)
    driven.step(20, DOWN)
    assert driven.gate.mode is Mode.MOVING
    driven.force_n = force_n
    driven.step(30, DOWN)
    assert driven.motion is not None
    assert driven.motion.at_rest
    assert (driven.gate.mode, driven.gate.reason) == (mode, reason)


def test_the_tool_gives_way_to_what_pushes_also_while_it_holds() -> None:
    driven = Driven(has_wrench=True)
    yields = driven.gate.limits.yield_m_s_n * (6.0 - driven.gate.limits.yield_force_n)
    driven.force_n = np.array([0, 0, 6.0])
    assert driven.step(30, DOWN).twist[2] == pytest.approx(-0.05 + yields)
    driven.step(40)  # no command any more
    assert driven.gate.mode is Mode.HOLDING
    assert driven.step().twist[2] == pytest.approx(yields)
    driven.force_n = np.array([0, 0, 1.5])
    driven.step(40)
    assert driven.motion is not None
    assert driven.motion.at_rest


def test_one_that_is_resumed_while_it_brakes_goes_on_without_a_jolt(driven: Driven) -> None:
    driven.step(30, DOWN)
    driven.gate.stop("for a moment")
    assert driven.step(2).twist[2] < -0.03, "still braking"
    assert driven.resume()
    assert driven.step(30, DOWN).twist[2] == pytest.approx(-0.05)  # each step's jerk is checked


def test_what_was_checked_is_what_is_followed(driven: Driven) -> None:
    twist = DOWN.copy()
    driven.gate.command(Command(twist, driven.now_s))
    twist[:] = np.nan
    assert np.isfinite(driven.step(5).twist).all()


@pytest.mark.parametrize("twist", [np.full(6, np.nan), np.zeros(5), np.array([np.inf, 0, 0, 0, 0, 0])])
def test_a_twist_that_is_none_is_refused_and_changes_nothing(driven: Driven, twist: np.ndarray) -> None:
    driven.step(20, DOWN)
    with pytest.raises(SafetyError, match="six finite numbers"):
        driven.gate.command(Command(twist, driven.now_s))
    assert driven.step().twist[2] == pytest.approx(-0.05)


def test_before_it_knows_where_the_robot_is_nothing_moves() -> None:
    gate = SafetyGate(LIMITS, STEP_S)
    with pytest.raises(SafetyError, match="begin"):
        gate.step(0.0)


faults = st.sampled_from(
    ["none", "silent", "late", "future", "astray", "nan", "old features", "unsure", "stop", "resume"]
)


@settings(max_examples=60, deadline=None)
@given(
    events=st.lists(
        st.tuples(faults, st.integers(1, 20), st.lists(st.floats(-5, 5), min_size=6, max_size=6)), max_size=25
    ),
    jumps=st.lists(st.floats(-10, 10), min_size=25, max_size=25),
)
def test_no_policy_clock_or_sensor_brings_it_out_of_the_envelope(
    events: list[tuple[str, int, list[float]]], jumps: list[float]
) -> None:
    driven = Driven(has_wrench=True)
    steps: Iterator[float] = iter(jumps)
    for fault, count, twist in events:
        for _ in range(count):
            command = {"received_s": driven.now_s, "feature_age_s": 9.0 if fault == "old features" else 0.0}
            command["uncertainty_m"] = 9.0 if fault == "unsure" else 0.0
            driven.gate.command(Command(np.array(twist), **command))
            changes: dict[str, object] = {}
            match fault:
                case "silent":
                    changes = {"received_s": driven.now_s - 1, "force_received_s": driven.now_s - 1}
                case "late" | "future":
                    driven.now_s += next(steps, 0.0)
                case "astray":
                    changes = {"position_m": START_M + 1.0}
                case "nan":
                    changes = {"position_m": np.full(3, np.nan), "force_n": np.full(3, np.nan)}
                case "stop":
                    driven.gate.stop("asked to")
                case "resume":
                    driven.resume()
            driven.step(1, **changes)  # the envelope is checked after each step
