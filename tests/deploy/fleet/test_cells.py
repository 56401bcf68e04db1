"""A cell is kept at work whatever happens to it, and left alone when it should be."""

import pytest

from deploy.fleet.cell_driver import CellDriver
from deploy.fleet.cell_file import CellFile
from deploy.fleet.part import State
from deploy.topology import ProcessDiedError, ProcessHangsError
from s3k_dist.errors import DeadlineError, ServiceUnavailableError
from tests.deploy.fleet.conftest import Clock, FakeHost, HandCalls, Said, outcome


@pytest.fixture
def taken() -> list[str]:
    return []


@pytest.fixture
def cell(host: FakeHost, calls: HandCalls, said: Said, taken: list[str], clock: Clock) -> CellDriver:
    file = CellFile(cell="bench3", resource="arm")
    return CellDriver(file, host, calls, lambda cell_id, _: taken.append(cell_id), said)  # type: ignore[arg-type]


def at_work(cell: CellDriver, host: FakeHost, calls: HandCalls) -> None:
    host.resources.add("arm")
    cell.turn("run")
    calls.answer("bench3")
    calls.answer("bench3")
    assert cell.part.state is State.RUNNING


def test_a_cell_waits_for_its_node_and_takes_the_newest_weights_before_it_moves(
    cell: CellDriver, host: FakeHost, calls: HandCalls, taken: list[str]
) -> None:
    cell.turn("run")
    assert (cell.part.state, calls.asked, host.started) == (State.WAITING, [], {})
    assert cell.part.figures == {"waits for a node that offers": "arm"}
    at_work(cell, host, calls)
    assert [reference for _, reference in calls.asked] == [
        "bench3#1.connect",
        "bench3#1.attach to policy#1",
        "bench3#1.train_episode",
    ]
    assert host.at_work == ["bench3#1"]
    calls.answer("bench3", outcome(12))
    assert taken == ["bench3"]
    assert cell.part.figures["model"] == "3"
    assert calls.last == "bench3#1.train_episode"
    assert host.seed == 2


@pytest.mark.parametrize("error", [ProcessDiedError("its process died"), ProcessHangsError("bench3 did not answer")])
def test_one_that_dies_or_hangs_gets_another_process_after_longer_and_longer_pauses(
    error: Exception, cell: CellDriver, host: FakeHost, calls: HandCalls, said: Said, clock: Clock
) -> None:
    at_work(cell, host, calls)
    calls.answer("bench3", error)
    assert host.ended == ["bench3 killed"]
    assert said == [f"bench3: {error}"]
    for failures, pause_s in ((1, 1), (2, 2), (3, 4), (4, 8)):
        assert cell.part.failures == failures
        clock.now_s += pause_s - 0.01
        cell.turn("run")
        assert cell.part.state is State.BACKING_OFF
        clock.now_s += 0.01
        cell.turn("run")
        assert calls.last == f"bench3#{failures + 1}.connect"
        calls.answer("bench3", error)
    clock.now_s += 1000
    cell.turn("run")
    calls.answer("bench3")
    calls.answer("bench3")
    calls.answer("bench3", outcome())
    assert (cell.part.failures, cell.part.restarts) == (0, 5)


@pytest.mark.parametrize("error", [ServiceUnavailableError("no feature service"), DeadlineError("no answer")])
def test_one_that_lost_its_service_keeps_its_process_and_is_connected_anew(
    error: Exception, cell: CellDriver, host: FakeHost, calls: HandCalls, clock: Clock
) -> None:
    at_work(cell, host, calls)
    calls.answer("bench3", error)
    clock.now_s += 1
    cell.turn("run")
    assert (calls.last, host.ended) == ("bench3#1.connect", [])


def test_a_drained_cell_ends_its_episode_first_and_may_run_again(
    cell: CellDriver, host: FakeHost, calls: HandCalls, taken: list[str]
) -> None:
    at_work(cell, host, calls)
    cell.turn("drain")
    assert (cell.part.state, host.ended) == (State.DRAINING, [])
    calls.answer("bench3", outcome())
    assert (cell.part.state, host.ended, taken) == (State.DRAINED, ["bench3 retired"], ["bench3"])
    asked = len(calls.asked)
    cell.turn("drain")
    assert len(calls.asked) == asked
    cell.turn("run")
    assert calls.last == "bench3#2.connect"


def test_a_refused_cell_is_asked_for_nothing_more(cell: CellDriver, host: FakeHost, calls: HandCalls) -> None:
    at_work(cell, host, calls)
    cell.refuse("rewards not finite")
    calls.answer("bench3", outcome())
    asked = len(calls.asked)
    cell.turn("run")
    assert (len(calls.asked), host.ended) == (asked, ["bench3 retired"])
    assert (cell.part.state, cell.part.last_error) == (State.REFUSED, "rewards not finite")


def test_after_another_learner_began_it_attaches_to_that_between_two_episodes(
    cell: CellDriver, host: FakeHost, calls: HandCalls
) -> None:
    at_work(cell, host, calls)
    host.end_policy_learner()
    cell.reattach()
    calls.answer("bench3", outcome())
    assert calls.last == "bench3#1.attach to policy#2"
    calls.answer("bench3")
    assert calls.last == "bench3#1.train_episode"


def test_when_the_run_winds_up_nothing_new_is_begun_and_the_process_stays(
    cell: CellDriver, host: FakeHost, calls: HandCalls, taken: list[str]
) -> None:
    at_work(cell, host, calls)
    cell.wind_up()
    asked = len(calls.asked)
    calls.answer("bench3", outcome())
    cell.turn("run")
    assert (len(calls.asked), host.ended, taken) == (asked, [], ["bench3"])


def test_one_that_shows_no_sign_of_life_is_ended_long_before_its_episode_is_overdue(
    cell: CellDriver, host: FakeHost, calls: HandCalls, said: Said, clock: Clock
) -> None:
    at_work(cell, host, calls)
    cell.turn("run")
    calls.pulses.pop("bench3")(("10.0.0.3", 77))
    assert (cell.part.node, cell.part.pid, host.ended) == ("10.0.0.3", 77, [])
    clock.now_s += 3
    cell.turn("run")
    calls.pulses.pop("bench3")(ProcessHangsError("no answer"))
    assert host.ended == ["bench3 killed"]
    assert said == ["bench3 hangs: no sign of life for 10 s"]
    calls.answer("bench3", ProcessDiedError("its process died"))
    assert cell.part.state is State.BACKING_OFF


def test_a_late_pulse_of_a_process_before_ends_nothing(
    cell: CellDriver, host: FakeHost, calls: HandCalls, clock: Clock
) -> None:
    at_work(cell, host, calls)
    cell.turn("run")
    late = calls.pulses.pop("bench3")
    calls.answer("bench3", ProcessDiedError("its process died"))
    clock.now_s += 1
    cell.turn("run")
    calls.answer("bench3")
    calls.answer("bench3")
    host.ended.clear()
    late(ProcessHangsError("no answer"))
    assert host.ended == []
