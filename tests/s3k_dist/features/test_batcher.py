"""Batches: what waits is read together, by layout; nobody waits for company."""

import concurrent.futures
from collections.abc import Iterator
from typing import Any

import pytest

from s3k_dist.errors import DeadlineError, FrameError, ServiceError, ServiceUnavailableError
from s3k_dist.features.batcher import Batcher, NoModelError, QueueFullError
from s3k_dist.features.metrics import FeatureMetrics

HANG_GUARD_S = 30.0


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    batcher = Batcher(FeatureMetrics(), max_batch_frames=4, max_queue_frames=8)
    batcher.start()
    yield batcher
    batcher.close(HANG_GUARD_S)


def hold(batcher: Batcher, models: Any, make_frame: Any) -> "tuple[Any, concurrent.futures.Future[Any]]":
    """A detector that is busy with frame 0 until its ``go_on`` is set."""
    detector = models.load(1)
    detector.go_on.clear()
    batcher.swap(detector)
    first = batcher.submit(make_frame(sequence=0), HANG_GUARD_S)
    assert detector.entered.wait(HANG_GUARD_S)
    return detector, first


def test_what_waits_is_read_together_up_to_a_batch(batcher: Batcher, models: Any, make_frame: Any) -> None:
    detector, first = hold(batcher, models, make_frame)
    answers = [first, *(batcher.submit(make_frame(sequence=i), HANG_GUARD_S) for i in range(1, 7))]
    detector.go_on.set()

    assert [answer.result(HANG_GUARD_S).sequence for answer in answers] == list(range(7))
    assert detector.batches == [[0], [1, 2, 3, 4], [5, 6]]


def test_frames_of_different_layouts_are_read_apart(batcher: Batcher, models: Any, make_frame: Any) -> None:
    detector, first = hold(batcher, models, make_frame)
    frames = [make_frame(1), make_frame(2, size=16), make_frame(3), make_frame(4, views=3)]
    answers = [first, *(batcher.submit(frame, HANG_GUARD_S) for frame in frames)]
    detector.go_on.set()

    assert [answer.result(HANG_GUARD_S).sequence for answer in answers] == list(range(5))
    assert detector.batches == [[0], [1, 3], [2], [4]]


def test_one_bad_frame_does_not_fail_its_neighbours(batcher: Batcher, models: Any, make_frame: Any) -> None:
    detector, _ = hold(batcher, models, make_frame)
    cells = ("sim0", "bad", "crash", "sim1")
    answers = [batcher.submit(make_frame(i, cell_id=cell), HANG_GUARD_S) for i, cell in enumerate(cells)]
    detector.go_on.set()

    assert answers[0].result(HANG_GUARD_S).cell_id == "sim0"
    assert isinstance(answers[1].exception(HANG_GUARD_S), FrameError)
    assert isinstance(answers[2].exception(HANG_GUARD_S), ServiceError)
    assert answers[3].result(HANG_GUARD_S).cell_id == "sim1"


def test_cancelled_and_late_frames_are_not_read(batcher: Batcher, models: Any, make_frame: Any) -> None:
    detector, _ = hold(batcher, models, make_frame)
    cancelled = batcher.submit(make_frame(1), HANG_GUARD_S)
    late = batcher.submit(make_frame(2), 0.0)
    wanted = batcher.submit(make_frame(3), HANG_GUARD_S)
    cancelled.cancel()
    detector.go_on.set()

    assert wanted.result(HANG_GUARD_S).sequence == 3
    with pytest.raises(DeadlineError, match="passed in the queue"):
        late.result(HANG_GUARD_S)
    assert detector.batches == [[0], [3]]


def test_cancelled_frames_make_room(batcher: Batcher, models: Any, make_frame: Any) -> None:
    detector, _ = hold(batcher, models, make_frame)
    waiting = [batcher.submit(make_frame(i), HANG_GUARD_S) for i in range(1, 9)]
    with pytest.raises(QueueFullError, match="8 frames wait already"):
        batcher.submit(make_frame(9), HANG_GUARD_S)
    waiting[0].cancel()

    answer = batcher.submit(make_frame(9), HANG_GUARD_S)
    detector.go_on.set()
    assert answer.result(HANG_GUARD_S).sequence == 9


def test_a_swap_takes_effect_between_two_batches(batcher: Batcher, models: Any, make_frame: Any) -> None:
    detector, first = hold(batcher, models, make_frame)
    second = batcher.submit(make_frame(1), HANG_GUARD_S)
    batcher.swap(models.load(2))
    detector.go_on.set()

    assert first.result(HANG_GUARD_S).model_version == 1
    assert second.result(HANG_GUARD_S).model_version == 2


def test_without_a_model_nothing_is_taken(batcher: Batcher, make_frame: Any) -> None:
    with pytest.raises(NoModelError):
        batcher.submit(make_frame(), HANG_GUARD_S)


def test_closing_turns_away_what_waits(models: Any, make_frame: Any) -> None:
    batcher = Batcher(FeatureMetrics())
    batcher.start()
    detector, first = hold(batcher, models, make_frame)
    waiting = batcher.submit(make_frame(1), HANG_GUARD_S)
    batcher.close(0.01)

    with pytest.raises(ServiceUnavailableError, match="is stopping"):
        waiting.result(HANG_GUARD_S)
    with pytest.raises(ServiceUnavailableError, match="is stopping"):
        batcher.submit(make_frame(2), HANG_GUARD_S)
    detector.go_on.set()
    assert first.result(HANG_GUARD_S).sequence == 0
    batcher.close(HANG_GUARD_S)


def test_a_wait_for_company_fills_a_batch(models: Any, make_frame: Any) -> None:
    batcher = Batcher(FeatureMetrics(), max_batch_frames=3, max_wait_ms=HANG_GUARD_S * 1e3)
    detector = models.load(1)
    batcher.swap(detector)
    batcher.start()
    answers = [batcher.submit(make_frame(i), HANG_GUARD_S) for i in range(3)]

    assert [answer.result(HANG_GUARD_S).sequence for answer in answers] == [0, 1, 2]
    assert detector.batches == [[0, 1, 2]]
    batcher.close(HANG_GUARD_S)
