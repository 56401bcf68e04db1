"""How many inputs each target has had, in a file, so that a fuzzer that was stopped goes on."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from s3k_dist.atomic import write_atomic


@dataclass(frozen=True)
class Counter:
    """Of one target.

    Attributes:
        inputs: that it has had.
        seconds: that they took.
        findings: inputs that were neither taken nor refused as they should be.
        engine: what made them: atheris, or mutants.
    """

    inputs: int = 0
    seconds: float = 0.0
    findings: int = 0
    engine: str = ""

    def save(self, state: Path, name: str) -> None:
        """Write it."""
        write_atomic(state / f"{name}.json", json.dumps(asdict(self)).encode())


def counted(state: Path, name: str) -> Counter:
    """Of a target so far."""
    path = state / f"{name}.json"
    return Counter(**json.loads(path.read_text())) if path.exists() else Counter()
