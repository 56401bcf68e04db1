"""A camera's parameters as pypylon shows them, for those that its emulator lacks."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class FakeNode:
    """One parameter.

    Attributes:
        set_to: what it becomes of a value that is set: cameras round, clip, or ignore.
    """

    value: Any = None
    low: float | None = None
    high: float | None = None
    Symbolics: tuple[str, ...] = ()
    there: bool = True
    rounds: float = 0.0
    log: list[str] = field(default_factory=list)
    name: str = ""

    def IsValid(self) -> bool:  # noqa: N802
        return self.there

    def IsReadable(self) -> bool:  # noqa: N802
        return self.there

    def IsWritable(self) -> bool:  # noqa: N802
        return self.there

    def Execute(self) -> None:  # noqa: N802
        self.log.append(f"{self.name}!")

    @property
    def Min(self) -> float | None:  # noqa: N802
        return self.low

    @property
    def Max(self) -> float | None:  # noqa: N802
        return self.high

    @property
    def Value(self) -> Any:  # noqa: N802
        return self.value

    @Value.setter
    def Value(self, value: Any) -> None:  # noqa: N802
        if self.Symbolics and value not in self.Symbolics:
            raise ValueError(value)
        if self.low is not None and self.high is not None and not self.low <= value <= self.high:
            raise ValueError(value)
        self.log.append(f"{self.name}={value}")
        self.value = value + self.rounds if self.rounds else value


class FakeNodes:
    """Args: values or nodes by name. ``log`` holds what was set, in order."""

    def __init__(self, nodes: dict[str, Any]) -> None:
        self.log: list[str] = []
        self._nodes = {name: node if isinstance(node, FakeNode) else FakeNode(node) for name, node in nodes.items()}
        for name, node in self._nodes.items():
            node.name, node.log = name, self.log

    def GetNode(self, name: str) -> FakeNode:  # noqa: N802
        return self._nodes.get(name, FakeNode(there=False))
