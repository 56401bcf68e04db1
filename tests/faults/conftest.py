"""A Ray cluster of one node, and a run on it that goes on for as long as it is let."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from deploy.ray_nodes import LocalNodes
from experiments.soak.ledger import Ledger
from experiments.soak.nodes import HEAD, HEAD_NODE
from experiments.soak.run import TriedRun, done

PATIENCE_S = 240.0  # of a busy machine; an idle one is back within 20 s


@dataclass
class Tried:
    """What the tests of this folder share.

    Attributes:
        run: the run.
        nodes: of its cluster.
        ledger: of what it has acknowledged.
    """

    run: TriedRun
    nodes: LocalNodes
    ledger: Ledger


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    root = tmp_path_factory.mktemp("faults") / "run"
    with LocalNodes([HEAD_NODE]) as nodes:
        run = TriedRun(root, HEAD, {"RAY_ADDRESS": nodes.address}, patience_s=PATIENCE_S)
        try:
            run.begin()
            run.until(lambda parts: done(parts["policy"]) > 30, "the policy learns")
            yield Tried(run, nodes, Ledger(root))
        finally:
            run.end()
