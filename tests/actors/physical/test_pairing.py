"""Frames of one trigger are told from frames of several, by count and by time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.physical.camera import CameraFrame, FrozenImageError
from actors.physical.freshness import Freshness
from actors.physical.pairing import Pairing

NAMES = ("cam0", "cam1", "cam2", "cam3")
EPOCH_NS = 1_800_000_000 * 10**9


def frame(number: int, at_s: float, ptp_s: float | None = None, level: int = 0) -> CameraFrame:
    image = np.full((2, 2, 3), level, np.uint8)
    return CameraFrame(image, number, at_s, 0, None if ptp_s is None else EPOCH_NS + round(1e9 * ptp_s))


def frames_of(number: int, at_s: float, **other: CameraFrame) -> dict[str, CameraFrame]:
    return {name: frame(number, at_s) for name in NAMES} | other


def test_a_frame_that_is_one_trigger_behind_does_not_fit() -> None:
    pairing = Pairing(0.02)
    assert pairing.odd_ones(frames_of(5, 1.0), 1) == {}
    assert pairing.odd_ones(frames_of(6, 1.25), 2) == {}
    odd = pairing.odd_ones(frames_of(7, 1.5, cam2=frame(6, 1.5)), 3)
    assert odd == {"cam2": "its frame is of trigger 2, expected 3"}
    assert pairing.is_late("cam2", frame(6, 1.5), 3)
    assert not pairing.is_late("cam2", frame(7, 1.5), 3)


def test_counts_that_began_at_different_times_are_tied_by_the_first_set() -> None:
    pairing = Pairing(0.02)
    first = {name: frame(10 * index, 1.0) for index, name in enumerate(NAMES)}
    assert pairing.odd_ones(first, 1) == {}
    later = {name: frame(10 * index + 3, 2.0) for index, name in enumerate(NAMES)}
    assert pairing.odd_ones(later, 4) == {}
    assert set(pairing.odd_ones(later, 5)) == set(NAMES)


def test_a_camera_that_was_armed_joins_by_its_time() -> None:
    pairing = Pairing(0.02)
    pairing.odd_ones(frames_of(5, 1.0), 1)
    pairing.forget("cam1")
    assert not pairing.is_late("cam1", frame(0, 1.25), 2)
    late = pairing.odd_ones(frames_of(6, 1.25, cam1=frame(0, 1.0)), 2)
    assert late == {"cam1": "by the host's clock it was exposed -250.0 ms from the others"}
    assert pairing.odd_ones(frames_of(6, 1.25, cam1=frame(0, 1.25)), 2) == {}
    assert pairing.odd_ones(frames_of(7, 1.5, cam1=frame(2, 1.5)), 3) == {
        "cam1": "its frame is of trigger 4, expected 3"
    }


def test_of_triggers_from_outside_the_newest_counts() -> None:
    pairing = Pairing(0.02)
    assert pairing.odd_ones(frames_of(5, 1.0), None) == {}
    assert pairing.odd_ones(frames_of(9, 2.0), None) == {}, "nobody took the pulses between"
    behind = pairing.odd_ones(frames_of(10, 2.25, cam3=frame(9, 2.25)), None)
    assert list(behind) == ["cam3"]
    assert not pairing.is_late("cam3", frame(9, 2.25), None)


def test_a_clock_of_its_own_tells_what_the_hosts_does_not() -> None:
    pairing = Pairing(0.001)
    frames = {name: frame(1, 1.0, ptp_s=7.0) for name in NAMES} | {"cam0": frame(1, 1.0, ptp_s=7.004)}
    assert pairing.odd_ones(frames, 1) == {"cam0": "by its own clock it was exposed +4.0 ms from the others"}
    frames["cam0"] = frame(1, 1.0)  # its clock is not locked: it is not asked
    assert pairing.odd_ones(frames, 1) == {}


def test_of_two_that_disagree_nobody_knows_which() -> None:
    assert set(Pairing(0.02).odd_ones({"cam0": frame(1, 1.0), "cam1": frame(1, 1.5)}, 1)) == {"cam0", "cam1"}


@given(
    times=st.lists(st.floats(0, 10), min_size=1, max_size=6),
    within_s=st.floats(0.001, 1),
)
def test_a_set_that_passes_was_exposed_within_its_time_and_one_that_was_passes(
    times: list[float], within_s: float
) -> None:
    frames = {f"cam{index}": frame(0, at_s) for index, at_s in enumerate(times)}
    passes = not Pairing(within_s).odd_ones(frames, 1)
    assert passes == (max(times) - min(times) <= within_s)


def test_the_same_image_again_and_again_is_frozen() -> None:
    fresh = Freshness("cam0", 3)
    for number, level in enumerate((1, 1, 2, 2)):
        fresh.check(frame(number, 0.0, level=level))
    with pytest.raises(FrozenImageError, match="camera cam0 is frozen: its last 3 images are the same"):
        fresh.check(frame(4, 0.0, level=2))
    fresh.arm()
    with pytest.raises(FrozenImageError, match="last 4 images are the same"):
        fresh.check(frame(0, 0.0, level=2))
    fresh.check(frame(1, 0.0, level=3))


def test_images_of_a_simulation_may_be_the_same() -> None:
    fresh = Freshness("cam0", 0)
    for number in range(20):
        fresh.check(frame(number, 0.0))


def test_a_count_or_a_clock_that_stands_is_frozen() -> None:
    fresh = Freshness("cam0", 0)
    fresh.check(frame(5, 0.0, ptp_s=1.0))
    with pytest.raises(FrozenImageError, match="frame 5 came after frame 5"):
        fresh.check(frame(5, 0.0, ptp_s=2.0))
    with pytest.raises(FrozenImageError, match="its clock stands at"):
        fresh.check(frame(6, 0.0, ptp_s=2.0))
    fresh.arm()
    fresh.check(frame(0, 0.0, ptp_s=1.0))
