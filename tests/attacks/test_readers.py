"""Whatever bytes come, what reads them takes them or raises an error of the project: kept findings, and new mutants."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.fuzz.mutation import mutant
from benchmarks.fuzz.targets import TARGETS, kept

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_stays_fixed(name: str) -> None:
    for data in (*TARGETS[name].seeds(), *kept(CORPUS, name)):
        TARGETS[name].read(data)


def test_there_is_something_that_was_found() -> None:
    assert kept(CORPUS, "frame")
    assert kept(CORPUS, "image")


@pytest.mark.parametrize("name", TARGETS)
def test_sound_messages_are_taken_so_that_mutants_reach_deep(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[BaseException] = []
    monkeypatch.setattr("s3k_dist.errors.S3KError.__init__", lambda self, *args: refused.append(self))
    for data in TARGETS[name].seeds():
        TARGETS[name].read(data)
    # The page's two readers, and an image's two encodings, each refuse what is the other's.
    assert len(refused) <= (len(TARGETS[name].seeds()) if name in ("page", "image") else 0)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_mutants_do_no_harm(name: str, seed: int) -> None:
    pool = [*TARGETS[name].seeds(), *kept(CORPUS, name)]
    chance = random.Random(seed)
    for _ in range(5):
        TARGETS[name].read(mutant(pool, chance))


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=300))
def test_noise_does_no_harm(name: str, data: bytes) -> None:
    TARGETS[name].read(data)
