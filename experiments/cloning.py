"""Plain behaviour cloning: least squares on the demonstrated actions, nothing else."""

from collections.abc import Sequence

import numpy as np
import torch

from learners.ddpg.networks import Actor, ActorShape
from learners.ddpg.policy import PolicyWeights
from s3k_dist.episodes import EpisodeChunk

UPDATES, BATCH, LEARNING_RATE = 4000, 256, 3e-4


def clone(episodes: Sequence[EpisodeChunk], seed: int, updates: int = UPDATES) -> tuple[PolicyWeights, ActorShape]:
    """An actor of the learner's size that imitates ``episodes``.

    Args:
        episodes: demonstrations of one observation and action size, at least one.
        seed: of weights and batches.
        updates: of Adam.
    """
    observations = torch.from_numpy(np.concatenate([episode.observations[:-1] for episode in episodes]))
    actions = torch.from_numpy(np.concatenate([episode.actions for episode in episodes]))
    shape = ActorShape(observations.shape[1], actions.shape[1])
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        actor = Actor(shape)
    optimiser = torch.optim.Adam(actor.parameters(), LEARNING_RATE)
    for _ in range(updates):
        chosen = torch.randint(len(observations), (BATCH,), generator=generator)
        loss = (actor(observations[chosen]) - actions[chosen]).square().sum(-1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return PolicyWeights(0, {name: value.detach().numpy() for name, value in actor.state_dict().items()}), shape
