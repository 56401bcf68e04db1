"""A fleet without processes: who is asked what is written down, and answers come when a test gives them."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from actors.rollout import EpisodeOutcome
from deploy.fleet.cell_file import CellFile


class HandCalls:
    """Stands where ``Calls`` does: a test answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self._waiting: dict[str, Callable[[Any], None]] = {}
        self.pulses: dict[str, Callable[[Any], None]] = {}

    def ask(self, name: str, reference: str, deadline_s: float, then: Callable[[Any], None]) -> None:
        assert not self.waiting_for(name), f"{name} is asked twice at once"
        assert deadline_s > 0
        if name.endswith(", pulse"):
            self.pulses[name.removesuffix(", pulse")] = then
            return
        self.asked.append((name, reference))
        self._waiting[name] = then

    def waiting_for(self, name: str) -> bool:
        return name in self._waiting or (name.removesuffix(", pulse") in self.pulses and name.endswith(", pulse"))

    def answer(self, name: str, result: Any = None) -> None:
        self._waiting.pop(name)(result)

    @property
    def last(self) -> str:
        return self.asked[-1][1]


class FakeProcess:
    """A handle: ``handle.anything.remote(...)`` is a reference that says what was asked."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, method: str) -> Any:
        return SimpleNamespace(remote=lambda *arguments: f"{self.name}.{method}")


class FakeHost:
    """Starts processes that are names with a number, and knows which resources there are."""

    def __init__(self) -> None:
        self.resources: set[str] = set()
        self.started: dict[str, int] = {}
        self.running: dict[str, FakeProcess] = {}
        self.ended: list[str] = []
        self.at_work: list[str] = []
        self.seed = 0

    def _process(self, name: str) -> FakeProcess:
        if name not in self.running:
            self.started[name] = self.started.get(name, 0) + 1
            self.running[name] = FakeProcess(f"{name}#{self.started[name]}")
        return self.running[name]

    def _end(self, name: str, how: str) -> None:
        if self.running.pop(name, None) is not None:
            self.ended.append(f"{name} {how}")

    def offers(self, resource: str | None) -> bool:
        return resource is None or resource in self.resources

    def start_cell(self, cell: CellFile) -> FakeProcess:
        return self._process(cell.cell)

    def end_cell(self, cell_id: str) -> None:
        self._end(cell_id, "killed")

    def retire_cell(self, cell_id: str) -> None:
        self._end(cell_id, "retired")

    def connect(self, handle: FakeProcess) -> str:
        return f"{handle.name}.connect"

    def attach(self, handle: FakeProcess, cell_id: str) -> str:
        return f"{handle.name}.attach to {self.policy_learner().name}"

    def attached(self, cell_id: str, handle: FakeProcess) -> None:
        self.at_work.append(handle.name)

    def next_seed(self) -> int:
        self.seed += 1
        return self.seed

    def policy_learner(self) -> FakeProcess:
        return self._process("policy")

    def end_policy_learner(self) -> None:
        self._end("policy", "killed")

    def keypoint_learner(self) -> FakeProcess:
        return self._process("keypoints")

    def end_keypoint_learner(self) -> None:
        self._end("keypoints", "killed")

    def replica(self, number: int) -> FakeProcess:
        return self._process(f"service{number}")

    def end_replica(self, number: int) -> None:
        self._end(f"service{number}", "killed")


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.time", clock)
    monkeypatch.setattr("time.monotonic", clock)
    return clock


@pytest.fixture
def calls() -> HandCalls:
    return HandCalls()


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


def outcome(steps: int = 10, *, truly: bool = True) -> EpisodeOutcome:
    moments = steps + 1
    return EpisodeOutcome(
        "e", 0, steps, truly, 1.0 if truly else 0.2, 1.0, 7, 3, np.zeros((moments, 3)), np.ones(moments),
        np.ones((moments, 3), bool),
    )  # fmt: skip


class Said(list[str]):
    """What a person was told."""

    def __call__(self, text: str) -> None:
        self.append(text)


@pytest.fixture
def said() -> Said:
    return Said()
