"""The policy is cloned from demonstrations, before it learns from anything of its own."""

from typing import Any

from deploy.demos.parquet import configured_demonstrations, under_names_of_their_own
from deploy.processes import demonstration_ids
from deploy.session import PHASES, Session
from deploy.stages.evaluate import play_held_out
from deploy.topology import CALL_S
from learners.ddpg.offline import write_episodes
from s3k_dist.errors import S3KError

ADVANCE_S = 1.0


def clone(session: Session, learner: Any) -> None:
    """Demonstrations with served features into the replay, and the updates on them alone."""
    topology = session.topology
    session.view.event("reading the demonstrations through the keypoint model")
    asked = [
        cell.demonstrations.remote(demonstration_ids(session.folder, cell_id))
        for cell_id, cell in topology.cells().items()
    ]
    chunks = [chunk for part in topology.call(asked, CALL_S) for chunk in part]
    chunks = under_names_of_their_own([*chunks, *configured_demonstrations(session.config)])
    if not chunks:
        raise S3KError(
            "the keypoint model supports the success of no demonstration: it needs more labels or more training steps"
        )
    write_episodes(session.folder.demonstrations, chunks)
    transitions = topology.call(learner.load_demonstrations.remote(chunks), CALL_S)
    wanted = session.config.policy.pretrain_updates
    cloned = 0.0
    while cloned < wanted:
        cloned = topology.call(learner.advance.remote(ADVANCE_S), CALL_S).numbers["pretrain_updates"]
        session.view.update(updates=cloned)
    session.view.event(f"cloned {len(chunks)} demonstrations ({transitions} steps)")
    if session.config.evaluation.cloned_episodes:
        weights, shape = topology.call(learner.weights.remote(), CALL_S)
        play_held_out(session, weights, shape, "cloned", session.config.evaluation.cloned_episodes)
    topology.call(learner.save.remote(), CALL_S)
    session.folder.note(cloned=True, demonstrations=len(chunks))
    session.view.phase(PHASES[2])
