"""When an alarm comes, and when it must not."""

import numpy as np
import pytest

from s3k_dist.drift.monitor import DriftConfig, DriftEvent, DriftMonitor, threshold_of
from tests.s3k_dist.drift.windows import PERIOD_NS, residuals, said

HOUR = 4 * 3600
SHORT = DriftConfig(reference_frames=160)


def watch(monitor: DriftMonitor, frames: np.ndarray, *, start: int = 0, version: int = 1) -> list[DriftEvent]:
    return [
        event
        for i, residual in enumerate(frames)
        for event in monitor.observe(said(start + i, residual_px=residual, version=version))
    ]


def ready(
    seed: int = 0, correlation: float = 0.0, config: DriftConfig = SHORT
) -> tuple[DriftMonitor, np.random.Generator]:
    """A monitor with its reference."""
    rng, monitor = np.random.default_rng(seed), DriftMonitor(config)
    assert watch(monitor, residuals(rng, config.reference_frames, correlation)) == []
    assert monitor.ready
    return monitor, rng


@pytest.mark.parametrize(("seed", "correlation"), [(2, 0.95)])
def test_an_hour_of_no_change_gives_no_alarm(seed: int, correlation: float) -> None:
    monitor, rng = ready(seed, correlation, DriftConfig())
    assert watch(monitor, residuals(rng, HOUR, correlation), start=480) == []
    assert max(monitor.levels().values()) < 1


@pytest.mark.parametrize("correlation", [0.0, 0.9])
@pytest.mark.parametrize("seed", range(3))
def test_a_doubled_residual_is_noticed_within_some_tens_of_frames(seed: int, correlation: float) -> None:
    monitor, rng = ready(seed, correlation, DriftConfig())
    events = watch(monitor, 2 * residuals(rng, 60, correlation), start=480)
    assert events
    assert {event.signal for event in events} == {"residual"}
    first = events[0]
    # The change began with frame 480, and it was a doubling.
    assert 465 <= first.since_sequence <= 495
    assert 1.5 < first.now / first.reference < 3
    assert first.since_ns == first.since_sequence * PERIOD_NS
    assert "residual" in str(first)


def test_the_threshold_keeps_the_false_alarms_that_it_states() -> None:
    """Of 400 CUSUMs on unit noise, correlated and not, the mean time to an alarm is about the one asked for."""
    rng = np.random.default_rng(5)
    wanted, allowance, correlation = 2000.0, 0.5, 0.6
    for rho in (0.0, correlation):
        long_run = (1 + rho) / (1 - rho)
        limit = threshold_of(np.array(allowance), np.array(long_run), wanted)
        sums, noise, until = np.zeros(400), rng.normal(size=400), np.full(400, np.nan)
        for frame in range(20_000):
            noise = rho * noise + np.sqrt(1 - rho**2) * rng.normal(size=400)
            sums = np.maximum(0, sums + noise - allowance)
            until[np.isnan(until) & (sums > limit)] = frame
        # Siegmund's overshoot is that of independent noise: for correlated noise the alarms come later still.
        assert 0.6 < np.nanmean(until) / wanted < 3.0, rho


def test_a_camera_alone_is_named() -> None:
    monitor, rng = ready()
    seen = residuals(rng, 40, 0.0)
    seen[:, 2] *= 8
    events = watch(monitor, seen, start=160)
    assert (events[0].subject, events[0].name) == ("camera", "cam2")
    assert events[0].now / events[0].reference == pytest.approx(8, rel=0.4)
    assert not {event.name for event in events} & {"cam0", "cam1", "cam3"}


@pytest.mark.parametrize("absurd", [1e6, np.nan, np.inf])
def test_one_absurd_frame_is_no_drift(absurd: float) -> None:
    monitor, rng = ready()
    seen = residuals(rng, 200, 0.0)
    seen[100] = absurd
    assert watch(monitor, seen, start=160) == []


def test_what_is_missing_and_what_is_blurred_are_alarms_of_their_own() -> None:
    rng, monitor = np.random.default_rng(0), DriftMonitor(SHORT)
    found: dict[str, set[str]] = {}
    for i in range(160 + 300):
        confidence = 0.9 + 0.02 * rng.normal(size=(4, 3))
        if i >= 160:
            confidence[:, 1] -= 0.6  # "base" is hardly seen any more
        for event in monitor.observe(said(i, residual_px=residuals(rng, 1, 0.0)[0], confidence=confidence)):
            found.setdefault(event.signal, set()).add(event.name)
            assert event.now < event.reference if event.signal == "confidence" else event.now > event.reference
    assert found["missing"] >= {"base"}
    assert found["confidence"] >= {"base"}
    assert not {"tip", "socket"} & (found["missing"] | found["confidence"])


def test_an_alarm_is_told_once_and_told_when_it_is_over() -> None:
    monitor, rng = ready()
    worse = watch(monitor, 3 * residuals(rng, 200, 0.0), start=160)
    assert all(event.state == "began" for event in worse)
    assert len({(event.signal, event.name) for event in worse}) == len(worse) == len(monitor.active)
    back = watch(monitor, residuals(rng, 400, 0.0), start=360)
    assert {event.state for event in back} == {"over"}
    assert monitor.active == ()
    assert watch(monitor, 3 * residuals(rng, 60, 0.0), start=760)  # and can come again


def test_a_better_model_sets_a_new_reference() -> None:
    monitor, rng = ready()
    assert watch(monitor, 0.3 * residuals(rng, 300, 0.0), start=160, version=2) == []
    # What was usual for the first version is a drift for the second.
    assert watch(monitor, residuals(rng, 60, 0.0), start=460, version=2)


def test_a_drift_that_a_promotion_falls_into_is_not_the_new_usual() -> None:
    monitor, rng = ready()
    events = watch(monitor, 3 * residuals(rng, 600, 0.0), start=160, version=2)
    assert [event for event in events if event.state == "began"]
    assert monitor.active


def test_versions_that_take_turns_do_not_blind_it() -> None:
    """A canary answers every other episode."""
    monitor, rng = ready()
    for episode in range(10):
        version = 1 + episode % 2
        assert watch(monitor, residuals(rng, 30, 0.0), start=160 + 30 * episode, version=version) == []
    assert watch(monitor, 2 * residuals(rng, 60, 0.0), start=460, version=2)


def test_another_rig_or_model_begins_anew() -> None:
    monitor, rng = ready()
    assert watch(monitor, 3 * residuals(rng, 60, 0.0), start=160)
    monitor.observe(said(220, views=3))
    assert not monitor.ready
    assert monitor.active == ()


def test_a_reset_takes_what_comes_for_usual() -> None:
    monitor, rng = ready()
    watch(monitor, 3 * residuals(rng, 60, 0.0), start=160)
    monitor.reset()
    assert not monitor.ready
    assert watch(monitor, 3 * residuals(rng, 400, 0.0), start=220) == []
