"""A version on trial answers its share, is counted, and harms nobody."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from s3k_dist.features.batcher import Trial
from s3k_dist.features.client import FeatureClient
from s3k_dist.features.detector import Trials
from s3k_dist.features.figures import FiguresBook, VersionFigures, read_figures
from s3k_dist.weights_history import Canary
from tests.s3k_dist.drift.windows import said
from tests.s3k_dist.features.conftest import HANG_GUARD_S, FakeDetector, FakeModels, MakeFrame, Serve


@dataclass
class Registry:
    """A canary that a test sets by hand."""

    weights: Path
    on_trial: Canary | None = None

    def canary(self) -> Canary | None:
        return self.on_trial

    def start(self, version: int, share: float) -> None:
        self.on_trial = Canary(version=version, share=share, since_ns=1)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path)


def wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + HANG_GUARD_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def connected(serve: Serve, registry: Registry) -> FeatureClient:
    client = FeatureClient(serve(trials=Trials(registry.canary, registry.weights)).address, deadline_s=HANG_GUARD_S)
    client.wait_ready(HANG_GUARD_S)
    return client


def versions_of(client: FeatureClient, make_frame: MakeFrame, groups: range) -> list[int]:
    versions = []
    for group in groups:
        client.group = f"episode {group}"
        versions.append(client.extract(make_frame(group)).model_version)
    return versions


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_a_trial_takes_its_share_of_groups(share: float) -> None:
    trial = Trial(FakeDetector(7), share)
    taken = np.mean([trial.takes(f"cell{i % 5}/{i}") for i in range(4000)])
    assert taken == pytest.approx(share, abs=0.03)


def test_the_share_is_answered_by_whole_groups_and_alike_in_every_replica(
    serve: Serve, registry: Registry, models: FakeModels, make_frame: MakeFrame
) -> None:
    with connected(serve, registry) as first, connected(serve, registry) as second:
        assert set(versions_of(first, make_frame, range(5))) == {1}
        registry.start(2, 0.5)
        wait(lambda: 2 in versions_of(first, make_frame, range(20)) and 2 in versions_of(second, make_frame, range(20)))
        versions = versions_of(first, make_frame, range(60))
        assert versions == versions_of(first, make_frame, range(60)) == versions_of(second, make_frame, range(60))
        assert 15 <= versions.count(2) <= 45
        registry.on_trial = None
        wait(lambda: set(versions_of(first, make_frame, range(20))) == {1})


def test_without_groups_a_cell_keeps_its_version_for_a_while(
    serve: Serve, registry: Registry, models: FakeModels, make_frame: MakeFrame
) -> None:
    registry.start(2, 0.5)
    with connected(serve, registry) as client:
        wait(lambda: models.detectors.get(2) is not None)
        wait(lambda: 2 in {client.extract(make_frame(64 * i)).model_version for i in range(20)})
        for block in range(8):
            assert len({client.extract(make_frame(64 * block + i)).model_version for i in (0, 20, 63)}) == 1


def test_versions_are_counted_side_by_side(
    serve: Serve, registry: Registry, models: FakeModels, make_frame: MakeFrame
) -> None:
    registry.start(2, 0.5)
    with connected(serve, registry) as client:
        wait(lambda: 2 in versions_of(client, make_frame, range(20)))
        versions_of(client, make_frame, range(40))

        def together() -> list[VersionFigures]:
            figures = read_figures(registry.weights, 1, 2).together
            return [figures.of(1), figures.of(2)]

        wait(lambda: all(figures.frames >= 10 for figures in together()))
        assert together()[1].means == {"residual_px": pytest.approx(0.05), "confidence": 1.0, "missing": 0.0}
        assert read_figures(registry.weights, 1, 2).age_s < HANG_GUARD_S
        # Promoted: what was counted before says nothing of how it does for everybody.
        models.promoted, registry.on_trial = 2, None
        wait(lambda: set(versions_of(client, make_frame, range(10))) == {2})
        wait(lambda: read_figures(registry.weights, 2, 0).together.of(2).frames > 0)
        assert read_figures(registry.weights, 1, 2).together.versions == {}


@pytest.mark.parametrize("fault", ["cannot be loaded", "cannot read"])
def test_a_version_that_fails_on_trial_is_covered_for_and_counted(
    serve: Serve, registry: Registry, models: FakeModels, make_frame: MakeFrame, fault: str
) -> None:
    class Broken(FakeDetector):
        def detect(self, frames: object) -> list:  # type: ignore[override]
            raise RuntimeError("not a number")

    if fault == "cannot be loaded":
        models.broken.add(2)
    else:
        models.detectors[2] = Broken(2)
    registry.start(2, 1.0)
    with connected(serve, registry) as client:

        def failures() -> int:
            assert set(versions_of(client, make_frame, range(3))) == {1}
            return read_figures(registry.weights, 1, 2).together.of(2).failures

        wait(lambda: failures() > 0)
        # A frame that nobody can read is not held against it.
        with pytest.raises(Exception, match="all dark"):
            client.extract(make_frame(cell_id="bad"))


def test_a_service_that_stops_leaves_no_figures(serve: Serve, registry: Registry, make_frame: MakeFrame) -> None:
    service = serve(trials=Trials(registry.canary, registry.weights))
    wait(lambda: bool(list(registry.weights.glob("figures/*.json"))))
    service.stop(grace_s=1.0)
    assert list(registry.weights.glob("figures/*.json")) == []
    assert read_figures(registry.weights, 1, 0).age_s == float("inf")


def test_damaged_figures_count_as_none(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "a.json").write_text("{")
    assert read_figures(tmp_path, 1, 0).together.versions == {}


def test_figures_forget_slowly_and_bear_what_is_not_a_number() -> None:
    book = FiguresBook()
    book.serves(1)
    book.answered(said(i, residual_px=0.5) for i in range(1500))
    assert book.figures().of(1).means["residual_px"] == pytest.approx(0.5)
    book.answered(said(i, residual_px=5.0, confidence=np.nan) for i in range(3000))
    late = book.figures().of(1)
    assert late.frames == 4500
    assert late.means["residual_px"] > 3
    assert late.means["missing"] > 0.8
    book.answered([said(0, residual_px=np.nan), replace(said(0), model_version=9)])
    assert book.figures().of(1).frames == 4501
    assert np.isfinite(book.figures().of(1).means["residual_px"])
    assert set(book.figures().versions) == {1}
