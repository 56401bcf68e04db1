"""Who serves: compared without labels, tried on a share, rolled back; decisions on figures as services write them."""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from learners.keypoint.config import Margins, PromotionConfig
from learners.keypoint.fresh import RUN_FRAMES, fresh_runs
from learners.keypoint.overseer import Decision, Overseer
from learners.keypoint.promotion import JITTER, label_free, objections
from s3k_dist.features.figures import ServingFigures, VersionFigures
from s3k_dist.features.types import FrameFeatures
from s3k_dist.frames import MultiViewFrame
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig
from s3k_dist.stream.reader import StreamReader
from s3k_dist.stream.record import StreamRecord
from s3k_dist.stream.writer import StreamWriter
from s3k_dist.weights import ModelManifest, WeightsRegistry
from tests.s3k_dist.drift.windows import said
from tests.scenes import frame, ring

CONFIG = PromotionConfig(canary_frames=50, canary_s=1e6)
GOOD = {"residual_px": 0.5, "confidence": 0.9, "missing": 0.02, JITTER: 0.4}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({}, None),
        ({"residual_px": 0.56, "confidence": 0.86, "missing": 0.05, JITTER: 0.5}, None),
        ({"residual_px": 0.1, "confidence": 1.0, "missing": 0.0, JITTER: 0.1}, None),
        ({"residual_px": 0.9}, "residual_px 0.9, the other's 0.5"),
        ({"confidence": 0.8}, "confidence 0.8, the other's 0.9"),
        ({"missing": 0.2}, "missing 0.2, the other's 0.02"),
        ({JITTER: 0.9}, "jitter_mm 0.9, the other's 0.4"),
        ({"residual_px": math.nan}, "residual_px nan, the other's 0.5"),
    ],
)
def test_a_model_that_does_worse_beyond_the_margins_is_objected_to(change: dict[str, float], named: str | None) -> None:
    found = objections(GOOD | change, GOOD, Margins())
    assert found == ([] if named is None else [named])


def test_what_the_other_cannot_tell_is_no_objection() -> None:
    assert objections(GOOD, {}, Margins()) == []
    assert objections(GOOD, dict.fromkeys(GOOD, math.nan), Margins()) == []


class Shaky(KeypointDetector):
    """Knows where keypoints are; shakes by so much."""

    def __init__(self, shake_m: float) -> None:
        self._rng, self._shake_m = np.random.default_rng(0), shake_m

    def detect(self, frames: Sequence[MultiViewFrame]) -> list[FrameFeatures]:
        seen = [said(each.sequence, residual_px=0.7) for each in frames]
        for features in seen:
            steady = 0.01 * features.sequence * np.ones((3, 3))
            features.positions_m[:] = steady + self._shake_m * self._rng.normal(size=(3, 3))
        return seen


def test_jitter_is_the_shaking_and_not_the_motion() -> None:
    runs = [tuple(frame(ring(), sequence=5 * i + j) for j in range(RUN_FRAMES)) for i in range(9)]
    still, shaky = (label_free(Shaky(shake), runs) for shake in (0.0, 0.001))
    assert still[JITTER] == pytest.approx(0.0, abs=1e-6)
    # A second difference of unit noise has variance 6 along each of three axes; its median length is 3.8.
    assert shaky[JITTER] == pytest.approx(3.8, rel=0.3)
    assert still["residual_px"] == pytest.approx(0.7)
    assert still["confidence"] == pytest.approx(0.95)


def test_fresh_runs_are_the_newest_in_a_row_and_of_the_models_size(tmp_path: Path) -> None:
    for cell in ("cell0", "cell1"):
        with StreamWriter(tmp_path, cell) as writer:
            for i in range(30):
                size = 32 if i < 10 else 64
                writer.append(StreamRecord(frame(ring(2, size_px=size), sequence=i, cell_id=cell), "episode", i, 0))
    reader = StreamReader(tmp_path)
    reader.refresh()
    runs = fresh_runs(reader, 20, 64)
    assert 8 <= len(runs) <= 20
    for run in runs:
        assert [each.sequence for each in run] == list(range(run[0].sequence, run[0].sequence + RUN_FRAMES))
        assert {each.cell_id for each in run} == {run[0].cell_id}
        assert run[0].sequence >= 10
    assert fresh_runs(reader, 0, 64) == []
    assert fresh_runs(StreamReader(tmp_path / "nowhere"), 4, 64) == []


@pytest.fixture
def registry(tmp_path: Path) -> WeightsRegistry:
    """Three versions; the first serves."""
    registry = WeightsRegistry(tmp_path / "models")
    for _ in range(3):
        registry.publish({"w": torch.zeros(1)}, ModelManifest(kind="keypoints"))
    registry.promote(1)
    return registry


def counted(frames: int, *, residual_px: float = 0.5, confidence: float = 0.9, failures: int = 0) -> VersionFigures:
    return VersionFigures(
        frames=frames,
        failures=failures,
        weight=frames,
        log_residual=frames * math.log(residual_px),
        confidence=frames * confidence,
    )


def served(registry: WeightsRegistry, replica: str = "a", **versions: VersionFigures) -> None:
    """Figures as a service writes them; versions are named v1, v2."""
    (registry.root / "figures").mkdir(exist_ok=True)
    canary = registry.canary()
    figures = ServingFigures(
        serving=registry.current() or 0,
        canary=0 if canary is None else canary.version,
        at_ns=time.time_ns(),
        versions={int(name[1:]): each for name, each in versions.items()},
    )
    (registry.root / "figures" / f"{replica}.json").write_text(figures.model_dump_json())


def overseer(
    registry: WeightsRegistry, config: PromotionConfig = CONFIG, verdict: Callable[[int, int], list[str]] | None = None
) -> Overseer:
    ticks = iter(range(0, 10_000, 10))
    return Overseer(registry, config, verdict or (lambda version, other: []), now_s=lambda: next(ticks))


def test_a_trial_is_wanted_where_a_service_is_at_work(registry: WeightsRegistry) -> None:
    assert not overseer(registry).wants_trial()
    served(registry)
    assert overseer(registry).wants_trial()
    assert not overseer(registry, PromotionConfig(canary_share=0)).wants_trial()


def test_a_canary_that_does_as_well_is_promoted_once_it_has_answered_enough(registry: WeightsRegistry) -> None:
    registry.start_trial(2, 0.5)
    deciding = overseer(registry)
    assert deciding.look() is None
    served(registry, "a", v1=counted(400), v2=counted(30))
    assert deciding.look() is None
    served(registry, "b", v1=counted(400), v2=counted(30))  # another replica: 60 frames together
    assert deciding.look() == Decision("promoted", 2)
    assert (registry.current(), registry.canary()) == (2, None)
    assert registry.history()[-1].before["residual_px"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        (counted(60, residual_px=2.0), "residual_px 2, the other's 0.5"),
        (counted(60, confidence=0.6), "confidence 0.6, the other's 0.9"),
        (counted(0, failures=3), "it failed 3 times in service"),
        (counted(60, failures=5), "it failed 5 times in service"),
    ],
)
def test_a_canary_that_does_worse_is_rejected_with_the_reason(
    registry: WeightsRegistry, figures: VersionFigures, reason: str
) -> None:
    registry.start_trial(2, 0.5)
    served(registry, v1=counted(400), v2=figures)
    decision = overseer(registry).look()
    assert decision is not None
    assert decision.kind == "rejected"
    assert reason in decision.reason
    assert (registry.current(), registry.canary()) == (1, None)
    assert registry.status(2).state == "rejected"
    assert reason in registry.status(2).reason


def test_a_canary_that_nobody_asks_is_decided_in_the_end(registry: WeightsRegistry) -> None:
    registry.start_trial(2, 0.5)
    assert overseer(registry).look() is None
    assert overseer(registry, PromotionConfig(canary_s=1e-9)).look() == Decision("promoted", 2)
    registry.start_trial(3, 0.5)
    served(registry, v2=counted(9), v3=counted(9, residual_px=5.0))
    decision = overseer(registry).settle()
    assert decision is not None
    assert decision.kind == "rejected"
    assert overseer(registry).settle() is None


def test_a_canary_that_is_damaged_meanwhile_is_rejected(registry: WeightsRegistry) -> None:
    registry.start_trial(2, 0.5)
    (registry.root / "v000002" / "weights.safetensors").write_bytes(b"torn")
    served(registry, v1=counted(400), v2=counted(60))
    decision = overseer(registry).look()
    assert decision is not None
    assert (decision.kind, registry.current(), registry.canary()) == ("rejected", 1, None)
    assert "does not match the sha256" in registry.status(2).reason


def test_where_there_is_nothing_sound_to_go_back_to_it_stays(registry: WeightsRegistry) -> None:
    misbehaving(registry)
    (registry.root / "v000001" / "weights.safetensors").write_bytes(b"torn")
    assert overseer(registry, verdict=lambda version, other: ["worse"]).look() is None
    assert registry.current() == 2


def test_figures_of_other_versions_say_nothing(registry: WeightsRegistry) -> None:
    served(registry, v1=counted(400), v2=counted(400, residual_px=9.0))  # counted before the trial
    registry.start_trial(2, 0.5)
    assert overseer(registry).look() is None


def misbehaving(registry: WeightsRegistry, frames: int = 60) -> None:
    """Version 2, promoted after 1 did well, does badly."""
    registry.promote(2, before={"residual_px": 0.5, "confidence": 0.9, "missing": 0.0})
    served(registry, v2=counted(frames, residual_px=3.0))


def test_a_promoted_version_that_does_worse_than_the_one_before_is_rolled_back(registry: WeightsRegistry) -> None:
    misbehaving(registry)
    asked: list[tuple[int, int]] = []

    def verdict(version: int, other: int) -> list[str]:
        asked.append((version, other))
        return ["residual_px 3, the other's 0.5"]

    deciding = overseer(registry, verdict=verdict)
    decision = deciding.look()
    assert decision is not None
    assert (decision.kind, decision.version) == ("rolled back", 2)
    assert asked == [(2, 1)]
    assert registry.current() == 1
    assert registry.status(2).state == "rolled back"
    assert "on the same frames residual_px 3" in registry.status(2).reason
    assert deciding.look() is None, "what serves again is not judged by what was withdrawn"


def test_harder_frames_are_no_reason_to_roll_back(registry: WeightsRegistry) -> None:
    misbehaving(registry)
    asked: list[int] = []

    def verdict(version: int, other: int) -> list[str]:
        asked.append(version)
        return []  # the old one does no better on the same frames

    deciding = overseer(registry, verdict=verdict)
    assert [deciding.look() for _ in range(4)] == [None] * 4
    assert len(asked) == 1, "it is not asked again before there are as many frames more"
    served(registry, v2=counted(130, residual_px=3.0))
    assert deciding.look() is None
    assert len(asked) == 2
    assert registry.current() == 2


def test_a_version_that_does_well_stays(registry: WeightsRegistry) -> None:
    registry.promote(2, before={"residual_px": 0.5, "confidence": 0.9, "missing": 0.0})
    served(registry, v2=counted(500))
    assert overseer(registry, verdict=lambda version, other: ["never asked"]).look() is None
    assert registry.current() == 2


def test_an_empty_registry_has_nothing_to_decide(tmp_path: Path) -> None:
    assert overseer(WeightsRegistry(tmp_path)).look() is None
    assert overseer(WeightsRegistry(tmp_path)).settle() is None


def test_a_real_model_is_measured_on_runs() -> None:
    config = NetworkConfig(keypoint_names=("a", "b"), image_size_px=64, channels=(8, 8), residual_blocks=0)
    torch.manual_seed(0)
    detector = KeypointDetector(config, KeypointNetwork(config).state_dict())
    runs = [tuple(frame(ring(3, size_px=64), sequence=i + j, seed=i + j) for j in range(RUN_FRAMES)) for i in range(6)]
    measured = label_free(detector, runs)
    assert set(measured) == set(GOOD)
    assert all(math.isfinite(value) for value in measured.values())
