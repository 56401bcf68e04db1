"""Control periods by the wall clock, on a clock that a test moves."""

from types import SimpleNamespace

import pytest

from actors.cell import CONTROL_PERIOD_S
from actors.physical.ticks import Ticks, missed_deadlines


class Time:
    """Stands still but for what is slept and worked."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def pass_by(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def ticks(time: Time) -> Ticks:
    ticks = Ticks(time, time.pass_by)
    ticks.begin()
    return ticks


def test_commands_go_out_at_the_control_rate_however_long_thinking_takes(time: Time, ticks: Ticks) -> None:
    ends = []
    for thinking_s in (0.0, 0.1, 0.2, 0.05, 0.0):
        time.pass_by(thinking_s)
        ticks.command()
        ticks.wait()
        ends.append(time.now_s)
    assert ends == pytest.approx([100 + CONTROL_PERIOD_S * count for count in range(1, 6)])
    assert (ticks.periods, ticks.missed, ticks.worst_late_s) == (5, 0, 0.0)


def test_a_command_after_its_period_is_counted_and_gets_a_whole_one(time: Time, ticks: Ticks) -> None:
    ticks.command()
    ticks.wait()
    time.pass_by(CONTROL_PERIOD_S + 0.04)
    ticks.command()
    began_s = time.now_s
    ticks.wait()
    assert time.now_s - began_s == pytest.approx(CONTROL_PERIOD_S)
    assert (ticks.periods, ticks.missed) == (2, 1)
    assert ticks.worst_late_s == pytest.approx(0.04)


def test_time_between_two_episodes_is_nobodys_fault(time: Time, ticks: Ticks) -> None:
    ticks.command()
    ticks.wait()
    time.pass_by(30.0)
    ticks.begin()
    ticks.command()
    assert ticks.missed == 0


def test_a_cell_that_waits_for_its_commands_misses_no_deadline(time: Time, ticks: Ticks) -> None:
    ticks.command()
    time.pass_by(3 * CONTROL_PERIOD_S)
    ticks.command()
    assert missed_deadlines(SimpleNamespace(ticks=ticks)) == 1
    assert missed_deadlines(SimpleNamespace()) == 0
