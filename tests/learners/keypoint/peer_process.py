"""One of several processes that train a tiny model together: ``python peer_process.py RANK SIZE FOLDER``."""

import os
import sys
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from learners.keypoint.config import TrainerConfig
from learners.keypoint.peers import Peers
from learners.keypoint.trainer import KeypointTrainer
from tests.learners.keypoint.conftest import network_config, scenes_of

STEPS = 12
RECIPE = TrainerConfig(
    warm_start_steps=2, entry_plausible=0, collapse_plausible=0, ramp_steps=2, anneal_steps=STEPS,
    labelled_batch=2, unlabelled_batch=2,
)  # fmt: skip
DEADLINE = timedelta(seconds=240)


def train(folder: Path, peers: Peers) -> None:
    """Leaves ``rank<rank>.pt``: the state after all steps, the same by way of the state at half time, the losses."""
    scenes = scenes_of()

    def trainer() -> KeypointTrainer:
        return KeypointTrainer(network_config(), RECIPE, scenes.labelled, seed=5, peers=peers)

    first, half = trainer(), folder / f"half{peers.rank}.pt"
    reports = [first.step(scenes.unlabelled) for _ in range(STEPS // 2)]
    torch.save(first.state_dict(), half)
    reports += [first.step(scenes.unlabelled) for _ in range(STEPS // 2)]
    again = trainer()
    again.load_state_dict(torch.load(half, weights_only=True))
    for _ in range(STEPS // 2):
        again.step(scenes.unlabelled)
    losses = [report.supervised for report in reports]
    found = {"state": first.state_dict(), "resumed": again.state_dict(), "losses": losses}
    torch.save(found, folder / f"rank{peers.rank}.pt")


def train_in_group(folder: Path, rank: int, size: int) -> None:
    """Join the others through a file, train, leave."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    meeting = f"file://{folder}/meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size, timeout=DEADLINE)
    try:
        train(folder, Peers.joined())
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    train_in_group(Path(sys.argv[3]), int(sys.argv[1]), int(sys.argv[2]))
