"""Stage 3: the policy is cloned from demonstrations, then learns from its own episodes; everything runs at once.

Cells act and push steps, the service answers them, the DDPG learner learns, and the keypoint learner follows the stream
that exploration leaves behind. Whoever fails is named, begun anew, and holds nobody up (``deploy.fleet``).
"""

import time
from typing import Any

import numpy as np

from deploy.encoders import ready_encoder
from deploy.fleet.supervisor import Supervisor
from deploy.session import Session
from deploy.stages.clone import clone
from deploy.stages.see import show
from deploy.topology import CALL_S, START_S
from learners.ddpg.policy import save_policy


def learn_to_act(session: Session) -> None:
    """Train the policy to the configured number of environment steps and keep it."""
    if session.folder.progress().get("acts"):
        return
    session.folder.require_model()
    ready_encoder(session)
    topology = session.topology
    address = topology.service()
    learner = topology.policy_learner()
    topology.call(learner.weights.remote(), START_S)
    if not session.folder.progress().get("cloned"):
        topology.call([cell.connect.remote(address) for cell in topology.cells().values()], START_S)
        clone(session, learner)
    began_s = time.monotonic()
    with session.keeping():
        Supervisor(session).run()
        if session.config.keypoints.follow_stream:
            _publish_last(session, topology.keypoint_learner())
    _note_service(session, time.monotonic() - began_s)
    learner = topology.policy_learner()
    topology.call(learner.save.remote(), CALL_S)
    weights, shape = topology.call(learner.weights.remote(), CALL_S)
    save_policy(session.folder.policy, shape, weights)
    session.folder.note(acts=True)


def _publish_last(session: Session, keypoints: Any) -> None:
    status = session.topology.call(keypoints.publish.remote(), CALL_S)
    session.topology.call(keypoints.save.remote(), CALL_S)
    show(session, status)


def _note_service(session: Session, seconds: float) -> None:
    """Round trips as the cells met them while everything ran at once."""
    latencies = np.array(session.latencies_ms)
    if len(latencies):
        p50, p99 = np.percentile(latencies, [50, 99])
        service = {
            "p50_ms": round(float(p50), 2),
            "p99_ms": round(float(p99), 2),
            "requests": len(latencies),
            "frames_per_s": round(len(latencies) / seconds, 1),
        }
        session.folder.note(service=service)
