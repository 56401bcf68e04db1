"""Several processes that train one model: real ones, through gloo, on a tiny network."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from learners.keypoint.peers import ALONE, Peers
from learners.keypoint.trainer import KeypointTrainer
from s3k_dist.errors import ConfigError
from s3k_dist.keypoints.network import NetworkConfig
from tests.learners.keypoint import peer_process
from tests.learners.keypoint.conftest import Scenes

DEADLINE_S = 240
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process comes to that is in no group."""
    folder = tmp_path_factory.mktemp("alone")
    peer_process.train(folder, ALONE)
    return dict(torch.load(folder / "rank0.pt", weights_only=True))


@pytest.mark.timeout(2 * DEADLINE_S)
def test_two_processes_see_different_frames_and_learn_the_same(tmp_path: Path, alone: dict[str, Any]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, peer_process.__file__, "1", "2", str(tmp_path)], env=environment) as other:
        try:
            peer_process.train_in_group(tmp_path, 0, 2)
            assert other.wait(DEADLINE_S) == 0
        finally:
            other.kill()
    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(2))
    assert all(one != other for one, other in zip(first["losses"], second["losses"], strict=True))
    require_same(first["state"], second["state"])
    assert first["state"]["entry"]["entered"]
    # A saved state holds what each of them needs to go on as if nothing had happened.
    for each in (first, second):
        require_same(each["state"], each["resumed"])
    with pytest.raises(AssertionError):
        require_same(alone["state"]["student"], first["state"]["student"])


def test_a_group_of_one_learns_what_a_process_alone_does(tmp_path: Path, alone: dict[str, Any]) -> None:
    peer_process.train_in_group(tmp_path, 0, 1)
    require_same(torch.load(tmp_path / "rank0.pt", weights_only=True), alone)


def test_a_batch_is_shared_out_evenly(network: NetworkConfig, scenes: Scenes) -> None:
    assert [Peers(1, 4).share("labelled_batch", batch) for batch in (4, 8)] == [1, 2]
    with pytest.raises(ConfigError, match=r"labelled_batch=2 cannot be shared out evenly to 3 workers: .*=3"):
        KeypointTrainer(network, peer_process.RECIPE, scenes.labelled, seed=0, peers=Peers(0, 3))


def test_every_process_draws_for_itself() -> None:
    assert ALONE.seed(7) == 7
    assert len({Peers(rank, 64).seed(seed) for rank in range(64) for seed in range(50)}) == 64 * 50


def test_a_state_of_another_number_of_processes_is_refused(network: NetworkConfig, scenes: Scenes) -> None:
    trainer = KeypointTrainer(network, peer_process.RECIPE, scenes.labelled, seed=0)
    state = trainer.state_dict()
    state["generator"] = torch.stack(2 * [state["generator"]])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="of 2 processes that trained together, here are 1"):
        trainer.load_state_dict(state)


def require_same(first: Any, second: Any) -> None:
    """Equal to the last bit, all the way down."""
    if isinstance(first, torch.Tensor):
        assert torch.equal(first, second)
    elif isinstance(first, dict):
        assert first.keys() == second.keys()
        for name, value in first.items():
            require_same(value, second[name])
    elif isinstance(first, list):
        assert len(first) == len(second)
        for value, other in zip(first, second, strict=True):
            require_same(value, other)
    else:
        assert first == second
