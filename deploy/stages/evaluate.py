"""Stage 4: held-out episodes, played without noise, judged by the simulator's truth."""

from typing import Any

import numpy as np

from actors.collector import Film
from actors.rollout import EpisodeOutcome
from deploy.pictures import keep_film
from deploy.seeds import HELD_OUT_SEEDS
from deploy.session import Session
from deploy.topology import START_S, Calls
from learners.ddpg.networks import ActorShape
from learners.ddpg.policy import PolicyWeights, load_policy
from s3k_dist.errors import CellError, S3KError

EPISODE_S = 120.0
FILMED_EPISODES = 4
FAILURES_IN_A_ROW = 3  # of cells whose cameras or robot are in the world, or act so


def evaluate_policy(session: Session) -> None:
    """Play the trained policy on starts it has never seen."""
    if session.folder.progress().get("evaluated"):
        return
    session.folder.require_model()
    policy = load_policy(session.folder.policy)
    topology = session.topology
    address = topology.service()
    topology.call([cell.connect.remote(address) for cell in topology.cells().values()], START_S)
    _, film = play_held_out(session, policy.weights(), policy.shape, "evaluate", session.config.evaluation.episodes)
    if film is not None:
        keep_film(session.folder.pictures, film)
    session.folder.note(evaluated=True)


def play_held_out(
    session: Session, weights: PolicyWeights, shape: ActorShape, stage: str, episodes: int
) -> tuple[list[EpisodeOutcome], Film | None]:
    """Play held-out starts, shared among the cells.

    Returns:
        The outcomes, and the film of an episode: a success if one of the first few was.
    """
    cells = session.topology.cells()
    waiting = list(range(episodes))
    under_way: dict[str, int] = {}
    calls, outcomes, failures = Calls(), [], 0
    films: list[tuple[bool, Film]] = []

    def ask(cell_id: str, cell: Any) -> None:
        if waiting:
            number = under_way[cell_id] = waiting.pop(0)
            seed = session.seed(HELD_OUT_SEEDS + number)
            film = stage == "evaluate" and number < FILMED_EPISODES
            calls.ask(cell_id, cell.evaluate_episode.remote(weights, shape, seed, film), EPISODE_S)

    for cell_id, cell in cells.items():
        ask(cell_id, cell)
    while len(calls):
        for cell_id, result in calls.ready(timeout_s=1.0):
            if isinstance(result, S3KError):
                failures += 1
                if not isinstance(result, CellError) or failures == FAILURES_IN_A_ROW:
                    raise result
                session.view.event(f"{cell_id}: {result}; the episode is played again")
                waiting.insert(0, under_way[cell_id])
                ask(cell_id, cells[cell_id])
                continue
            failures = 0
            outcome, film = result
            session.keep(stage, outcome)
            outcomes.append(outcome)
            if film is not None:
                films.append((outcome.truly_inserted, film))
            session.view.progress(len(outcomes) / episodes)
            session.view.update(
                success_rate=float(np.mean([one.truly_inserted for one in outcomes])),
                claimed_rate=float(np.mean([one.claimed for one in outcomes])),
            )
            ask(cell_id, cells[cell_id])
    films.sort(key=lambda entry: entry[0])
    return outcomes, films[-1][1] if films else None
