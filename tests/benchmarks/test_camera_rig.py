"""The cost of a set of views is measured against the slowest camera, and its page says so."""

import pytest

from benchmarks.camera_rig import measure, page


def test_a_set_and_each_camera_are_measured_by_turns() -> None:
    seconds = measure(rounds=2, views=2, size_px=32)
    assert list(seconds) == ["set", "single 0", "single 1"]
    assert all(len(times) == 2 and min(times) > 0 for times in seconds.values())


@pytest.mark.parametrize(("whole_s", "verdict"), [(0.024, "1.20** times"), (0.04, "2.00** times")])
def test_the_page_compares_with_the_slowest_of_each_round(whole_s: float, verdict: str) -> None:
    text = page({"set": [whole_s] * 3, "single 0": [0.01] * 3, "single 1": [0.02] * 3}, 2, 400)
    assert verdict in text
    assert ("within the 1.3" in text) == (whole_s < 0.026)
    assert "| slowest single camera of a round | 20.0 | 20.0 |" in text
